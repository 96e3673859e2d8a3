/** `perdura send`, `interrupt`, `pause`, `resume`, `end`: what one says to a session. */
import type { Session } from '../../client/session.js';
import { EXIT, type Context } from '../context.js';
import { messageText } from '../message-text.js';
import { withRuntime } from '../open-runtime.js';
import { patient } from '../patience.js';
import { answerText } from '../render/hints.js';
import { plural } from '../render/units.js';

/** Hands a message over; does not wait for the answer. `id` makes a repetition harmless. */
export async function send(
  context: Context,
  name: string,
  words: readonly string[],
  { id, from }: { id?: string | undefined; from?: string | undefined },
): Promise<number> {
  const { terminal } = context;
  const text = await messageText(context, words);
  const message = {
    text,
    ...(id === undefined ? {} : { id }),
    ...(from === undefined ? {} : { from }),
  };
  const receipt = await withSession(context, name, (session) => session.send(message));
  terminal.printJson({ session: name, ...receipt });
  const ahead = receipt.ahead > 0 ? `, behind ${plural(receipt.ahead, 'other message')}` : '';
  terminal.print(
    receipt.duplicate
      ? `Message ${receipt.id} was accepted before: nothing was added.\n`
      : `Accepted: message ${receipt.id}${ahead}.\n`,
  );
  if (!terminal.json) terminal.note(answerText(name));
  return EXIT.ok;
}

export async function interrupt(
  context: Context,
  name: string,
  { reason }: { reason?: string | undefined },
): Promise<number> {
  const { terminal } = context;
  const receipt = await withSession(context, name, (session) => session.interrupt(reason));
  terminal.printJson({ session: name, ...receipt });
  terminal.print(
    receipt.interrupted
      ? `Turn ${receipt.turn} of ${name} is interrupted.\n`
      : `${name} is in no turn: nothing to interrupt.\n`,
  );
  return EXIT.ok;
}

/** The three that are signals: Temporal has taken them when this resolves. */
export async function steer(
  context: Context,
  verb: 'pause' | 'resume' | 'end',
  name: string,
  { reason }: { reason?: string | undefined } = {},
): Promise<number> {
  const { terminal } = context;
  await withSession(context, name, (session) =>
    verb === 'end' ? session.end(reason) : session[verb](),
  );
  terminal.printJson({ session: name, done: verb });
  terminal.print(terminal.asTyped(`${TOLD[verb](name)}\n`));
  return EXIT.ok;
}

const TOLD = {
  pause: (name: string) =>
    `${name} pauses before its next step; messages wait. Go on: perdura resume ${name}`,
  resume: (name: string) => `${name} goes on.`,
  end: (name: string) => `${name} has been told to end; its transcript stays.`,
} as const;

function withSession<T>(
  context: Context,
  name: string,
  use: (session: Session) => Promise<T>,
): Promise<T> {
  return withRuntime(context, async (runtime) => patient(context, use(await runtime.find(name))));
}
