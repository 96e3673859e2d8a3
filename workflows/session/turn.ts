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
  type HandOffResult,
  type PlannedCall,
  type SessionSettings,
  type WritePlace,
} from '../../src/contracts/activities.js';
import type { AgentReference } from '../../src/contracts/agent.js';
import type { InboxItem } from '../../src/contracts/message.js';
import { callKey, headAfterCalls, resultPlace } from '../../src/contracts/places.js';
import type { DelegationRules } from '../../src/contracts/delegation.js';
import type { QueuedFor } from '../../src/contracts/pool.js';
import type { OpenCalls, WaitingCall } from '../../src/contracts/session.js';
import { answeredBy, waitsForAnswer } from '../../src/contracts/tool-kinds.js';
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
import type { CallSettings, ShortCalls, TurnCalls } from './calls.js';
import { failureOf, TurnFailed } from './failure-of.js';
import { runToolLocally } from './legacy-calls.js';
import type { DelegatedCall } from './children.js';
import type { GivenResult } from './open-calls.js';
import { settleAll } from './settle-all.js';
import type { SessionState } from './session-state.js';
import { actsLast, condition, until } from './waiting.js';

/** What a turn needs from the session around it. */
export interface TurnSurroundings {
  readonly state: SessionState;
  readonly settings: CallSettings & Pick<SessionSettings, 'limits' | 'sequential'>;
  /** The agent that the next step runs. */
  readonly agent: AgentReference;
  /** The pool of that agent; `undefined` for none. */
  readonly pool: string | undefined;
  /** Writes the result of a call that nothing has to run. */
  readonly calls: Pick<ShortCalls, 'callTool' | 'handOff' | 'leavePool'>;
  readonly activities: TurnCalls;
  /** The run has local activities in its history. */
  readonly legacy: boolean;
  readonly desk: AnswerDesk;
  readonly paused: () => boolean;
  /** Looks at the length of the history, for `historyFull`; see `SessionRun.look`. */
  readonly look: () => void;
  /** Whether the history has grown so far that the turn should go on in another run. */
  readonly historyFull: () => boolean;
  readonly onRepeated: (ids: readonly string[]) => void;
  readonly onStep: (result: CallModelResult) => void;
  /** Another agent goes on from here. */
  readonly onHandoff: (to: NonNullable<HandOffResult['to']>) => void;
  /** The tools of a step have ended. */
  readonly onTools: () => void;
  /** Calls wait for an answer, or no longer do. */
  readonly onWaiting: () => void;
  /** Starts the sub-agents that these calls wait for. */
  readonly delegate: (calls: readonly DelegatedCall[], rules: DelegationRules | undefined) => void;
  /** What a call has for a result that nobody has answered in time; `undefined` for a failure. */
  readonly onLate: (call: WaitingCall) => GivenResult | undefined;
}

/** Where answers to calls that wait come in, by the key of the call. */
export interface AnswerDesk {
  /** Set while a model call is under way, which may open calls. */
  opening: boolean;
  has(key: string): boolean;
  /** The answer of this call, once. */
  take(key: string): GivenResult | undefined;
}

/** How a turn ended, or why it stands still. */
export type TurnOutcome =
  | { readonly kind: 'done'; readonly last: CallModelResult }
  /** Every message had been taken before. */
  | { readonly kind: 'nothing' }
  /** Between two steps, or while calls wait; the next run of the workflow goes on. */
  | { readonly kind: 'carry' };

/** A turn under way, so that the one who ends it early knows what is open. */
export class Turn {
  /** Messages that no step has written yet. */
  inbox: InboxItem[] | undefined;
  /** Tool calls whose places are reserved. */
  openCalls: { message: number; first: number } | undefined;
  /** Stage of a model call that has not answered: the activity that ends the turn keeps its writes. */
  cutOff: number | undefined;
  /** What is under way listens on the bus, and can be stopped without Temporal. */
  listening = false;
  /** Stage of a model call under way that may make several steps. */
  series: number | undefined;
  readonly #around: TurnSurroundings;
  readonly #limits: TurnLimits;
  #last: LastStep | undefined;
  /** The context was compacted and no step has fitted since. */
  #compacted = false;
  #result: CallModelResult | undefined;
  #planned: readonly PlannedCall[] = [];
  /** Since when it has waited for a slot, ms since the epoch; `undefined` where it has one. */
  #waitsSince: number | undefined;
  /** The messages of `inbox` join a turn that has begun. */
  #joining = false;

