/** `perdura run "…"`: one answer, streamed. */
import { EXIT, type CommandContext } from '../context.js';
import type { WaitEnd } from '../follow.js';
import { messageText } from '../message-text.js';
import { openRuntime, type OpenRuntime } from '../open-runtime.js';
import { comeBackText, lookAgainText } from '../render/hints.js';
import { Talk, type TalkOptions } from '../talk.js';

/** Answers the exit code. */
export async function run(
  context: CommandContext,
  words: readonly string[],
  options: TalkOptions,
): Promise<number> {
  const { terminal } = context;
  const text = await messageText(context, words);
  const open = await openRuntime(context);
  const talk = new Talk(context, open.runtime, options);
  try {
    await talk.resume();
    const end = await talk.say(text).catch((error: unknown) => {
      // What was accepted is kept, whatever became of the connection to it.
      if (!terminal.json && talk.session) terminal.note(lookAgainText(talk.session.id, open));
      throw error;
    });
    terminal.printJson({ type: 'result', session: talk.session?.id, ...end });
    if (!terminal.json) sayWhere(context, talk.session?.id ?? options.session, end, open);
    return exitCodeOf(end);
  } finally {
    await talk.close();
    await open.close();
  }
}

/** Into a pipe only where the answer is not complete: scripts want no advice. */
function sayWhere(
  { terminal }: CommandContext,
  session: string | undefined,
  { outcome }: WaitEnd,
  open: OpenRuntime,
): void {
  if (session === undefined) {
    terminal.note(
      'The message may have been accepted. If so, `perdura sessions` lists its session.',
    );
  } else if (outcome === 'completed') {
    if (terminal.interactive && !open.ephemeral) terminal.note(comeBackText(session, open));
  } else if (outcome === 'ended') {
    terminal.note(`Read it with: perdura show ${session}`);
  } else {
    terminal.note(lookAgainText(session, open));
  }
}

function exitCodeOf({ outcome }: WaitEnd): number {
  if (outcome === 'completed') return EXIT.ok;
  return outcome === 'left' || outcome === 'interrupted' ? EXIT.interrupted : EXIT.failed;
}
