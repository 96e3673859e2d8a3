/** `perdura answer`: the result of a tool call that waits, or why there is none. */
import { EXIT, UsageError, type CommandContext } from '../context.js';
import { messageText } from '../message-text.js';
import { withRuntime } from '../open-runtime.js';
import { patient } from '../patience.js';
import { oneLine } from '../render/clean.js';

export interface AnswerArguments {
  /** The result is text, not JSON. */
  readonly text?: boolean | undefined;
  /** Why there is no result. */
  readonly refuse?: string | undefined;
}

/** Answers a call by its key. The first answer counts. */
export async function answer(
  context: CommandContext,
  name: string,
  call: string,
  result: string | undefined,
  { text = false, refuse }: AnswerArguments,
): Promise<number> {
  const { terminal } = context;
  if (refuse !== undefined && (result !== undefined || text)) {
    throw new UsageError('Give a result or --refuse, not both.');
  }
  const given = refuse === undefined ? await resultOf(context, result, text) : undefined;
  await withRuntime(context, async (runtime) => {
    const session = await runtime.find(name);
    const sent = refuse === undefined ? session.answer(call, given) : session.refuse(call, refuse);
    await patient(context, sent);
  });
  const done = refuse === undefined ? 'answered' : 'refused';
  terminal.printJson({ session: name, call, done });
  terminal.print(`Call ${oneLine(call, 40)} of ${name} is ${done}.\n`);
  return EXIT.ok;
}

async function resultOf(
  context: CommandContext,
  result: string | undefined,
  text: boolean,
): Promise<unknown> {
  const given = await messageText(context, result === undefined ? [] : [result], 'result');
  if (text) return given;
  try {
    return JSON.parse(given) as unknown;
  } catch {
    throw new UsageError(
      `The result ${oneLine(given, 60)} is not JSON. Add --text if it is meant as text.`,
    );
  }
}
