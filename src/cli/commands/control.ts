/** `perdura send`, `interrupt`, `pause`, `resume`, `end`: messages and commands to a session. */
import type { Session } from '../../client/session.js';
import { EXIT, type CommandContext } from '../context.js';
import { messageText } from '../message-text.js';
import { withRuntime } from '../open-runtime.js';
import { patient } from '../patience.js';
import { answerText } from '../render/hints.js';
import { plural } from '../render/units.js';
import { readWhileWorking } from '../while-working.js';

export interface SendArguments {
  readonly id?: string | undefined;
  readonly from?: string | undefined;
  /** What becomes of the message while the agent works. */
  readonly whileWorking?: string | undefined;
}

/** Sends a message and does not wait for the answer. `id` makes a repetition harmless. */
export async function send(
  context: CommandContext,
  name: string,
  words: readonly string[],
  { id, from, whileWorking }: SendArguments,
): Promise<number> {
  const { terminal } = context;
  const policy = readWhileWorking(whileWorking);
  const text = await messageText(context, words);
  const message = {
    text,
    ...(id === undefined ? {} : { id }),
    ...(from === undefined ? {} : { from }),
    ...policy,
  };
  const receipt = await withSession(context, name, (session) => session.send(message));
  terminal.printJson({ session: name, ...receipt });
  const ahead = receipt.ahead > 0 ? `, behind ${plural(receipt.ahead, 'other message')}` : '';
  terminal.print(
    receipt.duplicate
      ? `Message ${receipt.id} was already accepted; nothing was added.\n`
      : `Accepted: message ${receipt.id}${ahead}.\n`,
  );
  if (!terminal.json) terminal.note(answerText(name));
  return EXIT.ok;
}

export async function interrupt(
  context: CommandContext,
  name: string,
  { reason }: { reason?: string | undefined },
): Promise<number> {
  const { terminal } = context;
  const receipt = await withSession(context, name, (session) => session.interrupt(reason));
  terminal.printJson({ session: name, ...receipt });
  terminal.print(
    receipt.interrupted
      ? `Turn ${receipt.turn} of ${name} was interrupted.\n`
      : `No turn of ${name} is running: nothing to interrupt.\n`,
  );
  return EXIT.ok;
}

/** The three commands that are signals: Temporal has accepted the signal when this resolves. */
export async function signal(
  context: CommandContext,
  verb: 'pause' | 'resume' | 'end',
  name: string,
  { reason }: { reason?: string | undefined } = {},
): Promise<number> {
  const { terminal } = context;
  await withSession(context, name, (session) =>
    verb === 'end' ? session.end(reason) : session[verb](),
  );
  terminal.printJson({ session: name, done: verb });
  terminal.print(terminal.asTyped(`${DONE[verb](name)}\n`));
  return EXIT.ok;
}

const DONE = {
  pause: (name: string) =>
    `${name} pauses before its next step; messages wait. Resume it with: perdura resume ${name}`,
  resume: (name: string) => `${name} is resumed.`,
  end: (name: string) => `${name} is ending; its transcript stays.`,
} as const;

function withSession<T>(
  context: CommandContext,
  name: string,
  use: (session: Session) => Promise<T>,
): Promise<T> {
  return withRuntime(context, async (runtime) => patient(context, use(await runtime.find(name))));
}
