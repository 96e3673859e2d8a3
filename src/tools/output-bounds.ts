/**
 * How much of a tool's output a model sees. Pure: it says whether the whole must be kept as an
 * artifact, and once that has an id, what is shown in its place; it keeps nothing itself.
 */
import type { RawContentPart } from '../contracts/tool.js';
import { charStartAfter, charStartBefore, grouped } from './text.js';

export interface BoundedOutput {
  /** UTF-8 bytes of the text. */
  readonly bytes: number;
  /** The text is longer than allowed: keep `fullText`, then show `show(artifact)`. */
  readonly needsArtifact: boolean;
  /** All text in order, with resources as lines of their own. Images are not in it. */
  readonly fullText: string;
  /**
   * What the model sees: everything where it fits; otherwise head, marker and tail, at most
   * `maxBytes` bytes in all (or the marker alone where not even that fits), then the images.
   * Without an id the marker says that the rest was not kept.
   */
  show(artifact?: string): readonly RawContentPart[];
}

/** Bounds the text of `parts` to `maxBytes` UTF-8 bytes, on the boundaries of characters. */
export function boundOutput(parts: readonly RawContentPart[], maxBytes: number): BoundedOutput {
  const fullText = parts.flatMap(textOf).join('\n');
  const bytes = Buffer.byteLength(fullText);
  const needsArtifact = bytes > maxBytes;
  return {
    bytes,
    needsArtifact,
    fullText,
    show(artifact) {
      if (!needsArtifact) return parts;
      const images = parts.filter((part) => part.type === 'image');
      return [{ type: 'text', text: headAndTail(fullText, maxBytes, artifact) }, ...images];
    },
  };
}

function headAndTail(text: string, maxBytes: number, artifact: string | undefined): string {
  const bytes = Buffer.from(text);
  // The marker with the largest numbers it may have, so that the real one is never longer.
  const room = maxBytes - Buffer.byteLength(marker(bytes.length, bytes.length, artifact));
  const headEnd = charStartBefore(bytes, Math.floor((Math.max(room, 0) * 2) / 3));
  const tailStart = charStartAfter(bytes, bytes.length - (Math.max(room, 0) - headEnd));
  const middle = marker(tailStart - headEnd, headEnd, artifact);
  return bytes.toString('utf8', 0, headEnd) + middle + bytes.toString('utf8', tailStart);
}

function marker(leftOut: number, offset: number, artifact: string | undefined): string {
  const rest =
    artifact === undefined
      ? 'they were not kept'
      : `the whole output is artifact ${artifact}: read it with read_artifact({"artifact":"${artifact}","offset":${offset}})`;
  return `\n[… ${grouped(leftOut)} bytes left out; ${rest}]\n`;
}

function textOf(part: RawContentPart): string[] {
  if (part.type === 'text') return [part.text];
  if (part.type === 'image') return [];
  const about = [part.name, part.mediaType].filter((text) => text !== undefined).join(', ');
  return [about === '' ? `[resource ${part.uri}]` : `[resource ${part.uri} (${about})]`];
}
