/** Reads the input of a session, which people also type by hand. Pure: the workflow uses it. */
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
 * Accepts the documented input, plain text as a first message, and no input. What it cannot use is
 * listed in `problems`: a session that runs is more useful than one that fails.
 */
export function readSessionInput(given: unknown): {
  readonly input: SessionInput;
  readonly problems: readonly string[];
} {
  if (given === undefined || given === null) return { input: {}, problems: [] };
  if (typeof given === 'string') return { input: { message: given }, problems: [] };
  if (typeof given !== 'object' || Array.isArray(given)) {
    const shown = JSON.stringify(given).slice(0, 100);
    const problem = `The input ${shown} is not an object or a text. Use text, or ${EXAMPLE}.`;
    return { input: {}, problems: [problem] };
  }
  const unknown = Object.keys(given).filter((name) => !FIELDS.includes(name));
  const problems = unknown.map(
    (name) => `Unknown field ${JSON.stringify(name.slice(0, 100))} in the input. Use ${EXAMPLE}.`,
  );
  return { input: given, problems };
}
