/** The short writes of a session: its beginning, the end of a turn, changes of state. */
import type {
  AgentTraits,
  EndTurnInput,
  EndTurnResult,
  LeavePoolInput,
  MoveSessionInput,
  OfRun,
  OpenSessionInput,
  RecordRefusalsInput,
  RecordStateInput,
  SessionSettings,
  SpillInput,
} from '../../src/contracts/activities.js';
import type { Agent, AgentReference } from '../../src/contracts/agent.js';
import type { SessionKey } from '../../src/contracts/ids.js';
import { mailOf } from '../../src/contracts/mail.js';
import { addUsage, type InboxItem, type Usage } from '../../src/contracts/message.js';
import { PerduraError } from '../../src/contracts/failures.js';
import {
  callKey,
  eventKeys,
  headAfterCalls,
  headAfterMessages,
  resultPlace,
} from '../../src/contracts/places.js';
import { turnBounds } from '../../src/contracts/policy.js';
import { sessionOfRun } from '../../src/contracts/run-reference.js';
import type { Answer } from '../../src/contracts/session.js';
import { answerOf, isTurnEnd, turnEndOf } from '../../src/contracts/turn-end.js';
import type { AgentVersion } from '../../src/store/agent-definitions.js';
import type { SessionRecord } from '../../src/store/session-catalogue.js';
import { totalOf } from '../../src/store/attempts.js';
import { lostTurn } from '../../src/store/lost-turn.js';
import { missingResult } from '../../src/context/context-builder.js';
import type { ActivityDeps, AgentDirectory } from '../deps.js';
import { currentExecution, type Execution } from '../execution.js';
import { leaveFloors, passFloors } from '../mail/floors.js';
import { expandInbox, inboxWrites } from './inbox.js';
import type { TranscriptCache } from './transcript-cache.js';

export async function openSession(
  deps: ActivityDeps & { readonly cache: TranscriptCache },
  input: OpenSessionInput,
): Promise<SessionSettings> {
  const { key, transcript, run, workflowId, channel, writer } = currentExecution(input.run);
  const asked = await refusingMail(deps, key, () => agentToOpen(deps, key, input));
  // Before the session is there: whoever sees it sees for whom it runs.
  if (input.context) await deps.contexts.put(key, input.context);
  const above = input.inherits ? sessionOfRun(input.run?.parent) : undefined;
  if (above !== undefined) await deps.contexts.inherit(key, above);
  const { title, onParentEnd, maxDescendants: most } = input;
  const { parent, root } = input.run ?? {};
  const { head, turn, full, ...known } = await deps.transcripts.openSession({
    ...key,
    transcript,
    run,
    workflowId,
    agent: asked.definition.name,
    version: asked.version,
    ...(title === undefined ? {} : { title }),
    ...(parent === undefined ? {} : { parent }),
    ...(root === undefined ? {} : { root }),
    ...(onParentEnd === undefined ? {} : { onParentEnd }),
    ...(most === undefined ? {} : { most }),
  });
  if (full !== undefined) {
    throw new PerduraError(
      'Delegation.TooLarge',
      `${full} sessions are at work in this tree, and ${most} may be.`,
    );
  }
  const past = input.fresh && head > 0 ? { head, turn } : undefined;
  // What the store has of the session goes on with the agent that it has.
  const own = { agent: known.agent, version: known.version ?? asked.version };
  const { definition: agent, version } =
    past && known.version !== null && known.version !== asked.version
      ? await refusingMail(deps, key, () => resolveAgent(deps.agents, own, key.tenant))
      : asked;
  if (past) await deps.attempts.giveUp(key);
  // Takes the transcript over from an earlier run, and says so where the session is new.
  const at = { stage: input.stage, head: past?.head ?? input.head };
  const { generation } = await deps.transcripts.append(writer(at), {
    channel,
    events: past
      ? await lostTurn(deps, key)
      : input.fresh
        ? [
            {
              key: eventKeys.sessionStarted(),
              body: { type: 'session.started', agent: agent.name, version },
            },
          ]
        : [],
    ...(past ? { updates: { state: 'idle', force: true }, withdraw: { turn: past.turn } } : {}),
  });
  deps.cache.takeOver(key, transcript, run, generation);
  // The transcript is this run's now: no attempt of an earlier one needs its batches any more.
  if (input.spills) await deps.spills.keepOnly(key, input.spills);
  // Who starts a session again may not know for whom it runs: a courier does not.
  const context =
    input.run?.context !== true &&
    (past !== undefined || !input.fresh) &&
    (await deps.contexts.get(key)) !== undefined;
  const { modelTimeoutMs, heartbeatTimeoutMs, historyLimit, searchAttributes } = deps.settings;
  return {
    agent: agent.name,
    version,
    ...traitsOf(agent),
    modelTimeoutMs,
    heartbeatTimeoutMs,
    historyLimit,
    searchAttributes,
    ...(context ? { context: true } : {}),
    ...(past ? { resume: past } : {}),
  };
}

