/**
 * A turn: all that follows a message. Calls the model, runs the tools it asks for, and again,
 * until it asks for none. The transcript is in the store; what passes through here is places
 * in it.
 */
import {
  ActivityFailure,
  ApplicationFailure,
  condition,
  isCancellation,
  rootCause,
  TimeoutFailure,
} from '@temporalio/workflow';
import {
  STRETCH_MS,
  type CallModelInput,
  type CallModelResult,
  type PlannedCall,
  type SessionSettings,
  type WritePlace,
} from '../src/contracts/activities.js';
import type { FailureInfo, FailureType } from '../src/contracts/failures.js';
import type { InboxItem } from '../src/contracts/message.js';
import { local, modelCalls, runTool } from './calls.js';
import type { SessionState } from './session-state.js';

/** Ends a turn for a reason of its own. Caught by {@link runTurn}'s caller, never by Temporal. */
export class TurnFailed extends Error {
  readonly failure: FailureInfo;
  constructor(type: FailureType, message: string) {
    super(message);
    this.failure = { type, message };
  }
}

/** What a turn needs from the session around it. */
export interface TurnSurroundings {
  readonly state: SessionState;
  readonly policy: SessionSettings;
  readonly agent: string;
  readonly paused: () => boolean;
  /** Whether the history has grown so far that the turn should go on in another run. */
  readonly historyFull: () => boolean;
  readonly onRepeated: (ids: readonly string[]) => void;
  readonly onStep: (result: CallModelResult) => void;
  /** The tools of a step have ended. */
  readonly onTools: () => void;
}

/** How a turn ended, or why it stands still. */
export type TurnOutcome =
  | { readonly kind: 'done'; readonly last: CallModelResult }
  /** Every message had been taken before. */
  | { readonly kind: 'nothing' }
  /** Between two steps; the next run of the workflow goes on. */
  | { readonly kind: 'carry' };

/** A turn under way, so that whoever ends it early knows what is open. */
export class Turn {
  /** Messages that no step has written yet. */
  inbox: InboxItem[] | undefined;
  /** Tool calls whose places are reserved. */
  openCalls: { message: number; first: number } | undefined;
  /** Stage of a model call that has not answered: whoever ends the turn keeps what it has written. */
  cutOff: number | undefined;
  /** What is under way listens on the bus, and can be stopped without Temporal. */
  listening = false;
  readonly #around: TurnSurroundings;

  constructor(around: TurnSurroundings, inbox: InboxItem[] | undefined) {
    this.#around = around;
    this.inbox = inbox;
  }

  async run(): Promise<TurnOutcome> {
    const { state, policy, paused, historyFull } = this.#around;
    for (;;) {
      // Also while it is paused: messages go on coming in, and grow the history.
      const carry = () => this.inbox === undefined && historyFull();
      await until(() => !paused() || carry());
      if (carry()) return { kind: 'carry' };
      this.#checkLimits();
      const result = await this.#callModel();
      if (result.outcome === 'duplicate') return { kind: 'nothing' };
      if (result.calls === undefined || result.outcome !== 'tools') {
        return { kind: 'done', last: result };
      }
      state.open = { ...state.open!, repairs: this.#countRepairs(result.calls) };
      await this.#runTools(result.seq, result.calls);
      this.#around.onTools();
      if (state.open.repairs > policy.limits.maxRepairs) {
        throw new TurnFailed(
          'Turn.RepairsExhausted',
          `Every tool call of ${state.open.repairs} steps in a row was wrong.`,
        );
      }
    }
  }

  /** Where the next activity writes. Each gets a stage of its own, which fences all before it. */
  place(): WritePlace {
    const { state } = this.#around;
    state.stage += 1;
    return { turn: state.turn, step: state.open?.step ?? 0, stage: state.stage, head: state.head };
  }

  #checkLimits(): void {
    const { state, policy } = this.#around;
    const { step, startedAt, usage } = state.open!;
    const { maxSteps, maxTurnMs, maxTurnCostUsd } = policy.limits;
    if (step >= maxSteps) {
      throw new TurnFailed(
        'Turn.StepLimit',
        `The turn has had its ${maxSteps} steps, and the model still calls tools.`,
      );
    }
    const ms = Date.now() - startedAt;
    if (ms >= maxTurnMs) {
      throw new TurnFailed('Turn.TimeLimit', `The turn has run for ${ms} ms of ${maxTurnMs} ms.`);
    }
    if (maxTurnCostUsd !== undefined && usage.costMicros >= maxTurnCostUsd * 1e6) {
      throw new TurnFailed(
        'Turn.CostLimit',
        `The turn has cost ${usage.costMicros / 1e6} USD of ${maxTurnCostUsd} USD.`,
      );
    }
    state.open = { ...state.open!, step: step + 1 };
  }

