/**
 * What a step writes: its beginning, its answer, its failure. Only composed here; when each is
 * written, and what the database answers, is the business of `model-step.ts`.
 */
import { randomUUID } from 'node:crypto';
import type { CallModelInput, PlannedCall } from '../../src/contracts/activities.js';
import type { Agent } from '../../src/contracts/agent.js';
import type { UnavailableServer } from '../../src/contracts/events.js';
import type { FailureInfo } from '../../src/contracts/failures.js';
import type { ModelResponse } from '../../src/contracts/llm.js';
import {
  addUsage,
  NO_USAGE,
  type AssistantMessage,
  type InboxMessage,
  type Usage,
} from '../../src/contracts/message.js';
import { answerKey, callKey, eventKeys } from '../../src/contracts/places.js';
import type { QueuedFor } from '../../src/contracts/pool.js';
import type { RuntimeSessionContext } from '../../src/contracts/runtime-context.js';
import type { Tool } from '../../src/contracts/tool.js';
import { answeredBy, isAnswered } from '../../src/contracts/tool-kinds.js';
import type {
  Append,
  AttemptFailure,
  AttemptRecord,
  NewEvent,
  NewMessage,
  NewRequest,
} from '../../src/store/transcript-store.js';
import { planCalls } from '../../src/tools/plan-calls.js';
import type { CachedMessage } from '../../src/context/entries.js';
import type { StopSignals } from './stop-signals.js';
import type { PreparedResult } from './tool-record.js';
import type { Execution } from '../execution.js';
import { inboxWrites } from './inbox.js';
import type { Slot } from './slots.js';
import { idempotencyKeyOf } from './transcript-cache.js';

/** Everything that one attempt at a step knows. */
export interface StepAttempt {
  /** As of this step: the head that it reads up to, its number, what the turn has used before. */
  readonly input: CallModelInput;
  readonly execution: Execution;
  readonly agent: Agent;
  /** For whom and with what it runs. */
  readonly runtime: RuntimeSessionContext;
  readonly tools: ReadonlyMap<string, Tool>;
  /** Servers whose tools are not among them. */
  readonly unavailable: readonly UnavailableServer[];
  readonly inbox: readonly InboxMessage[];
  /** Place of the answer. */
  readonly seq: number;
  /** What stops the activity. */
  readonly stop: StopSignals;
  /** What the model is told behind the conversation; it is not kept. */
  readonly note?: string;
  /** Of the pool of the agent; absent without one. */
  readonly slot?: Slot;
  /** The model may call no tool: it must answer. */
  readonly mustAnswer?: boolean;
  /** The end of its transcript, where the write that puts it there begins this step too. */
  readonly unwritten?: Unwritten;
}

/** The end of a transcript, of a write that is not there yet. */
export interface Unwritten {
  /** Place of the last message that is written. */
  readonly head: number;
  readonly messages: readonly CachedMessage[];
}

/** The beginning of an attempt. */
export interface Beginning {
  readonly attempt: AttemptRecord;
  readonly events: readonly NewEvent[];
}

/** The messages that begin the turn with this step, or join it. */
export function taking(step: StepAttempt): Append {
  const { execution, input } = step;
  const { turn, head, joins } = input;
  const place = { turn, head, ...(joins ? { step: input.step } : {}) };
  const { messages, events } = inboxWrites(step.inbox, place, execution.attempt);
  const first = input.step === 1 && input.inbox !== undefined;
  return {
    channel: execution.channel,
    messages,
    events: [
      ...(first
        ? [{ key: eventKeys.turnStarted(turn), body: { type: 'turn.started', turn } } as const]
        : []),
      ...events,
    ],
    updates: { state: 'running', turn },
    ...(joins ? {} : { onlyIfNew: true }),
  };
}

/** The attempt, on record before it costs anything; with the messages unless they are written. */
export function beginning(step: StepAttempt, estimate: Usage, taken: boolean): Append {
  const inbox = taken ? { channel: step.execution.channel } : taking(step);
  const { attempt, events } = begins(step, estimate);
  return { ...inbox, events: [...(inbox.events ?? []), ...events], attempt };
}