/** A session of an unknown agent fails, and reads nothing of what it was sent. */
async function refusingMail(
  deps: ActivityDeps,
  key: SessionKey,
  find: () => Promise<AgentVersion>,
): Promise<AgentVersion> {
  try {
    return await find();
  } catch (error) {
    if (error instanceof PerduraError && error.type === 'Agent.Unknown') {
      await passFloors(deps, key, await deps.mail.refusedAll(key, error.message));
    }
    throw error;
  }
}

/** What the workflow must know of an agent. */
export function traitsOf(agent: Agent): AgentTraits {
  const { unread, whileWorking, pool } = agent;
  return {
    ...turnBounds(agent),
    unread,
    ...(whileWorking ? { whileWorking } : {}),
    ...(pool ? { pool: pool.name } : {}),
  };
}

/** The definition of a reference, and its version, which the store has from now on. */
export async function resolveAgent(
  agents: AgentDirectory,
  reference: AgentReference,
  tenant: string,
): Promise<AgentVersion> {
  const { agent, version } = reference;
  if (version !== undefined) return { definition: await agents.get(reference, tenant), version };
  const newest = await agents.newest(agent, tenant);
  await agents.keep(tenant, newest);
  return newest;
}

/**
 * The agent that a run of a session opens with. One that nobody knows any more is no obstacle to a
 * session that the store has: it goes on with its own version.
 */
async function agentToOpen(
  { agents, sessions }: Pick<ActivityDeps, 'agents' | 'sessions'>,
  { tenant, session }: SessionKey,
  input: OpenSessionInput,
): Promise<AgentVersion> {
  try {
    return await resolveAgent(agents, input, tenant);
  } catch (error) {
    const unknown = error instanceof PerduraError && error.type === 'Agent.Unknown';
    const record = unknown && input.fresh ? await sessions.get(tenant, session) : undefined;
    if (record?.version === undefined) throw error;
    return resolveAgent(agents, { agent: record.agent, version: record.version }, tenant);
  }
}

/** The session runs another agent from now on. Written beside the turns, so no stage fences it. */
export async function moveSession(
  deps: Pick<ActivityDeps, 'transcripts'>,
  { run, key, from, to }: MoveSessionInput,
): Promise<void> {
  const execution = currentExecution(run);
  await deps.transcripts.append(execution.writer(), {
    channel: execution.channel,
    events: [{ key: eventKeys.sessionMoved(key), body: { type: 'agent.moved', from, to } }],
    updates: { ...to },
  });
}

/** What ending a turn needs. */
export interface EndTurnDeps extends Pick<ActivityDeps, 'attempts' | 'spills'> {
  readonly transcripts: Pick<ActivityDeps['transcripts'], 'append' | 'read' | 'readStage'>;
}

