/** `perdura chat`: a conversation at the terminal, which can be left and taken up again. */
import { PerduraError } from '../../contracts/failures.js';
import { EXIT, UsageError, type CommandContext } from '../context.js';
import { openRuntime, type OpenRuntime } from '../open-runtime.js';
import { createPrompt } from '../prompt.js';
import { reportOf } from '../render/failure.js';
import { comeBackText } from '../render/hints.js';
import { historyText } from '../render/history.js';
import { Talk, type TalkOptions } from '../talk.js';

/** Messages that are shown again to a user who returns. */
const SHOWN_AGAIN = 6;

/** Messages that are none: `/quit` leaves, as the end of the input does. */
const QUIT = '/quit';
const HELP = '/help';
const HELP_TEXT =
  'Ctrl-C interrupts the agent. Ctrl-D or /quit leaves, and the session stays. Everything else is a message.';

/**
 * Answers the exit code: 1 when the messages came from a pipe and one of them had no answer. The
 * chat also ends when someone ends the session.
 */
export async function chat(
  context: CommandContext,
  name: string | undefined,
  options: TalkOptions,
): Promise<number> {
  const { terminal } = context;
  if (name !== undefined && options.session !== undefined && name !== options.session) {
    throw new UsageError(`Two sessions are given, ${name} and ${options.session}. Leave one out.`);
  }
  const session = name ?? options.session;
  const open = await openRuntime(context);
  // Each needs the other: the prompt may interrupt, and the talk writes above the prompt's line.
  const prompt = createPrompt(context, () => talk.interruptOthers());
  const talk = new Talk(context, open.runtime, { ...options, session }, prompt);
  let failed = false;
  try {
    if (terminal.interactive) terminal.note(HELP_TEXT);
    await comeBack(context, talk);
    while (!talk.left && !talk.over.aborted) {
      talk.settle();
      talk.watch();
      const text = await prompt.next(talk.over);
      if (text === undefined || text.trim() === QUIT) break;
      if (text.trim() === '') continue;
      if (terminal.interactive && text.trim() === HELP) {
        terminal.note(HELP_TEXT);
        continue;
      }
      const outcome = await say(context, talk, text);
      failed ||= outcome !== 'completed';
      if (outcome === 'closed') break;
    }
    sayGoodbye(context, talk, open);
    return failed && !terminal.interactive ? EXIT.failed : EXIT.ok;
  } finally {
    await talk.close();
    await open.close();
  }
}

/** The last messages of a session that there is already, and the turn that it is in. */
async function comeBack(context: CommandContext, talk: Talk): Promise<void> {
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
    terminal.note(`The session is paused. Messages wait until \`perdura resume ${session.id}\`.`);
  }
  if (record.state !== 'running') return;
  try {
    await talk.listen();
  } catch (error) {
    // The catalogue is older than the end of its workflow: the next message starts it again.
    if (!(error instanceof PerduraError) || error.type !== 'Session.NoWorkflow') throw error;
  }
}

/** A failure of one message ends no conversation; the end of the session does. */
async function say({ terminal }: CommandContext, talk: Talk, text: string) {
  try {
    const { outcome } = await talk.say(text);
    return outcome;
  } catch (error) {
    terminal.failure(reportOf(error));
    return error instanceof PerduraError && error.type === 'Session.Closed' ? 'closed' : 'failed';
  }
}

function sayGoodbye({ terminal }: CommandContext, talk: Talk, open: OpenRuntime): void {
  const name = talk.session?.id;
  if (name === undefined || terminal.json) return;
  if (talk.over.aborted) terminal.note(`The session has ended. Read it with: perdura show ${name}`);
  else if (terminal.interactive) terminal.note(comeBackText(name, open));
}