/** What every attempt begins with. */
export function begins(step: StepAttempt, estimate: Usage): Beginning {
  const { execution, agent, input } = step;
  const { attempt } = execution;
  const { turn } = input;
  const started: NewEvent = {
    key: eventKeys.attemptStarted(input, attempt),
    body: { type: 'step.started', turn, step: input.step, attempt, model: agent.model },
  };
  return {
    attempt: { ...attemptOf(step), outcome: 'running', usage: estimate },
    events: [...missing(step), ...entered(step), started],
  };
}

/** The end of an attempt that must not be. */
export function callingOff(step: StepAttempt, usage: Usage): Append {
  const { channel } = step.execution;
  return { channel, attempt: { ...attemptOf(step), outcome: 'superseded', usage } };
}

/** The turn has waited in line, and has a slot now. */
function entered({ input, slot }: StepAttempt): NewEvent[] {
  if (slot?.waitedMs === undefined) return [];
  const { turn, step } = input;
  const { pool, waitedMs } = slot;
  const body = { type: 'pool.entered', turn, step, pool, waitedMs } as const;
  return [{ key: eventKeys.poolEntered(input), body }];
}

/** What a step writes that waits in line: the messages of the turn, and why it waits. */
export function queueing(step: StepAttempt, queued: QueuedFor): Append {
  const taken = taking(step);
  const { turn, step: number } = step.input;
  const body = { type: 'pool.waiting', turn, step: number, ...queued } as const;
  return {
    ...taken,
    events: [...(taken.events ?? []), { key: eventKeys.poolWaiting(step.input), body }],
  };
}

/** Said once a turn: whoever reads it knows why the agent does not do what it should. */
function missing({ input, unavailable }: StepAttempt): NewEvent[] {
  const { turn, step } = input;
  if (step !== 1 || unavailable.length === 0) return [];
  const body = { type: 'mcp.unavailable', turn, step, servers: unavailable } as const;
  return [{ key: eventKeys.serversUnavailable(turn), body }];
}

/** What a step has cost: the answer by itself, and all attempts at it. */
export interface StepBill {
  readonly usage: Usage;
  readonly total: Usage;
}

/** The answer, its attempt's bill, and the results of tools that are done already. */
export function answering(
  step: StepAttempt,
  message: AssistantMessage,
  { usage, total }: StepBill,
  tools: readonly PreparedResult[],
  requests: readonly NewRequest[] = [],
  next?: Beginning,
): Append & { readonly row: NewMessage } {
  const { execution, input, seq } = step;
  const { turn } = input;
  const { attempt, channel } = execution;
  const interrupted = message.finish === 'interrupted';
  const final = !interrupted && message.toolCalls === undefined;
  const { text, finish } = message;
  const row = answerRow(step, message, usage);
  const completed: NewEvent = {
    key: eventKeys.stepCompleted(input),
    seq,
    body: {
      type: 'step.completed',
      turn,
      step: input.step,
      attempt,
      seq,
      text,
      finish,
      usage,
      model: message.model,
    },
  };
  const spent = addUsage(input.spent ?? NO_USAGE, total);
  const waits = interrupted ? [] : waitingCalls(step, message);
  const ended: NewEvent = {
    key: eventKeys.turnEnded(turn),
    seq,
    body: { type: 'turn.completed', turn, seq, text, finish, usage: spent },
  };
  return {
    row,
    channel,
    messages: [row, ...tools.map((tool) => ({ ...tool.row, with: seq }))],
    attempt: {
      ...attemptOf(step),
      model: message.model,
      outcome: interrupted ? 'interrupted' : 'completed',
      usage,
    },
    events: [
      completed,
      ...(final ? [ended] : []),
      // Not where another attempt's answer is in the place: its calls are not these.
      ...waits.map((event) => ({ ...event, with: seq })),
      ...tools.flatMap(({ events }) => events.map((event) => ({ ...event, with: seq }))),
      ...(next?.events ?? []).map((event) => ({ ...event, with: seq })),
    ],
    updates: { ...(final ? { state: 'idle' as const } : {}), head: seq },
    ...(final && step.slot ? { leave: { turn } } : {}),
    ...(requests.length > 0 ? { requests } : {}),
    ...(next ? { next: next.attempt } : {}),
  };
}

