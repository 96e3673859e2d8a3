/**
 * What a tool returned, as content parts that can be stored and shown. Pure; how much of it is
 * shown is in `output-bounds.ts`.
 */
import { ToolContent, type RawContentPart } from '../contracts/tool.js';
import { wellFormed } from '../contracts/message.js';
import { clipText, thrownMessage } from './text.js';

/** Shown for `undefined`, `''` and no parts: a provider may refuse a result without content. */
export const NO_OUTPUT = '(no output)';

/** Longest uri, name or media type, characters. */
const MAX_FIELD = 2_048;

export interface NormalOutput {
  readonly parts: readonly RawContentPart[];
  /** The tool says itself that it failed. */
  readonly isError: boolean;
}

/**
 * The one door of what tools return: all of its text is well-formed from here on.
 * Throws an error that names the tool's mistake when `output` is no JSON value (a
 * cycle, a function).
 */
export function normaliseOutput(output: unknown): NormalOutput {
  if (isToolContent(output)) {
    const parts = output.parts.map(cleanPart);
    return { parts: parts.length > 0 ? parts : text(NO_OUTPUT), isError: output.isError };
  }
  if (output === undefined || output === '') return { parts: text(NO_OUTPUT), isError: false };
  return {
    parts: text(wellFormed(typeof output === 'string' ? output : jsonOf(output))),
    isError: false,
  };
}

/** Size as it will be kept, bytes: UTF-8 for text, decoded for images. */
export function outputBytes(parts: readonly RawContentPart[]): number {
  let bytes = 0;
  for (const part of parts) {
    if (part.type === 'text') bytes += Buffer.byteLength(part.text);
    else if (part.type === 'image') bytes += Math.floor((part.data.length * 3) / 4);
    else bytes += Buffer.byteLength(part.uri) + Buffer.byteLength(part.name ?? '');
  }
  return bytes;
}

/** By its shape as well: a configuration loaded with jiti may bring its own copy of the class. */
function isToolContent(value: unknown): value is ToolContent {
  if (value instanceof ToolContent) return true;
  return (
    typeof value === 'object' &&
    value !== null &&
    value.constructor?.name === 'ToolContent' &&
    Array.isArray((value as { parts?: unknown }).parts)
  );
}

function cleanPart(part: RawContentPart): RawContentPart {
  if (part.type === 'text') return { type: 'text', text: wellFormed(String(part.text)) };
  if (part.type === 'image') {
    const { mediaType, data } = part;
    if (/^image\/[\w.+-]{1,64}$/.test(mediaType) && isBase64(data)) return part;
    return { type: 'text', text: `[an image that is not valid (${clip(mediaType)})]` };
  }
  if (part.type === 'resource' && typeof part.uri === 'string') {
    return {
      type: 'resource',
      uri: clip(part.uri),
      ...(part.name === undefined ? {} : { name: clip(part.name) }),
      ...(part.mediaType === undefined ? {} : { mediaType: clip(part.mediaType) }),
    };
  }
  return { type: 'text', text: wellFormed(jsonOf(part)) };
}

/** Without one regular expression over all of it: images have megabytes. */
function isBase64(data: unknown): data is string {
  if (typeof data !== 'string' || data === '') return false;
  return Buffer.byteLength(data, 'base64') > 0 && !/[^A-Za-z0-9+/=_\r\n-]/.test(data);
}

/** What a tool's author took for a string may be something else. */
function clip(value: unknown): string {
  return wellFormed(clipText(String(value), MAX_FIELD));
}

function jsonOf(value: unknown): string {
  let json: string | undefined;
  try {
    json = JSON.stringify(value, replacer);
  } catch (error) {
    throw new Error(
      `The tool returned a value that cannot be written as JSON: ${thrownMessage(error).split('\n')[0]}`,
    );
  }
  if (json === undefined) {
    throw new Error(`The tool returned a ${typeof value}: return text, JSON or ToolContent.`);
  }
  return json;
}

/** What JSON would refuse or silently turn into `{}`. */
function replacer(this: unknown, key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Map) return Object.fromEntries(value);
  if (value instanceof Set) return [...value];
  if (value instanceof Error) return { name: value.name, message: value.message };
  // `toJSON` of a Buffer has already run, so the original is looked up.
  const original = (this as Record<string, unknown>)[key];
  if (ArrayBuffer.isView(original)) {
    const { buffer, byteOffset, byteLength } = original;
    return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
  }
  return value;
}

function text(value: string): RawContentPart[] {
  return [{ type: 'text', text: value }];
}
