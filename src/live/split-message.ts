/** A long delta in pieces that PostgreSQL can notify. */
import type { LiveDelta, LiveMessage } from '../contracts/events.js';
import { jsonBytes } from '../contracts/message.js';

/**
 * NOTIFY takes payloads below 8,000 bytes (PostgreSQL manual, NOTIFY); room for the envelope
 * is left. Measured as JSON: a control character has six bytes there.
 */
const MAX_TEXT_BYTES = 6_500;

/** The same message, or its pieces in order. */
export function splitMessage(message: LiveMessage): LiveMessage[] {
  if (message.type !== 'delta' || jsonBytes(message.text) <= MAX_TEXT_BYTES) return [message];
  const parts: LiveDelta[] = [];
  for (let from = 0; from < message.text.length;) {
    let bytes = 0;
    let to = from;
    while (to < message.text.length) {
      // Whole characters, so that no piece begins or ends with half a pair.
      const character = String.fromCodePoint(message.text.codePointAt(to)!);
      bytes += jsonBytes(character) - 2;
      if (bytes > MAX_TEXT_BYTES) break;
      to += character.length;
    }
    parts.push({ ...message, offset: message.offset + from, text: message.text.slice(from, to) });
    from = to;
  }
  return parts;
}
