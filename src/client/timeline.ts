/** The events and attempts of a session, put into the shape in which people read them. Pure. */
import type { SessionEvent, UnavailableServer } from '../contracts/events.js';
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
  /** While it waits for an answer: the key to answer it by, and its deadline if it has one. */
  waiting?: { readonly key: string; readonly until?: string };
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
}

export interface TimelineTurn {
  readonly turn: number;
  /** `step` is the one that a message joined, where it steered the turn under way. */
  readonly messages: { id: string; text: string; from?: string; step?: number; at: string }[];
  readonly steps: TimelineStep[];
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

export interface Timeline {
  readonly session: string;
  readonly turns: TimelineTurn[];
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
  return { session, turns: ordered, states, refused, costMicros };
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
    for (const tool of turn.steps.flatMap(({ tools }) => tools)) delete tool.waiting;
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
    case 'mcp.unavailable':
      to.turnOf(event.turn).unavailable = event.servers;
      return;
    case 'step.completed': {
      const step = to.stepOf(event.turn, event.step);
      const { text, reasoning, finish, usage, toolCalls = [] } = event;
      Object.assign(step, { text, finish, usage, ...(reasoning ? { reasoning } : {}) });
      step.tools.push(...toolCalls.map(toTool));
      return;
    }
    case 'tool.waiting':
    case 'tool.started':
    case 'tool.completed': {
      const tool = to
        .stepOf(event.turn, event.step)
        .tools.find(({ callId }) => callId === event.callId);
      if (!tool) return;
      if (event.type === 'tool.waiting') {
        const { key, until } = event;
        tool.waiting = { key, ...(until === undefined ? {} : { until }) };
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