export async function endTurn(deps: EndTurnDeps, input: EndTurnInput): Promise<EndTurnResult> {
  const execution = currentExecution(input.run);
  const { key, transcript, channel, attempt } = execution;
  const { turn, step, outcome, reason } = input;
  const inbox = await expandInbox(deps.spills, key, input.inbox);
  const { messages, events } = inboxWrites(inbox, { turn, head: input.head }, attempt);
  // No call of this turn is awaited any more: one that died with its worker has no other end.
  await deps.attempts.giveUp(key);
  const found =
    input.cutOff === undefined
      ? undefined
      : await leftBehind(deps, execution, input.cutOff, input.head);
  // A killed worker may have written the last word: readers have seen the turn end with it.
  const rollback = found?.answered ? undefined : input.rollback;
  const open = found?.open ?? input.open;
  // What is forgotten needs no results.
  const closing =
    open && !rollback ? await openCalls(deps, key.tenant, transcript, open.message) : [];
  const head = Math.max(
    headAfterMessages(input.head, inbox.length),
    found?.head ?? 0,
    found?.open ? headAfterCalls(found.open.message, found.open.calls) : 0,
  );
  const usage = found ? addUsage(input.usage, found.usage) : input.usage;
  const failure = input.failure ?? { type: 'Turn.Interrupted', message: 'Interrupted.' };
  const { generation } = await deps.transcripts.append(execution.writer({ ...input, head }), {
    channel,
    ...(rollback ? { rollback } : {}),
    ...(input.slot ? { leave: { turn } } : {}),
    ...(open ? { withdraw: { turn } } : {}),
    messages: [
      ...messages,
      ...closing.map(({ index, id, name }) => ({
        seq: resultPlace(open!.message, index),
        key: callKey(open!.message, index),
        turn,
        step,
        attempt,
        body: missingResult(id, name),
      })),
    ],
    events: [
      ...events,
      {
        key: eventKeys.turnEnded(turn),
        body:
          outcome === 'failed'
            ? { type: 'turn.failed', turn, failure, usage }
            : {
                type: 'turn.interrupted',
                turn,
                ...(reason === undefined ? {} : { reason }),
                ...(rollback ? { rolledBack: true } : {}),
                usage,
              },
      },
    ],
    updates:
      outcome === 'failed'
        ? { state: 'error', turn, head, failure }
        : { state: 'idle', turn, head },
  });
  return {
    head,
    ...(found ? { found: found.usage } : {}),
    ...(rollback ? { generation } : {}),
  };
}

interface LeftBehind {
  readonly head: number;
  readonly usage: Usage;
  /** The last answer, where it made calls. */
  readonly open?: { readonly message: number; readonly calls: number };
  /** The last answer has ended the turn. */
  readonly answered: boolean;
}

/**
 * The steps of a model call that ended without an answer to the workflow: its worker died and
 * the turn was interrupted, or its last step failed. They were read and their tools have run.
 */
async function leftBehind(
  deps: EndTurnDeps,
  { key, transcript, run }: Execution,
  stage: number,
  after: number,
): Promise<LeftBehind> {
  const [rows, spending] = await Promise.all([
    deps.transcripts.readStage(key.tenant, transcript, { stage, after }),
    deps.attempts.spendingOfStage({ ...key, run, stage }),
  ]);
  const last = rows.findLast(({ message }) => message.role === 'assistant');
  const said = last?.message.role === 'assistant' ? last.message : undefined;
  const calls = said?.toolCalls ?? [];
  return {
    answered: said !== undefined && calls.length === 0 && said.finish !== 'interrupted',
    head: rows.at(-1)?.seq ?? after,
    usage: totalOf(spending),
    ...(last && calls.length > 0 ? { open: { message: last.seq, calls: calls.length } } : {}),
  };
}

async function openCalls(deps: EndTurnDeps, tenant: string, transcript: string, message: number) {
  const [row] = await deps.transcripts.read(tenant, transcript, {
    after: message - 1,
    to: message,
  });
  const calls = row?.message.role === 'assistant' ? (row.message.toolCalls ?? []) : [];
  return calls.map(({ id, name }, index) => ({ index, id, name }));
}

export async function recordState(
  deps: ActivityDeps,
  input: RecordStateInput,
): Promise<{ head?: number }> {
  const execution = currentExecution(input.run);
  const { state, turn, reason, place } = input;
  const reached = place ? { head: headAfterMessages(place.head, countOf(input.inbox)) } : {};
  const inbox = await expandInbox(deps.spills, execution.key, input.inbox).catch(
    (error: unknown) => {
      // An attempt before this one has written them, and deleted the batches.
      if (state === 'terminated' && isFenced(error)) return undefined;
      throw error;
    },
  );
  if (!inbox) return reached;
  const { messages, events } = place
    ? inboxWrites(inbox, { turn, head: place.head }, execution.attempt)
    : { messages: [], events: [] };
  const why = reason === undefined ? {} : { reason };
  // Sooner than the write, and lost without harm: a step that it has not reached finds the state.
  if (input.series !== undefined)
    await deps.bus
      .control(execution.key, { type: 'steer', stage: input.series })
      .catch(() => undefined);
  await deps.transcripts.append(execution.writer(place), {
    channel: execution.channel,
    messages,
    events: [
      ...events,
      ...(state === 'terminated'
        ? [{ key: eventKeys.sessionEnded(), body: { type: 'session.ended', ...why } } as const]
        : (input.said ?? [state]).map(
            (said, i) =>
              ({
                key: eventKeys.stateChanged(input.key, i),
                body: { type: 'session.state', state: said, ...why },
              }) as const,
          )),
    ],
    updates: { state, ...reached, force: true },
  });
  if (state === 'terminated') {
    // Before the batches are deleted: an attempt that misses them has nothing left to do.
    await leaveFloors(deps, execution.key);
    await deps.spills.keepOnly(execution.key, []);
  }
  return reached;
}