  constructor(around: TurnSurroundings, inbox: InboxItem[] | undefined) {
    this.#around = around;
    this.inbox = inbox;
    const { calls, limits = around.settings.limits } = around.state.open!;
    this.#limits = turnLimits(limits);
    const { slot } = around.state.open!;
    // Carried here in line: whether it has been told meanwhile, it asks again.
    if (slot?.queued) around.state.open = { ...around.state.open!, slot: { pool: slot.pool } };
    if (!calls) return;
    // Carried here while calls waited: all others of the step are settled.
    this.openCalls = { message: calls.message, first: calls.first };
    this.#last = { outcome: 'tools', calls: calls.waiting.map(() => UNSETTLED) };
  }

  async run(): Promise<TurnOutcome> {
    for (;;) {
      if (!actsLast()) this.#around.look();
      const next = decide(this.#progress(), this.#limits, {
        paused: this.#around.paused(),
        full: this.#full(),
        steering: this.#steering(),
        queued: this.#queued(),
      });
      switch (next.do) {
        case 'model':
          await this.#callModel();
          break;
        case 'tools':
          if ((await this.#runTools()) === 'carry') return { kind: 'carry' };
          break;
        case 'compact':
          await this.#compact();
          break;
        case 'join':
          this.inbox = this.#around.state.takeSteering();
          this.#joining = true;
          break;
        case 'queue':
          await this.#waiting(() => !this.#queued() || this.#around.paused() || this.#full());
          break;
        case 'wait':
          await this.#leavePool();
          // Also while it is paused: messages go on coming in, and grow the history.
          await this.#waiting(() => !this.#around.paused() || this.#full());
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

  /** Where the next activity writes. Each gets a stage of its own, which fences all before it. */
  place(): WritePlace {
    const { state } = this.#around;
    if (actsLast()) this.#around.look();
    state.stage += 1;
    const { turn, stage, head, generation } = state;
    return {
      turn,
      step: state.open?.step ?? 0,
      stage,
      head,
      ...(generation === undefined ? {} : { generation }),
    };
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

  /** Whether the turn can go on in another run: its messages are written by this one. */
  #full(): boolean {
    return this.inbox === undefined && this.#around.historyFull();
  }

  /**
   * Whether messages wait that can join: none while those that were taken are not written, and none
   * of a turn that is to stop, which would take them and not answer.
   */
  #steering(): boolean {
    const { steering } = this.#around.state;
    return steering && this.inbox === undefined && !CancellationScope.current().consideredCancelled;
  }

  /** Whether it waits in line: not where it was told of its slot meanwhile. */
  #queued(): boolean {
    const { open, granted } = this.#around.state;
    const queued = open?.slot?.queued;
    return queued !== undefined && granted < queued.stage;
  }

  /** An activity was told to wait in line; the same step is made again later. */
  #queue(stage: number, { pool, position, reason }: QueuedFor): void {
    const { state } = this.#around;
    const since = (this.#waitsSince ??= Date.now());
    state.open = { ...state.open!, slot: { pool, queued: { position, reason, since, stage } } };
    this.#around.onWaiting();
  }

  /** The activity that follows takes a slot of the agent's pool, or the one that it was told of. */
  #takesSlot(): void {
    const { state, pool } = this.#around;
    const { slot } = state.open!;
    if (pool === undefined || (slot?.pool === pool && !slot.queued)) return;
    state.open = { ...state.open!, slot: { pool } };
    if (slot?.queued) this.#around.onWaiting();
  }

  /** Gives the slot back, or leaves the line: the turn stands still, and others can work. */
  async #leavePool(): Promise<void> {
    const { state, calls: short } = this.#around;
    if (!state.open?.slot) return;
    const { turn, stage } = this.place();
    await short.leavePool({ turn, stage });
    const { slot: _left, ...rest } = state.open;
    state.open = rest;
  }

