/** `perdura fork` and `perdura checkpoint`: sessions that go on from a turn, and names for turns. */
import { EXIT, UsageError, type CommandContext } from '../context.js';
import { withRuntime } from '../open-runtime.js';
import { oneLine } from '../render/clean.js';
import { table } from '../render/table.js';

export interface ForkArguments {
  readonly turn?: string;
  readonly checkpoint?: string;
  readonly edit?: string;
  readonly name?: string;
  readonly agent?: string;
  readonly message?: string;
}

export interface CheckpointArguments {
  readonly turn?: string;
  readonly note?: string;
  readonly until?: string;
  readonly remove?: boolean;
}

export async function fork(
  context: CommandContext,
  from: string,
  { turn, checkpoint, edit, name, agent, message }: ForkArguments,
): Promise<number> {
  const { terminal } = context;
  if ([turn, checkpoint, edit].filter((each) => each !== undefined).length > 1) {
    throw new UsageError('Use one of --turn, --checkpoint and --edit.');
  }
  if (edit !== undefined && message === undefined) {
    throw new UsageError('Say what stands in the place of the message: --message "…".');
  }
  const as = {
    ...(name === undefined ? {} : { session: name }),
    ...(agent === undefined ? {} : { agent }),
  };
  const record = await withRuntime(context, async (runtime) => {
    const manager = runtime.sessionManager();
    if (edit !== undefined) {
      const edited = await manager.edit(from, edit, message!, as);
      return edited.session.record();
    }
    const session = await manager.fork(from, {
      ...as,
      ...(turn === undefined ? {} : { turn: wholeNumber('--turn', turn) }),
      ...(checkpoint === undefined ? {} : { checkpoint }),
    });
    if (message !== undefined) await session.send(message);
    return session.record();
  });
  const { session, fork: point } = record!;
  terminal.printJson(record);
  const start = point?.turn === 0 ? 'the beginning' : `turn ${point?.turn}`;
  terminal.print(
    `${session} goes on from ${start} of ${point?.session}.\n${terminal.style.dim(`perdura chat ${session}`)}\n`,
  );
  return EXIT.ok;
}

export async function checkpoint(
  context: CommandContext,
  session: string,
  name: string | undefined,
  { turn, note, until, remove = false }: CheckpointArguments,
): Promise<number> {
  const { terminal } = context;
  if (name === undefined) {
    if (remove || turn !== undefined) throw new UsageError('Say the name of the checkpoint.');
    const all = await withRuntime(context, (runtime) =>
      runtime.sessionManager().checkpoints(session),
    );
    terminal.printJson(all);
    const head = ['NAME', 'TURN', 'SAVED', 'UNTIL', 'NOTE'].map(terminal.style.dim);
    const rows = all.map((each) => [
      oneLine(each.name, 60),
      String(each.turn),
      each.createdAt,
      each.expiresAt ?? '–',
      oneLine(each.note ?? '', 80),
    ]);
    terminal.print(all.length === 0 ? `${session} has no checkpoints.\n` : table([head, ...rows]));
    return EXIT.ok;
  }
  if (remove) {
    const removed = await withRuntime(context, (runtime) =>
      runtime.sessionManager().removeCheckpoint(session, name),
    );
    terminal.printJson({ removed });
    terminal.print(removed ? 'The checkpoint is removed.\n' : 'There is no such checkpoint.\n');
    return removed ? EXIT.ok : EXIT.failed;
  }
  const expiresAt = until === undefined ? undefined : new Date(until);
  if (expiresAt && Number.isNaN(expiresAt.getTime())) {
    throw new UsageError(`--until is "${until}". Use a time such as 2027-01-31.`);
  }
  const saved = await withRuntime(context, (runtime) =>
    runtime.sessionManager().saveCheckpoint(session, name, {
      ...(turn === undefined ? {} : { turn: wholeNumber('--turn', turn) }),
      ...(note === undefined ? {} : { note }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
    }),
  );
  terminal.printJson(saved);
  terminal.print(
    `Turn ${saved.turn} of ${session} is the checkpoint ${JSON.stringify(oneLine(saved.name, 100))}.\n`,
  );
  return EXIT.ok;
}

function wholeNumber(option: string, given: string): number {
  if (/^\d{1,9}$/.test(given)) return Number(given);
  throw new UsageError(`${option} is "${given}". Use a whole number.`);
}
