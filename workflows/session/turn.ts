/**
 * A turn: all that follows a message. Calls the model, runs the tools it asks for, and again,
 * until it asks for none. What comes next is decided by `decide`; here it is done. The transcript
 * is in the store; what passes through here is places in it.
 */
import { CancellationScope } from '@temporalio/workflow';
import {
  STRETCH_MS,
  type CallModelInput,
  type CallModelResult,
} from '../../src/contracts/activities.js';
import type { InboxItem } from '../../src/contracts/message.js';
import { headAfterCalls } from '../../src/contracts/places.js';
import {
  afterStep,
  decide,
  lastStep,
  NO_PROGRESS,
  remaining,
  turnLimits,
  type LastStep,
  type TurnLimits,
  type TurnProgress,
} from '../../src/contracts/turn-decision.js';
import { TurnFailed } from './failure-of.js';
import { ToolCalls } from './turn-calls.js';
import { TurnPosition, type TurnSurroundings } from './turn-position.js';
import { TurnSlot } from './turn-slot.js';
import { actsLast } from './waiting.js';

/** How a turn ended, or why it stands still. */
export type TurnOutcome =
  | { readonly kind: 'done'; readonly last: CallModelResult }
  /** Every message had been taken before. */
  | { readonly kind: 'nothing' }
  /** Between two steps, or while calls wait; the next run of the workflow goes on. */
  | { readonly kind: 'carry' };

export class Turn {
  /** So that the one who ends it early knows what is open. */
  readonly position: TurnPosition;
  readonly #around: TurnSurroundings;
  readonly #limits: TurnLimits;
  #last: LastStep | undefined;
  /** The context was compacted and no step has fitted since. */
  #compacted = false;
  #result: CallModelResult | undefined;
  readonly #slot: TurnSlot;
  readonly #calls: ToolCalls;
  /** The messages of `inbox` join a turn that has begun. */
  #joining = false;

  constructor(around: TurnSurroundings, inbox: InboxItem[] | undefined) {
    this.#around = around;
    this.position = new TurnPosition(around, inbox);
    this.#slot = new TurnSlot(this.position);
    const { calls, limits = around.settings.limits } = around.state.open!;
    this.#limits = turnLimits(limits);
    this.#calls = new ToolCalls(this.position, this.#slot, () =>
      remaining(this.#progress(), this.#limits),
    );
    if (!calls) return;
    // Carried here while calls waited: all others of the step are settled.
    this.position.openCalls = { message: calls.message, first: calls.first };
    this.#last = { outcome: 'tools', calls: calls.waiting.map(() => UNSETTLED) };
  }