/** Signals that were refused: whoever reads the session sees why a message is not there. */
export async function recordRefusals(
  deps: ActivityDeps,
  input: RecordRefusalsInput,
): Promise<void> {
  const execution = currentExecution(input.run);
  const { key, refused } = input;
  await deps.transcripts.append(execution.writer(), {
    channel: execution.channel,
    events: refused.map(({ reason, id }, index) => ({
      key: eventKeys.messageRefused(key, index),
      body: { type: 'message.refused', reason, ...(id === undefined ? {} : { id }) },
    })),
  });
  const ours = refused.flatMap(({ id = '', reason, became = 'failed' as const }) => {
    const mailing = mailOf(id);
    return mailing === undefined ? [] : [{ mailing, state: became, reason }];
  });
  if (ours.length === 0) return;
  await passFloors(deps, execution.key, await deps.mail.refused(execution.key, ours));
}

/** Messages of a queue, those in the store included. */
function countOf(items: readonly InboxItem[] = []): number {
  return items.reduce((sum, item) => sum + ('spill' in item ? item.count : 1), 0);
}

function isFenced(error: unknown): boolean {
  return error instanceof PerduraError && error.type === 'Store.Fenced';
}

export async function spill(deps: ActivityDeps, input: SpillInput): Promise<{ spill: string }> {
  return { spill: await deps.spills.put(currentExecution(input.run).key, input.messages) };
}

/** Looks the message up by its id: the workflow forgets old ones, the store does not. */
export async function readAnswer(
  deps: ActivityDeps,
  input: { id: string } & OfRun,
): Promise<Answer | null> {
  const { key } = currentExecution(input.run);
  const taken = await deps.events.findMessage(key, input.id);
  if (!taken) return null;
  const end = await deps.events.findTurnEnd(key, {
    turn: taken.turn,
    after: taken.n,
  });
  return end && isTurnEnd(end) ? answerOf(turnEndOf(end)) : null;
}

/** The turn stands still: its slot goes to the next in line. */
export async function leavePool(
  { pools }: Pick<ActivityDeps, 'pools'>,
  { turn, stage, run: reference }: LeavePoolInput,
): Promise<void> {
  const { key, run } = currentExecution(reference);
  await pools.leave({ ...key, turn, run, stage });
}

export async function adoptChild(
  { sessions }: Pick<ActivityDeps, 'sessions'>,
  { child, from, run }: { child: string; from: string } & OfRun,
): Promise<void> {
  const { tenant, session } = currentExecution(run).key;
  await sessions.adopt({ tenant, session: child }, { from, to: `session/${session}` });
}

export async function publishInterrupt(
  deps: ActivityDeps,
  { turn, tree, ending, run }: { turn: number; tree?: true; ending?: true } & OfRun,
): Promise<void> {
  const { key } = currentExecution(run);
  const { tenant, session } = key;
  const own = deps.bus.control(key, { type: 'interrupt', turn });
  if (!tree) return own;
  const record = await deps.sessions.get(tenant, session);
  const root = record?.root ?? `session/${session}`;
  // Those at work, whatever their workflows know of it yet: they hear of it from their parents too.
  const below = await deps.sessions.below(tenant, { name: session, root }, { open: true });
  // What is handed over stops only where its own parent is interrupted, and does not end.
  const goesOn = ({ onParentEnd, parent }: SessionRecord) =>
    onParentEnd === 'keep' ||
    (onParentEnd === 'grandparent' && (ending === true || parent !== `session/${session}`));
  const spared = new Set(below.filter(goesOn).map((each) => each.session));
  const reached = below.filter(({ path = [] }) => !path.some((name) => spared.has(name)));
  await Promise.all([
    own,
    ...reached.map((each) =>
      deps.bus.control({ tenant, session: each.session }, { type: 'interrupt', turn: each.turns }),
    ),
  ]);
}

export async function publishSteering(
  deps: ActivityDeps,
  input: { stage: number } & OfRun,
): Promise<void> {
  const { key } = currentExecution(input.run);
  await deps.bus.control(key, { type: 'steer', stage: input.stage });
}
