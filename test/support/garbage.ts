/**
 * What a stranger may put into a field: text that is not well-formed, values of the wrong type,
 * numbers at the edge, payloads that are no JSON. Tables, and a client's way to send them as
 * they are written here.
 */
import type { Payload, PayloadCodec } from '@temporalio/common';

export interface Garbage {
  readonly what: string;
  readonly value: unknown;
}

const HIGH = '\ud83d';
const LOW = '\ude00';

/** JSON has an escape for what UTF-8 has not: half a pair arrives as such. */
export const TEXTS: readonly Garbage[] = [
  { what: 'a high surrogate', value: HIGH },
  { what: 'a low surrogate', value: LOW },
  { what: 'a pair in the wrong order', value: LOW + HIGH },
  { what: 'half a pair in the middle', value: `a${HIGH}b` },
  { what: 'half a pair at the end', value: `cut off ${HIGH}` },
  { what: 'half a pair where a text is cut', value: `${'x'.repeat(199)}😀${'y'.repeat(300)}` },
  { what: '50,000 halves', value: HIGH.repeat(50_000) },
  { what: 'NUL', value: 'a\u0000b' },
  { what: 'NUL alone', value: '\u0000' },
  { what: 'U+FFFF', value: 'a\uffffb' },
  { what: '1 MB of combining marks', value: `e${'\u0301'.repeat(500_000)}` },
  { what: 'control characters', value: 'a\u001b[2J\u202e\u0007\r\nb' },
  { what: 'a name of Object.prototype', value: '__proto__' },
  { what: 'spaces', value: ' \n\t ' },
  { what: 'nothing', value: '' },
];

export const VALUES: readonly Garbage[] = [
  { what: 'null', value: null },
  { what: 'true', value: true },
  { what: 'a number', value: 7 },
  { what: 'an array', value: [] },
  { what: 'an array of arrays', value: [[['x']], null, { text: [] }] },
  { what: 'an object', value: {} },
  { what: 'an object of objects', value: { text: { text: { text: 'x' } }, id: { id: 1 } } },
  { what: '1e400 as JSON', value: raw('1e400') },
  { what: 'a nest of 5,000 arrays', value: raw(`${'['.repeat(5_000)}${']'.repeat(5_000)}`) },
  {
    what: 'a nest of 5,000 objects',
    value: raw(`${'{"text":'.repeat(5_000)}1${'}'.repeat(5_000)}`),
  },
  { what: 'an own __proto__', value: raw('{"__proto__":{"text":"x","id":"y"}}') },
  { what: 'a field twice', value: raw('{"text":"x","text":7}') },
  { what: 'a name that is half a pair', value: { [HIGH]: HIGH, text: 7 } },
  { what: 'bytes', value: raw('\u0001\u0002', 'binary/plain') },
];

/** Payloads that no converter can read: a handler is never called with them. */
export const UNREADABLE: readonly Garbage[] = [
  { what: 'JSON that is cut off', value: raw('{"text":') },
  { what: 'an encoding of somebody else', value: raw('\u0001\u0002', 'json/protobuf') },
  { what: 'no encoding at all', value: raw('x', '') },
];

/** For `wakeUpAfter`. NaN and Infinity become null in JSON. */
export const DELAYS: readonly Garbage[] = [
  ...[1e12, 1e16, 1e20, 2 ** 31, 2 ** 53, 1e308, Number.MIN_VALUE, -0, -1, -1e20, 0.5].map(
    (value) => ({ what: Object.is(value, -0) ? '-0' : String(value), value }),
  ),
  { what: 'NaN', value: Number.NaN },
  { what: '1e400', value: raw('1e400') },
  { what: 'text', value: '60000' },
  { what: 'an array', value: [60_000] },
  { what: 'an object', value: { ms: 60_000 } },
];

/** Delays that are none: they are refused, and whoever looks is told. */
export const isDelay = (value: unknown): boolean =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0;

const CARRIED = {
  version: 1,
  head: 0,
  stage: 0,
  turn: 0,
  state: 'idle',
  midTurn: false,
  inbox: [],
  seen: [],
  usage: { input: 0, output: 0, cached: 0, reasoning: 0, costMicros: 0 },
  runs: 1,
};

/** Hand-made states of a session: every field of the wrong shape, one at a time. */
export const CARRIED_STATES: readonly Garbage[] = [
  ...[null, 7, 'x', true, [], {}, { version: 2 }, HIGH].map((value) => ({
    what: JSON.stringify(value),
    value,
  })),
  ...Object.keys(CARRIED).flatMap((field) =>
    [null, -1, 1.5, 1e300, 'x', HIGH, {}, [null], [[HIGH, HIGH]]].map((value) => ({
      what: `${field}: ${JSON.stringify(value)}`,
      value: { ...CARRIED, [field]: value },
    })),
  ),
  ...(
    [
      { open: {} },
      { open: { step: 'x', repairs: null, startedAt: HIGH, usage: {} }, state: 'running' },
      { open: { step: 1e300, repairs: -1, startedAt: 1e300, usage: null }, state: 'running' },
      { state: 'running', midTurn: true },
      { state: 'terminated' },
      { inbox: [{}] },
      { inbox: [{ id: HIGH, text: HIGH, from: HIGH }] },
      { inbox: [{ id: 7, text: ['x'] }] },
      { inbox: [{ spill: HIGH, count: 1e300 }] },
      { inbox: [{ spill: 'none-of-ours', count: 3, from: -7 }] },
      { seen: [['a', 'b', 'c'], 'x', [null, null]] },
      { failure: 'x' },
      { failure: { type: HIGH, message: HIGH } },
      { failure: { type: 7, message: {} }, state: 'error' },
      { wakeAt: 'x' },
      { wakeAt: 1e300 },
      { wakeAt: -1 },
    ] as const
  ).map((fields) => ({ what: JSON.stringify(fields), value: { ...CARRIED, ...fields } })),
];

interface Raw {
  readonly $raw: string;
  readonly $encoding: string;
}

/** A payload as it is: these bytes, this encoding. Needs {@link rawCodec} in the client. */
export function raw(bytes: string, encoding = 'json/plain'): Raw {
  return { $raw: bytes, $encoding: encoding };
}

/** For the `dataConverter` of a plain Temporal client. */
export const rawCodec: PayloadCodec = {
  encode: (payloads) => Promise.resolve(payloads.map(asItIs)),
  decode: (payloads) => Promise.resolve(payloads),
};

function asItIs(payload: Payload): Payload {
  const text = Buffer.from(payload.data ?? []).toString();
  if (!text.startsWith('{"$raw":')) return payload;
  const { $raw, $encoding } = JSON.parse(text) as Raw;
  return {
    metadata: $encoding === '' ? {} : { encoding: Buffer.from($encoding) },
    data: Buffer.from($raw),
  };
}
