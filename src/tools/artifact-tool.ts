/**
 * `read_artifact`, the tool that is always there: how a model pages through output that was
 * too long to show. Where artifacts are kept, and whose they are, is the injected reader's.
 */
import { z } from 'zod';
import { tool } from '../contracts/define-tool.js';
import type { Tool, ToolContext } from '../contracts/tool.js';
import { charStartAfter, charStartBefore, grouped } from './text.js';

export const READ_ARTIFACT = 'read_artifact';

/** A piece of an artifact. */
export interface ArtifactSlice {
  /** The bytes from the offset that was asked for; fewer than asked only at the end. */
  readonly bytes: Uint8Array;
  /** Bytes of the whole artifact. */
  readonly total: number;
  readonly mediaType: string;
}

/**
 * Reads `length` bytes from `offset` of an artifact of the context's tenant and session.
 * Rejects with `Artifact.NotFound`.
 */
export type ReadArtifact = (
  artifact: string,
  offset: number,
  length: number,
  context: ToolContext,
) => Promise<ArtifactSlice>;

/** Most bytes of one answer: below the default of what a tool may show (16 KiB), header included. */
const MAX_LENGTH = 16_000;
const DEFAULT_LENGTH = 8_000;
/** Bytes that a search reads at once. */
const SEARCH_CHUNK = 4 * 1024 * 1024;
const MAX_MATCHES = 10;
/** Bytes shown on either side of a match. */
const MATCH_CONTEXT = 100;

const parameters = z.object({
  artifact: z.string().min(1).max(128).describe('The id, such as art_0123…'),
  offset: z.int().min(0).default(0).describe('Where to start, in bytes from the beginning'),
  length: z.int().min(1).max(MAX_LENGTH).default(DEFAULT_LENGTH).describe('How many bytes to read'),
  find: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe('Instead of reading, list where this exact text occurs from the offset on'),
});

export function createArtifactTool(readArtifact: ReadArtifact): Tool {
  return tool({
    name: READ_ARTIFACT,
    description:
      'Reads a part of an artifact: the whole of an output that was too long to show. Offsets and lengths are bytes; the answer says where the next part starts. With "find", lists the offsets at which a text occurs.',
    effect: 'read',
    run: 'local',
    parameters,
    async execute({ artifact, offset, length, find }, context) {
      return find === undefined
        ? readPart(readArtifact, artifact, offset, length, context)
        : findText(readArtifact, artifact, offset, find, context);
    },
  });
}

async function readPart(
  read: ReadArtifact,
  artifact: string,
  offset: number,
  length: number,
  context: ToolContext,
): Promise<string> {
  // Some bytes more than asked, to see whether a character is cut, and to have one whole.
  const { bytes, total, mediaType } = await read(artifact, offset, length + 8, context);
  if (!isText(mediaType)) {
    return `Artifact ${artifact} is ${mediaType} of ${grouped(total)} bytes: it cannot be read as text.`;
  }
  if (offset >= total) {
    return `Artifact ${artifact} has ${grouped(total)} bytes: there is nothing at offset ${offset}.`;
  }
  const start = offset === 0 ? 0 : charStartAfter(bytes, 0);
  let end = Math.min(length, bytes.length);
  if (end < bytes.length) end = charStartBefore(bytes, end);
  // A length below one character: show that character all the same, or nobody gets past it.
  if (end <= start) end = charStartAfter(bytes, start + 1);
  const next = offset + end;
  const where = `bytes ${grouped(offset + start)} to ${grouped(next)} of ${grouped(total)}`;
  const more = next < total ? `next offset: ${next}` : 'the end';
  return `[${where}; ${more}]\n${Buffer.from(bytes.subarray(start, end)).toString('utf8')}`;
}

async function findText(
  read: ReadArtifact,
  artifact: string,
  offset: number,
  find: string,
  context: ToolContext,
): Promise<string> {
  const needle = Buffer.from(find);
  const lines: string[] = [];
  let at = offset;
  for (;;) {
    const slice = await read(artifact, at, SEARCH_CHUNK, context);
    if (!isText(slice.mediaType)) return `Artifact ${artifact} is ${slice.mediaType}, not text.`;
    const bytes = Buffer.from(slice.bytes);
    let hit = bytes.indexOf(needle);
    for (; hit >= 0; hit = bytes.indexOf(needle, hit + needle.length)) {
      if (lines.length === MAX_MATCHES) {
        return `${lines.join('\n')}\n[more from offset ${at + hit} on]`;
      }
      lines.push(`${at + hit}: ${surroundings(bytes, hit, needle.length)}`);
    }
    const end = at + bytes.length;
    if (end >= slice.total || bytes.length === 0) break;
    // Overlaps, so that a match across two chunks is found, and by one byte less than it, so that none is found twice.
    at = Math.max(end - needle.length + 1, at + 1);
  }
  return lines.length > 0
    ? lines.join('\n')
    : `${JSON.stringify(find)} does not occur from offset ${offset} on.`;
}

function surroundings(bytes: Buffer, hit: number, length: number): string {
  const start = charStartAfter(bytes, hit - MATCH_CONTEXT);
  const end = charStartBefore(bytes, hit + length + MATCH_CONTEXT);
  return JSON.stringify(bytes.toString('utf8', start, end));
}

function isText(mediaType: string): boolean {
  return !/^(image|audio|video)\//.test(mediaType) && mediaType !== 'application/octet-stream';
}