  /** Waits for a person. That is no work, and counts toward no limit of time. */
  async #waiting(ready: () => boolean, due?: number): Promise<void> {
    const from = Date.now();
    try {
      // A timer only where there is a deadline: waiting costs nothing otherwise.
      if (due === undefined) await until(ready);
      else if (!ready()) await condition(ready, Math.max(1, due - from));
    } finally {
      const { state } = this.#around;
      const waitedMs = (state.open?.waitedMs ?? 0) + Date.now() - from;
      if (state.open && waitedMs > 0) state.open = { ...state.open, waitedMs };
    }
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
    this.#takesSlot();
    const onward = this.#onward({ steps, ...left });
    const inbox = this.inbox;
    const spent = state.open!.usage;
    this.listening = true;
    const place = this.place();
    this.cutOff = place.stage;
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
    this.series = onward ? place.stage : undefined;
    let result: CallModelResult;
    try {
      result = await activities.callModel(input, settings, this.#summary());
    } finally {
      // An answer that waits for this is looked at when the activation has run: the calls wait then.
      desk.opening = false;
      this.series = undefined;
    }
    this.cutOff = undefined;
    this.listening = false;
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
      this.#queue(place.stage, result.queued!);
      return;
    }
    this.#waitsSince = undefined;
    this.#took(result);
  }

  /** The messages that an activity was given are in the transcript. */
  #accepted(result: CallModelResult): void {
    const { state, onRepeated } = this.#around;
    state.head = result.head;
    state.spend(result.usage);
    this.inbox = undefined;
    this.#joining = false;
    if (result.duplicates) onRepeated(result.duplicates);
  }

  /** What a step has written is the transcript now. */
  #took(result: CallModelResult): void {
    const { onStep } = this.#around;
    this.#accepted(result);
    this.#result = result;
    this.#planned = result.calls ?? [];
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
    this.#takesSlot();
    const place = this.place();
    this.cutOff = place.stage;
    const done = await activities.compact(
      { ...place, ...agent, left },
      settings,
      `${this.#summary()} · compaction`,
    );
    this.cutOff = undefined;
    if (done.queued) return this.#queue(place.stage, done.queued);
    this.#waitsSince = undefined;
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

  async #runTools(): Promise<'carry' | 'settled'> {
    const { state } = this.#around;
    let open = state.open!.calls;
    if (!open) {
      const message = this.#result!.seq;
      const first = resultPlace(message, 0);
      const calls = this.#planned;
      // The places are reserved before anything runs: what ends the turn in the middle knows them.
      state.head = headAfterCalls(state.head, calls.length);
      if (calls.some(({ done }) => done === undefined)) {
        this.openCalls = { message, first };
        const handoffs = calls.flatMap((call, index) => (handsOver(call) ? [index] : []));
        open = {
          message,
          first,
          waiting: this.#waitingCalls(message, calls),
          ...(handoffs.length > 0 ? { handoffs } : {}),
        };
        // Before the others run: they may take hours, and answers can come at once.
        if (open.waiting.length > 0) {
          state.open = { ...state.open!, calls: open };
          this.#around.onWaiting();
          const begun = open.waiting.flatMap(({ key, index, by }) =>
            typeof by === 'object' ? { key, call: calls[index]! } : [],
          );
          if (begun.length > 0) this.#around.delegate(begun, this.#result!.rules);
        }
        await this.#runPlanned(message, calls);
      }
    }
    if (open && open.waiting.length > 0) {
      // Or a sub-agent of the same pool might wait for a slot that its parent has.
      await this.#leavePool();
      if ((await this.#collect(open)) === 'carry') return 'carry';
    }
    if (open?.handoffs) {
      await this.#handOver(open.message, open.handoffs);
      // The agent that goes on takes a slot of its own pool.
      if (state.open!.slot && state.open!.slot.pool !== this.#around.pool) await this.#leavePool();
    }
    this.openCalls = undefined;
    const { calls: _settled, ...rest } = state.open!;
    state.open = rest;
    this.#around.onWaiting();
    this.#last = { outcome: 'tools', calls: [] };
    this.#around.onTools();
    return 'settled';
  }

  /** Runs what runs: all at once, or in order where the policy asks for that. */
  async #runPlanned(message: number, calls: readonly PlannedCall[]): Promise<void> {
    const { settings, calls: short, legacy, activities } = this.#around;
    const { head: _head, ...place } = this.place();
    const inputOf = (index: number) => this.#toolInput(place, message, index);
    this.listening = true;
    const runs = calls.map((call, index) => async () => {
      if (call.done !== undefined || waitsForAnswer(call.run) || handsOver(call)) return;
      // Legacy: a local tool that could not run within its step.
      if (legacy && call.run === 'local') await runToolLocally(call, inputOf(index));
      else await activities.runTool(call, inputOf(index), settings);
    });
    const settled = await settleAll(runs, settings.sequential);
    this.listening = false;
    // A tool's own failure is a result. A rejection is a worker that went away too often, or
    // the interruption of the turn.
    for (const [index, result] of settled.entries()) {
      if (result.status === 'fulfilled') continue;
      const failure = failureOf(result.reason);
      if (failure === undefined) throw result.reason;
      await short.callTool({ ...inputOf(index), ...this.place(), failure });
    }
  }

  /**
   * All other calls of the answer are settled: the conversation changes hands. Of several calls that
   * want it the first one counts. Not cancelled in the middle, or the store would know of an agent
   * that the session does not.
   */
  async #handOver(message: number, handoffs: readonly number[]): Promise<void> {
    const { state, settings, agent: from, pool, calls: short, onHandoff } = this.#around;
    let done: HandOffResult | undefined;
    for (const index of handoffs) {
      const count = state.open!.handoffs ?? 0;
      const { head: _head, ...place } = this.place();
      const input = {
        ...this.#toolInput(place, message, index, from),
        count,
        ...(done ? { late: true as const } : {}),
      };
      const result = await CancellationScope.nonCancellable(() => short.handOff(input));
      if (!result.to) continue;
      done = result;
      const { limits = settings.limits } = state.open!;
      state.open = { ...state.open!, handoffs: count + 1, limits };
      onHandoff(result.to);
    }
    if (done?.summarise) await this.#summarise(from, pool);
  }

  /** What the next agent sees of the earlier turns, written by the one that hands over. */
  async #summarise(from: AgentReference, pool: string | undefined): Promise<void> {
    const { state, settings, activities } = this.#around;
    const { steps: _steps, ...left } = remaining(this.#progress(), this.#limits);
    const summary = `turn ${state.turn} · step ${state.open!.step} · ${from.agent} · summary for a handoff`;
    if (pool !== undefined) state.open = { ...state.open!, slot: state.open!.slot ?? { pool } };
    for (;;) {
      const place = this.place();
      this.cutOff = place.stage;
      const input = { ...place, ...from, left, handoff: true as const };
      const { head, usage, queued } = await activities.compact(input, settings, summary);
      this.cutOff = undefined;
      state.head = head;
      state.spend(usage);
      if (!queued) return;
      this.#queue(place.stage, queued);
      await this.#waiting(() => !this.#queued());
    }
  }

  #waitingCalls(message: number, calls: readonly PlannedCall[]): WaitingCall[] {
    const now = Date.now();
    return calls.flatMap((call, index) => {
      const { run, done, id, name, args, timeoutMs } = call;
      return waitsForAnswer(run) && done === undefined
        ? {
            key: callKey(message, index),
            index,
            id,
            name,
            ...answeringCall(call),
            ...(args === undefined ? {} : { args }),
            ...(timeoutMs > 0 ? { until: now + timeoutMs } : {}),
          }
        : [];
    });
  }

  /** Takes answers as they come and writes them, until every call has its own. */
  async #collect(open: OpenCalls): Promise<'carry' | 'settled'> {
    const { state, desk, calls: short } = this.#around;
    for (let { waiting } = open; waiting.length > 0;) {
      const call = await this.#nextAnswered(waiting);
      if (call === undefined) return 'carry';
      const answer = desk.take(call.key) ?? this.#around.onLate(call);
      // Before it is written: a second answer is refused.
      waiting = waiting.filter(({ key }) => key !== call.key);
      state.callClosed(call.key, !answer ? 'timeout' : 'output' in answer ? 'answered' : 'refused');
      state.open = { ...state.open!, calls: { ...open, waiting } };
      this.#around.onWaiting();
      const { head: _head, ...place } = this.place();
      await short.callTool({
        ...this.#toolInput(place, open.message, call.index),
        ...(answer && 'output' in answer
          ? { given: answer.output }
          : {
              failure: answer
                ? 'failure' in answer
                  ? answer.failure
                  : { type: 'Tool.Failed', message: answer.error }
                : { type: 'Tool.Timeout', message: `Nobody answered "${call.name}" in time.` },
            }),
      });
    }
    return 'settled';
  }

  /** A call that has its answer, or whose deadline is over; `undefined` when the run is full. */
  async #nextAnswered(waiting: readonly WaitingCall[]): Promise<WaitingCall | undefined> {
    const { desk } = this.#around;
    const answered = () => waiting.find(({ key }) => desk.has(key));
    if (!actsLast()) this.#around.look();
    const deadlines = waiting.flatMap((call) => (call.until === undefined ? [] : [call.until]));
    const due = deadlines.length > 0 ? Math.min(...deadlines) : undefined;
    await this.#waiting(() => answered() !== undefined || this.#full(), due);
    return (
      answered() ?? waiting.find((call) => call.until !== undefined && call.until <= Date.now())
    );
  }

  #toolInput(
    place: Omit<WritePlace, 'head'>,
    message: number,
    index: number,
    agent = this.#around.agent,
  ) {
    const { state } = this.#around;
    return {
      ...place,
      head: state.head,
      ...agent,
      message,
      index,
      seq: resultPlace(message, index),
      ...(state.open?.slot ? { slot: true as const } : {}),
    };
  }

  #summary(): string {
    const { state, agent } = this.#around;
    return `turn ${state.turn} · step ${state.open!.step} · ${agent.agent}`;
  }
}

/** Wrong arguments are answered like those of any other tool. */
function handsOver({ handoff, done, invalid }: PlannedCall): boolean {
  return handoff !== undefined && done === undefined && !invalid;
}

/** What answers a call; nothing where anybody may. */
function answeringCall({ run, task, wait }: PlannedCall): Pick<WaitingCall, 'by'> {
  if (task) return { by: { session: task.session, agent: task.agent } };
  if (wait) return { by: { sessions: wait.sessions ?? [], ...(wait.any ? { any: true } : {}) } };
  return answeredBy(run);
}

const UNSETTLED = { settled: false, invalid: false } as const;
