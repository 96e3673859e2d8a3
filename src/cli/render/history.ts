/** The last messages of a session, for a user who returns to it. Pure. */
import type { StoredMessage } from '../../contracts/message.js';
import { clean, oneLine } from './clean.js';
import type { Style } from './style.js';

/** Longest part of a message that is shown again, characters. */
const MAX_SHOWN = 1_200;

/** The last `count` messages with text, of people and of the agent. */
export function historyText(
  messages: readonly StoredMessage[],
  count: number,
  style: Style,
): string {
  const said = messages.flatMap(({ message }) => {
    if (message.role !== 'user' && message.role !== 'assistant') return [];
    if (message.text.trim() === '') return [];
    return [message];
  });
  const left = said.length - count;
  const earlier = left > 0 ? `${style.dim(`(${left} earlier)`)}\n` : '';
  const lines = said.slice(-count).map((message) => {
    const text = clean(message.text).trim();
    const shown = text.length > MAX_SHOWN ? `…${text.slice(-MAX_SHOWN)}` : text;
    if (message.role === 'assistant') return `${shown}\n`;
    const who = message.from === undefined ? '>' : `${oneLine(message.from, 40)}>`;
    return `${style.bold(who)} ${shown}\n`;
  });
  return earlier + lines.join('');
}