  async run(): Promise<TurnOutcome> {
    for (;;) {
      if (!actsLast()) this.#around.look();
      const next = decide(this.#progress(), this.#limits, {
        paused: this.#around.paused(),
        full: this.position.full,
        steering: this.#steering(),
        queued: this.#slot.queued,
      });
      switch (next.do) {
        case 'model':
          await this.#callModel();
          break;
        case 'tools':
          if ((await this.#calls.run(this.#result)) === 'carry') return { kind: 'carry' };
          this.#last = { outcome: 'tools', calls: [] };
          break;
        case 'compact':
          await this.#compact();
          break;
        case 'join':
          this.position.inbox = this.#around.state.takeSteering();
          this.#joining = true;
          break;
        case 'queue':
          await this.position.waiting(
            () => !this.#slot.queued || this.#around.paused() || this.position.full,
          );
          break;
        case 'wait':
          await this.#slot.leave();
          // Also while it is paused: messages go on coming in, and grow the history.
          await this.position.waiting(() => !this.#around.paused() || this.position.full);
          break;
        case 'carry':
          return { kind: 'carry' };
        case 'end':
          return next.outcome === 'duplicate'
            ? { kind: 'nothing' }
            : { kind: 'done', last: this.#result! };
        case 'fail':
          throw new TurnFailed(next.type, next.message);
      }
    }
  }

  #progress(): TurnProgress {
    const { step, repairs, startedAt, waitedMs = 0, usage } = this.#around.state.open!;
    return {
      ...NO_PROGRESS,
      // A step that did not fit is made again, under its own number.
      steps: this.#last?.outcome === 'compacted' ? step - 1 : step,
      repairs,
      workedMs: Date.now() - startedAt - waitedMs,
      costMicros: usage.costMicros,
      compacted: this.#compacted,
      ...(this.#last ? { last: this.#last } : {}),
    };
  }

  /**
   * Whether messages wait that can join: none while those that were taken are not written, and none
   * of a turn that is to stop, which would take them and not answer.
   */
  #steering(): boolean {
    const { steering } = this.#around.state;
    return (
      steering &&
      this.position.inbox === undefined &&
      !CancellationScope.current().consideredCancelled
    );
  }

  /** How far a model call may go on by itself: as far as no limit would end the turn. */
  #onward(left: { steps: number; ms: number; costMicros?: number }): CallModelInput['onward'] {
    // A run that was started by an earlier version has no such limit on record.
    const { stepsPerActivity = 1 } = this.#around.settings.limits;
    const steps = Math.min(stepsPerActivity, left.steps);
    if (steps <= 1) return undefined;
    return {
      steps,
      ms: Math.min(STRETCH_MS, left.ms),
      ...(left.costMicros === undefined ? {} : { costMicros: left.costMicros }),
    };
  }

  /** One step's model call, or several in a row. */
  async #callModel(): Promise<void> {
    const { state, settings, agent, activities } = this.#around;
    const { steps, ...left } = remaining(this.#progress(), this.#limits);
    const { step: before } = state.open!;
    if (this.#last?.outcome !== 'compacted') state.open = { ...state.open!, step: before + 1 };
    this.#slot.take();
    const onward = this.#onward({ steps, ...left });
    const inbox = this.position.inbox;
    const spent = state.open!.usage;
    this.position.listening = true;
    const place = this.position.place();
    this.position.cutOff = place.stage;
    const input: CallModelInput = {
      ...place,
      ...agent,
      ...(inbox && inbox.length > 0 ? { inbox } : {}),
      ...(this.#joining ? { joins: true } : {}),
      ...(spent.input + spent.output > 0 ? { spent } : {}),
      ...(onward ? { onward } : {}),
      left,
    };
    const { desk } = this.#around;
    desk.opening = true;
    this.position.series = onward ? place.stage : undefined;
    let result: CallModelResult;
    try {
      result = await activities.callModel(input, settings, this.position.summary);
    } finally {
      // An answer that waits for this is looked at when the activation has run: the calls wait then.
      desk.opening = false;
      this.position.series = undefined;
    }
    this.position.cutOff = undefined;
    this.position.listening = false;
    for (const earlier of result.earlier ?? []) {
      this.#took(earlier);
      // Its tools have run, and their results have the places behind it.
      state.head = headAfterCalls(state.head, earlier.calls?.length ?? 0);
      state.open = { ...state.open!, step: state.open!.step + 1 };
    }
    if (result.outcome === 'queued') {
      this.#accepted(result);
      // Not made: its number is that of the next one.
      const made = result.earlier?.length ?? 0;
      const step = made > 0 ? state.open!.step - 1 : before;
      state.open = { ...state.open!, step };
      // The tools of the steps before it have run within them.
      if (made > 0) this.#last = { outcome: 'tools', calls: [] };
      this.#slot.queue(place.stage, result.queued!);
      return;
    }
    this.#slot.entered();
    this.#took(result);
  }

  /** The messages that an activity was given are in the transcript. */
  #accepted(result: CallModelResult): void {
    const { state, onRepeated } = this.#around;
    state.head = result.head;
    state.spend(result.usage);
    this.position.inbox = undefined;
    this.#joining = false;
    if (result.duplicates) onRepeated(result.duplicates);
  }

  /** What a step has written is the transcript now. */
  #took(result: CallModelResult): void {
    const { onStep } = this.#around;
    this.#accepted(result);
    this.#result = result;
    // Also calls that have run within the step: their places are not reserved yet.
    this.#settle(lastStep(result, () => false));
    onStep(result);
  }

  #settle(last: LastStep): void {
    const { state } = this.#around;
    const progress = afterStep(this.#progress(), last, { workedMs: 0, costMicros: 0 });
    this.#last = last;
    this.#compacted = progress.compacted;
    state.open = { ...state.open!, repairs: progress.repairs };
  }

  /** Replaces old turns by a summary in what the model sees. */
  async #compact(): Promise<void> {
    const { state, settings, agent, activities } = this.#around;
    const { steps: _steps, ...left } = remaining(this.#progress(), this.#limits);
    this.#slot.take();
    const place = this.position.place();
    this.position.cutOff = place.stage;
    const done = await activities.compact(
      { ...place, ...agent, left },
      settings,
      `${this.position.summary} · compaction`,
    );
    this.position.cutOff = undefined;
    if (done.queued) return this.#slot.queue(place.stage, done.queued);
    this.#slot.entered();
    if (!done.compacted) {
      throw new TurnFailed(
        'Model.ContextOverflow',
        'The conversation does not fit the context window of the model, even after compaction.',
      );
    }
    state.head = done.head;
    state.spend(done.usage);
    this.#settle({ outcome: 'compacted' });
  }
}

const UNSETTLED = { settled: false, invalid: false } as const;
