/** The events and attempts of a session, put into the shape in which people read them. Pure. */
import type { AgentReference } from '../contracts/agent.js';
import type { PlannedStep, SessionEvent, UnavailableServer } from '../contracts/events.js';
import type { RequestState } from '../contracts/requests.js';
import type { FailureInfo } from '../contracts/failures.js';
import type { ToolCall, Usage } from '../contracts/message.js';
import type { AgentState } from '../contracts/state.js';
import { isTurnEnd, turnEndOf, type TurnEnd } from '../contracts/turn-end.js';
import type { AttemptRow } from '../store/attempts.js';

export interface TimelineTool {
  readonly callId: string;
  readonly name: string;
  readonly arguments: string;
  /** Known attempts; 0 while the call has not started. */
  attempts: number;
  /**
   * While it waits for an answer: the key to answer it by, its deadline if it has one, and the request in
   * the inbox where a person decides.
   */
  waiting?: { readonly key: string; readonly until?: string; readonly request?: string };
  /** What a person has decided about it. */
  decision?: {
    readonly state: RequestState;
    readonly by?: string;
    readonly edited?: true;
    readonly granted?: true;
  };
  result?: { preview: string; bytes: number; ms: number; artifact?: string; failure?: FailureInfo };
}

export interface TimelineStep {
  readonly step: number;
  readonly attempts: AttemptRow[];
  readonly compactions: { from: number; to: number }[];
  text?: string;
  reasoning?: string;
  finish?: string;
  usage?: Usage;
  readonly tools: TimelineTool[];
  /** The conversation went to another agent behind this step. */
  handoff?: {
    readonly from: AgentReference;
    readonly to: AgentReference;
    readonly reason?: string;
  };
}

/** A plan of a planner's turn, with how far each step has come. */
export interface TimelinePlan {
  readonly revision: number;
  readonly goal?: string;
  /** Why it took the place of another one. Absent for the first. */
  readonly because?: 'failed' | 'continued';
  readonly failed?: readonly string[];
  readonly at: string;
  readonly steps: (PlannedStep & {
    /** `open`: not run, or under way. */
    state: 'open' | 'done' | 'failed';
    failure?: FailureInfo;
  })[];
}

export interface TimelineTurn {
  readonly turn: number;
  /** `step` is the one that a message joined, where it steered the turn under way. */
  readonly messages: { id: string; text: string; from?: string; step?: number; at: string }[];
  readonly steps: TimelineStep[];
  /** Of an agent that plans: its plans, in their order. Absent for none. */
  plans?: TimelinePlan[];
  /** Waits for a slot of a pool, in their order. Absent for none. */
  pools?: { readonly pool: string; readonly position: number; reason: string; waitedMs?: number }[];
  /** MCP servers whose tools the turn did not have. */
  unavailable?: readonly UnavailableServer[];
  outcome: 'running' | TurnEnd['outcome'];
  /** Interrupted and forgotten: nothing of it is in the transcript. */
  rolledBack?: true;
  failure?: FailureInfo;
  reason?: string;
  startedAt?: string;
  endedAt?: string;
  /** Micro-dollars, every attempt included. */
  costMicros: number;
}

/** What an agent of the session has cost, failed and interrupted attempts included. */
export interface AgentBill {
  /** Absent for attempts of earlier versions, which did not record it. */
  readonly agent?: string;
  readonly attempts: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedTokens: number;
  /** Micro-dollars. */
  readonly costMicros: number;
}

export interface Timeline {
  readonly session: string;
  readonly turns: TimelineTurn[];
  /** Who spent what, in the order in which the agents came in. */
  readonly agents: AgentBill[];
  /** Pauses, resumptions and the end. */
  readonly states: { at: string; state: AgentState; reason?: string }[];
  /** Signals that were refused. */
  readonly refused: { at: string; reason: string; id?: string }[];
  readonly costMicros: number;
}

export function buildTimeline(
  session: string,
  events: readonly SessionEvent[],
  attempts: readonly AttemptRow[],
): Timeline {
  const turns = new Map<number, TimelineTurn>();
  const states: Timeline['states'] = [];
  const refused: Timeline['refused'] = [];
  const turnOf = (turn: number): TimelineTurn => {
    const known = turns.get(turn) ?? {
      turn,
      messages: [],
      steps: [],
      outcome: 'running' as const,
      costMicros: 0,
    };
    turns.set(turn, known);
    return known;
  };
  const stepOf = (turn: number, step: number): TimelineStep => {
    const { steps } = turnOf(turn);
    const known = steps.find((each) => each.step === step);
    if (known) return known;
    const made: TimelineStep = { step, attempts: [], compactions: [], tools: [] };
    steps.push(made);
    return made;
  };
  for (const attempt of attempts) {
    stepOf(attempt.turn, attempt.step).attempts.push(attempt);
    turnOf(attempt.turn).costMicros += attempt.costMicros;
  }
  for (const event of events) place(event, { turnOf, stepOf, states, refused });
  const ordered = [...turns.values()].sort((a, b) => a.turn - b.turn);
  for (const turn of ordered) turn.steps.sort((a, b) => a.step - b.step);
  const costMicros = ordered.reduce((sum, turn) => sum + turn.costMicros, 0);
  return { session, turns: ordered, agents: billOf(attempts), states, refused, costMicros };
}

