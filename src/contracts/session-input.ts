/** What a session is started with, by whoever types it. Pure: the workflow reads its input with it. */
import type { SessionInput } from './session.js';

const FIELDS: readonly string[] = [
  'agent',
  'message',
  'messages',
  'title',
  'carried',
] satisfies (keyof SessionInput)[];

const EXAMPLE = '{ "agent": "assistant", "message": "hello" }';

/**
 * Accepts the input as documented, plain text as a first message, and nothing at all. What it
 * cannot use is named in `problems`: a session that runs is of more use than one that fails.
 */
export function readSessionInput(given: unknown): {
  readonly input: SessionInput;
  readonly problems: readonly string[];
} {
  if (given === undefined || given === null) return { input: {}, problems: [] };
  if (typeof given === 'string') return { input: { message: given }, problems: [] };
  if (typeof given !== 'object' || Array.isArray(given)) {
    const problem = `The input is ${JSON.stringify(given).slice(0, 100)}: use text, or ${EXAMPLE}.`;
    return { input: {}, problems: [problem] };
  }
  const unknown = Object.keys(given).filter((name) => !FIELDS.includes(name));
  const problems = unknown.map(
    (name) =>
      `The input has a field ${JSON.stringify(name.slice(0, 100))}, which is none: use ${EXAMPLE}.`,
  );
  return { input: given, problems };
}
