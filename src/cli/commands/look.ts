/** `perdura sessions` and `perdura show`: what there is, and what happened. Reads only. */
import type { AgentState } from '../../contracts/state.js';
import { PerduraError } from '../../contracts/failures.js';
import { EXIT, UsageError, type CommandContext } from '../context.js';
import { withRuntime } from '../open-runtime.js';
import { sessionsText } from '../render/sessions.js';
import { timelineText } from '../render/timeline.js';

/** By the words that people see, and by those of JSON. */
const STATES: Readonly<Record<string, AgentState>> = {
  idle: 'idle',
  running: 'running',
  paused: 'paused',
  error: 'error',
  ended: 'terminated',
  terminated: 'terminated',
};

export interface ListOptions {
  readonly limit: string;
  readonly state?: string | undefined;
  readonly agent?: string | undefined;
  /** Corrects the record of sessions whose workflow was ended in Temporal. */
  readonly check?: boolean | undefined;
}

export async function sessions(context: CommandContext, options: ListOptions): Promise<number> {
  const { terminal } = context;
  const { limit, state: word, agent } = options;
  if (!/^[1-9]\d{0,3}$/.test(limit)) {
    throw new UsageError(`--limit is "${limit}". Use a whole number from 1 to 9999.`);
  }
  const state = word !== undefined && Object.hasOwn(STATES, word) ? STATES[word] : undefined;
  if (word !== undefined && state === undefined) {
    throw new UsageError(`--state is "${word}". Use one of idle, running, paused, error, ended.`);
  }
  const filter = {
    limit: Number(limit),
    ...(state === undefined ? {} : { state }),
    ...(agent === undefined ? {} : { agent }),
  };
  const records = await withRuntime(context, async (runtime) => {
    if (options.check) await runtime.reconcile(filter);
    return runtime.sessions(filter);
  });
  terminal.printJson(records);
  const filtered = state !== undefined || agent !== undefined;
  const text = sessionsText(records, terminal.style, Date.now(), filtered);
  terminal.print(records.length === 0 ? terminal.asTyped(text) : text);
  return EXIT.ok;
}

export async function show(
  context: CommandContext,
  name: string,
  { full = false, tree = false }: { full?: boolean | undefined; tree?: boolean | undefined },
): Promise<number> {
  const { terminal } = context;
  await withRuntime(context, async (runtime) => {
    const session = await runtime.find(name);
    const record = await session.record();
    if (!record) {
      throw new PerduraError(
        'Session.NotFound',
        `There is no session ${name} in tenant ${runtime.tenant}. \`perdura sessions\` lists them, \`perdura groups\` the groups.`,
      );
    }
    const timeline = await session.timeline();
    const below = tree ? await session.below() : [];
    const others = await Promise.all(
      below.map(async (each) => ({
        ...each,
        timeline: await runtime.session(each.session).timeline(),
      })),
    );
    terminal.printJson({ ...record, timeline, ...(tree ? { below: others } : {}) });
    terminal.print(timelineText(record, timeline, { style: terminal.style, full }));
    for (const { timeline: own, ...each } of inOrder(session.id, others)) {
      terminal.print(terminal.style.dim(`\n${'─'.repeat(3)} ${(each.path ?? []).join(' › ')}\n`));
      terminal.print(timelineText(each, own, { style: terminal.style, full }));
    }
  });
  return EXIT.ok;
}

/** Each behind the one above it. Handed over by age, so that siblings are in that order. */
function inOrder<T extends { readonly session: string; readonly path?: readonly string[] }>(
  above: string,
  all: readonly T[],
): T[] {
  const own = all.filter(({ path = [] }) => path.at(-2) === above);
  return own.flatMap((each) => [each, ...inOrder(each.session, all)]);
}