  /** How far a model call may go on by itself: as far as no limit would end the turn. */
  #onward(): CallModelInput['onward'] {
    const { state, policy } = this.#around;
    const { step, startedAt, usage } = state.open!;
    // A run that was begun by an earlier version has no such limit on record.
    const { maxSteps, maxTurnMs, maxTurnCostUsd, stepsPerActivity = 1 } = policy.limits;
    const steps = Math.min(stepsPerActivity, maxSteps - step + 1);
    if (steps <= 1) return undefined;
    return {
      steps,
      ms: Math.min(STRETCH_MS, maxTurnMs - (Date.now() - startedAt)),
      ...(maxTurnCostUsd === undefined
        ? {}
        : { costMicros: maxTurnCostUsd * 1e6 - usage.costMicros }),
    };
  }

  /** One step's model call, or several in a row; compacts the context once where it does not fit. */
  async #callModel(): Promise<CallModelResult> {
    const { state, policy, agent } = this.#around;
    for (let compacted = false; ; compacted = true) {
      const summary = `turn ${state.turn} · step ${state.open!.step} · ${agent}`;
      const inbox = this.inbox;
      const spent = state.open!.usage;
      const onward = this.#onward();
      this.listening = true;
      const place = this.place();
      this.cutOff = place.stage;
      const result = await modelCalls(policy, summary).callModel({
        ...place,
        agent,
        ...(inbox && inbox.length > 0 ? { inbox } : {}),
        ...(spent.input + spent.output > 0 ? { spent } : {}),
        ...(onward ? { onward } : {}),
      });
      this.cutOff = undefined;
      this.listening = false;
      for (const earlier of result.earlier ?? []) {
        this.#took(earlier);
        // Its tools have run, and their results have the places behind it.
        state.head += earlier.calls?.length ?? 0;
        state.open = { ...state.open!, repairs: 0, step: state.open!.step + 1 };
      }
      this.#took(result);
      if (result.outcome !== 'compact') return result;
      const done =
        compacted && !result.earlier
          ? undefined
          : await modelCalls(policy, `${summary} · compaction`).compact({
              ...this.place(),
              agent,
            });
      if (!done?.compacted) {
        throw new TurnFailed(
          'Model.ContextOverflow',
          'The conversation does not fit the context window of the model, even compacted.',
        );
      }
      state.head = done.head;
      state.spend(done.usage);
    }
  }

  /** What a step has written is the transcript now. */
  #took(result: CallModelResult): void {
    const { state, onRepeated, onStep } = this.#around;
    state.head = result.head;
    state.spend(result.usage);
    this.inbox = undefined;
    if (result.duplicates) onRepeated(result.duplicates);
    onStep(result);
  }

  async #runTools(message: number, calls: readonly PlannedCall[]): Promise<void> {
    const { state, policy, agent } = this.#around;
    const first = state.head + 1;
    // The places are reserved before anything runs: what ends the turn in the middle knows them.
    state.head += calls.length;
    // Local tools have run within the step.
    if (calls.every(({ done }) => done !== undefined)) return;
    const { head: _head, ...place } = this.place();
    this.openCalls = { message, first };
    const inputOf = (index: number) => ({
      ...place,
      head: state.head,
      agent,
      message,
      index,
      seq: first + index,
    });
    this.listening = true;
    const settled = await Promise.allSettled(
      calls.map(async (call, index) =>
        call.done === undefined ? runTool(call, inputOf(index), policy) : undefined,
      ),
    );
    this.listening = false;
    // A tool's own failure is a result. A rejection is a worker that went away too often, or
    // the interruption of the turn.
    for (const [index, result] of settled.entries()) {
      if (result.status === 'fulfilled') continue;
      const failure = failureOf(result.reason);
      if (failure === undefined) throw result.reason;
      await local.callTool({
        ...inputOf(index),
        ...this.place(),
        failure,
      });
    }
    this.openCalls = undefined;
  }

  #countRepairs(calls: readonly PlannedCall[]): number {
    return calls.every(({ invalid }) => invalid) ? this.#around.state.open!.repairs + 1 : 0;
  }
}

/** The failure that an activity ended with; `undefined` for a cancellation. */
export function failureOf(error: unknown): FailureInfo | undefined {
  if (error instanceof TurnFailed) return error.failure;
  if (isCancellation(error)) return undefined;
  // What a local activity threw comes as it is, what a regular one threw comes wrapped.
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure) {
    return { type: cause.type ?? 'Tool.Failed', message: cause.message };
  }
  if (!(error instanceof ActivityFailure) && !(error instanceof TimeoutFailure)) return undefined;
  const what = error instanceof ActivityFailure ? error.activityType : 'local';
  return {
    type: 'Tool.Timeout',
    message: `The ${what} activity did not answer: ${rootCause(error) ?? error.message}.`,
  };
}

/** Waits for `ready`, again and again for everyone who asks. */
export async function until(ready: () => boolean): Promise<void> {
  if (!ready()) await condition(ready);
}
