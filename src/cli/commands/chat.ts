/** `perdura chat`: a conversation at the terminal, which can be left and taken up again. */
import { PerduraError } from '../../contracts/failures.js';
import { EXIT, type Context } from '../context.js';
import type { TurnEnd } from '../follow.js';
import { openRuntime, type OpenRuntime } from '../open-runtime.js';
import { createPrompt } from '../prompt.js';
import { reportOf } from '../render/failure.js';
import { historyText } from '../render/history.js';
import { Talk, type TalkOptions } from '../talk.js';

/** Messages that are shown again to somebody who comes back. */
const SHOWN_AGAIN = 6;

/** Answers the exit code: 1 when the messages came from a pipe and one of them had no answer. */
export async function chat(context: Context, options: TalkOptions): Promise<number> {
  const { terminal } = context;
  const open = await openRuntime(context);
  const talk = new Talk(context, open.runtime, options);
  const prompt = createPrompt(context);
  let failed = false;
  try {
    await comeBack(context, talk);
    if (terminal.interactive) terminal.note('Ctrl-C interrupts the agent, Ctrl-D leaves.');
    while (!talk.left) {
      const text = await prompt.next();
      if (text === undefined) break;
      if (text.trim() === '') continue;
      const end = await answered(context, () => talk.say(text));
      failed ||= end?.outcome !== 'completed';
      if (end?.outcome === 'ended') break;
    }
    sayGoodbye(context, talk, open);
    return failed && !terminal.interactive ? EXIT.failed : EXIT.ok;
  } finally {
    await talk.close();
    await open.close();
  }
}

/** The last messages of a session that there is already, and the turn that it is in. */
async function comeBack(context: Context, talk: Talk): Promise<void> {
  const { terminal } = context;
  const known = await talk.resume();
  if (!known) return;
  const { record, session } = known;
  if (terminal.interactive) {
    // A page is enough: a turn may have hundreds of messages.
    const messages = await session.transcript({ after: Math.max(0, record.head - 200) });
    terminal.print(historyText(messages, SHOWN_AGAIN, terminal.style));
  }
  if (record.state === 'paused') {
    terminal.note(`The session is paused: messages wait until \`perdura resume ${session.id}\`.`);
  }
  if (record.state !== 'running') return;
  try {
    await talk.listen();
  } catch (error) {
    // The catalogue is older than the end of its workflow: the next message starts it again.
    if (!(error instanceof PerduraError) || error.type !== 'Session.Closed') throw error;
  }
}

/** A failure of one message ends no conversation. */
async function answered(
  { terminal }: Context,
  turn: () => Promise<TurnEnd>,
): Promise<TurnEnd | undefined> {
  try {
    return await turn();
  } catch (error) {
    terminal.failure(reportOf(error));
    return undefined;
  }
}

function sayGoodbye({ terminal }: Context, talk: Talk, open: OpenRuntime): void {
  const name = talk.session?.id;
  if (name === undefined || !terminal.interactive) return;
  const first = open.ephemeral ? ' (start `perdura dev` before)' : '';
  terminal.note(`Come back with: perdura chat --session ${name}${first}`);
}
