/** Text on its way to a model and a database: how long it is, and where it may be cut. Pure. */
import { wellFormed } from '../contracts/message.js';

/** Longest message of something thrown, characters. */
const MAX_THROWN = 2_000;

/** At most `max` characters (UTF-16 units) of `text`, never half a pair; "…" where it was cut. */
export function clipText(text: string, max: number): string {
  if (text.length <= max) return text;
  const last = text.charCodeAt(max - 2);
  const cut = last >= 0xd800 && last <= 0xdbff ? max - 2 : max - 1;
  return `${text.slice(0, Math.max(cut, 0))}…`;
}

/** The message of whatever was thrown, well-formed and bounded; never its stack. */
export function thrownMessage(error: unknown): string {
  try {
    return wellFormed(clipText(messageOf(error), MAX_THROWN));
  } catch {
    return 'an error that cannot be shown';
  }
}

function messageOf(error: unknown): string {
  // A subclass may have put anything into its message.
  if (error instanceof Error) return String(error.message === '' ? error.name : error.message);
  if (typeof error === 'string') return error;
  return JSON.stringify(error) ?? String(error);
}

/** `1234567` as `1,234,567`. */
export function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

/** Largest index ≤ `at` that is not inside a UTF-8 character of `bytes`. */
export function charStartBefore(bytes: Uint8Array, at: number): number {
  let index = Math.min(Math.max(at, 0), bytes.length);
  while (index > 0 && index < bytes.length && (bytes[index]! & 0xc0) === 0x80) index--;
  return index;
}

/** Smallest index ≥ `at` that is not inside a UTF-8 character of `bytes`. */
export function charStartAfter(bytes: Uint8Array, at: number): number {
  let index = Math.min(Math.max(at, 0), bytes.length);
  while (index < bytes.length && (bytes[index]! & 0xc0) === 0x80) index++;
  return index;
}