/** The answer in its place. */
export function answerRow(
  { execution, input, seq }: StepAttempt,
  message: AssistantMessage,
  usage: Usage,
): NewMessage {
  const { turn, step } = input;
  const { attempt } = execution;
  return { seq, key: answerKey(input), turn, step, attempt, body: message, usage };
}

/** The calls of an answer. A sub-agent's session has the key of its call in its name. */
export function planned(
  { tools, execution }: Pick<StepAttempt, 'tools' | 'execution'>,
  { id, toolCalls = [] }: AssistantMessage,
): PlannedCall[] {
  return planCalls(toolCalls, tools, (index) => idempotencyKeyOf(execution.key, id, index));
}

/** One for each call that waits for somebody's answer, or that gives a task to a sub-agent. */
function waitingCalls(step: StepAttempt, message: AssistantMessage): NewEvent[] {
  const { input, seq } = step;
  return planned(step, message).flatMap((call, index): NewEvent[] => {
    const held = message.toolCalls?.[index]?.held;
    const { run, id, name, args, timeoutMs, task, request } = call;
    const place = { turn: input.turn, step: input.step, callId: id, name };
    if (task) {
      const { agent, session, detached } = task;
      return [
        {
          key: eventKeys.callDelegated(seq, index),
          body: {
            type: 'tool.delegated',
            ...place,
            agent,
            child: session,
            ...(detached ? { detached } : {}),
          },
        },
      ];
    }
    const until =
      call.until ?? (isAnswered(run) && timeoutMs > 0 ? Date.now() + timeoutMs : undefined);
    const waits = {
      ...place,
      key: callKey(seq, index),
      ...(args === undefined ? {} : { args }),
      ...(until === undefined ? {} : { until: new Date(until).toISOString() }),
    };
    const key = eventKeys.callWaits(seq, index);
    if (held?.granted !== undefined) {
      const body = {
        type: 'request.decided',
        ...place,
        request: held.request,
        decision: 'approved',
        ...(held.grantedBy === undefined ? {} : { by: held.grantedBy }),
        granted: held.granted,
      } as const;
      return [{ key: eventKeys.requestDecided(seq, index), body }];
    }
    if (request !== undefined) {
      // Not the event of other calls that wait: who serves tools must not run this one.
      const kind = run === 'person' ? 'question' : 'approval';
      return [{ key, body: { type: 'request.made', ...waits, request, kind } }];
    }
    if (!isAnswered(run)) return [];
    return [{ key, body: { type: 'tool.waiting', ...waits, ...answeredBy(run) } }];
  });
}

/** A failed attempt, and what it cost. */
export function failing(step: StepAttempt, failure: AttemptFailure, usage: Usage): Append {
  const { execution, input } = step;
  const { attempt, channel } = execution;
  const { type, message } = failure;
  const told: FailureInfo = { type, message };
  return {
    channel,
    attempt: { ...attemptOf(step), outcome: 'failed', usage, failure },
    events: [
      {
        key: eventKeys.attemptFailed(input, attempt),
        body: {
          type: 'step.failed',
          turn: input.turn,
          step: input.step,
          attempt,
          failure: told,
          usage,
        },
      },
    ],
  };
}

/** The model's answer as an entry of the transcript. */
export function answerOf(response: ModelResponse): AssistantMessage {
  return {
    role: 'assistant',
    id: randomUUID(),
    text: response.text,
    ...(response.reasoning ? { reasoning: response.reasoning } : {}),
    // Calls of an answer that was cut off at its longest may be cut themselves: not run.
    ...(response.toolCalls.length > 0 && response.finish !== 'length'
      ? { toolCalls: response.toolCalls }
      : {}),
    ...(response.reasoningItems ? { reasoningItems: response.reasoningItems } : {}),
    finish: response.finish,
    model: response.model,
  };
}

function attemptOf({
  agent,
  execution,
  input,
}: StepAttempt): Omit<AttemptRecord, 'outcome' | 'usage'> {
  const { turn, step } = input;
  const { name, model } = agent;
  return { kind: 'model', turn, step, attempt: execution.attempt, agent: name, model };
}
