/** `perdura run "…"`: one answer, streamed. */
import { EXIT, type Context } from '../context.js';
import type { TurnEnd } from '../follow.js';
import { messageText } from '../message-text.js';
import { openRuntime } from '../open-runtime.js';
import { Talk, type TalkOptions } from '../talk.js';

/** Answers the exit code. */
export async function run(
  context: Context,
  words: readonly string[],
  options: TalkOptions,
): Promise<number> {
  const { terminal } = context;
  const text = await messageText(context, words);
  const open = await openRuntime(context);
  const talk = new Talk(context, open.runtime, options);
  try {
    await talk.resume();
    const end = await talk.say(text);
    const session = talk.session?.id;
    terminal.printJson({ type: 'result', session, ...end });
    if (terminal.interactive && session !== undefined && !open.ephemeral) {
      terminal.note(`Go on with: perdura chat --session ${session}`);
    }
    return exitCodeOf(end);
  } finally {
    await talk.close();
    await open.close();
  }
}

function exitCodeOf({ outcome }: TurnEnd): number {
  if (outcome === 'completed') return EXIT.ok;
  return outcome === 'left' || outcome === 'interrupted' ? EXIT.interrupted : EXIT.failed;
}