function billOf(attempts: readonly AttemptRow[]): AgentBill[] {
  const bills = new Map<string | undefined, AgentBill>();
  for (const attempt of attempts) {
    const { agent } = attempt;
    const before = bills.get(agent);
    const sum = (of: 'inputTokens' | 'outputTokens' | 'cachedTokens' | 'costMicros') =>
      (before?.[of] ?? 0) + attempt[of];
    bills.set(agent, {
      ...(agent === undefined ? {} : { agent }),
      attempts: (before?.attempts ?? 0) + 1,
      inputTokens: sum('inputTokens'),
      outputTokens: sum('outputTokens'),
      cachedTokens: sum('cachedTokens'),
      costMicros: sum('costMicros'),
    });
  }
  return [...bills.values()];
}

function place(
  event: SessionEvent,
  to: {
    turnOf: (turn: number) => TimelineTurn;
    stepOf: (turn: number, step: number) => TimelineStep;
    states: Timeline['states'];
    refused: Timeline['refused'];
  },
): void {
  if (isTurnEnd(event)) {
    const end = turnEndOf(event);
    const turn = to.turnOf(end.turn);
    for (const tool of turn.steps.flatMap(({ tools }) => tools)) {
      if (tool.waiting?.request !== undefined) tool.decision = { state: 'withdrawn' };
      delete tool.waiting;
    }
    Object.assign(turn, {
      outcome: end.outcome,
      endedAt: event.at,
      ...(end.outcome === 'interrupted' && end.reason ? { reason: end.reason } : {}),
      ...(end.outcome === 'interrupted' && end.rolledBack ? { rolledBack: true } : {}),
      ...(end.outcome === 'failed' ? { failure: end.failure } : {}),
    });
    return;
  }
  switch (event.type) {
    case 'message.accepted': {
      const { id, text, from, at, step } = event;
      const joined = step === undefined ? {} : { step };
      to.turnOf(event.turn).messages.push({ id, text, at, ...(from ? { from } : {}), ...joined });
      return;
    }
    case 'message.refused': {
      const { at, reason, id } = event;
      to.refused.push({ at, reason, ...(id === undefined ? {} : { id }) });
      return;
    }
    case 'turn.started':
      to.turnOf(event.turn).startedAt = event.at;
      return;
    case 'pool.waiting': {
      const turn = to.turnOf(event.turn);
      turn.pools ??= [];
      // Asked again, it still waits.
      if (turn.pools.at(-1) && turn.pools.at(-1)!.waitedMs === undefined) turn.pools.pop();
      const { pool, position, reason } = event;
      turn.pools.push({ pool, position, reason });
      return;
    }
    case 'pool.entered': {
      const last = to.turnOf(event.turn).pools?.at(-1);
      if (last) last.waitedMs = event.waitedMs;
      return;
    }
    case 'mcp.unavailable':
      to.turnOf(event.turn).unavailable = event.servers;
      return;
    case 'plan.made':
    case 'plan.changed': {
      const { type: _type, turn: _turn, step: _step, n: _n, steps, ...plan } = event;
      const turn = to.turnOf(event.turn);
      turn.plans ??= [];
      turn.plans.push({ ...plan, steps: steps.map((step) => ({ ...step, state: 'open' })) });
      return;
    }
    case 'plan.step': {
      const { revision, id, state, failure } = event;
      const plan = to.turnOf(event.turn).plans?.find((each) => each.revision === revision);
      const step = plan?.steps.find((each) => each.id === id);
      if (step) Object.assign(step, { state, ...(failure ? { failure } : {}) });
      return;
    }
    case 'step.completed': {
      const step = to.stepOf(event.turn, event.step);
      const { text, reasoning, finish, usage, toolCalls = [] } = event;
      Object.assign(step, { text, finish, usage, ...(reasoning ? { reasoning } : {}) });
      step.tools.push(...toolCalls.map(toTool));
      return;
    }
    case 'tool.waiting':
    case 'request.made':
    case 'request.decided':
    case 'tool.started':
    case 'tool.completed': {
      const tool = to
        .stepOf(event.turn, event.step)
        .tools.find(({ callId }) => callId === event.callId);
      if (!tool) return;
      if (event.type === 'tool.waiting' || event.type === 'request.made') {
        const { key, until } = event;
        const request = event.type === 'request.made' ? { request: event.request } : {};
        tool.waiting = { key, ...(until === undefined ? {} : { until }), ...request };
        return;
      }
      if (event.type === 'request.decided') {
        const { decision: state, by, edited, granted } = event;
        delete tool.waiting;
        tool.decision = {
          state,
          ...(by === undefined ? {} : { by }),
          ...(edited === undefined ? {} : { edited: true }),
          ...(granted === undefined ? {} : { granted: true }),
        };
        return;
      }
      tool.attempts = Math.max(tool.attempts, event.attempt);
      if (event.type === 'tool.started') return;
      const { preview, bytes, ms, artifact, failure } = event;
      delete tool.waiting;
      tool.result = {
        preview,
        bytes,
        ms,
        ...(artifact ? { artifact } : {}),
        ...(failure ? { failure } : {}),
      };
      return;
    }
    case 'agent.handoff': {
      const { from, to: target, reason } = event;
      to.stepOf(event.turn, event.step).handoff = {
        from,
        to: target,
        ...(reason === undefined ? {} : { reason }),
      };
      return;
    }
    case 'context.compacted':
      to.stepOf(event.turn, event.step).compactions.push(event.covers);
      return;
    case 'session.state':
    case 'session.ended':
      to.states.push({
        at: event.at,
        state: event.type === 'session.ended' ? 'terminated' : event.state,
        ...(event.reason ? { reason: event.reason } : {}),
      });
      return;
    default:
      return;
  }
}

function toTool({ id, name, arguments: args }: ToolCall): TimelineTool {
  return { callId: id, name, arguments: args, attempts: 0 };
}
