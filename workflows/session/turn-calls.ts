/**
 * The tool calls of a step: those that run, those that wait for an answer (of a person, a caller, a
 * sub-agent), and those by which the conversation changes hands.
 */
import { CancellationScope } from '@temporalio/workflow';
import type {
  CallModelResult,
  CallToolInput,
  CallToolResult,
  HandOffResult,
  PlannedCall,
  WritePlace,
} from '../../src/contracts/activities.js';
import type { AgentReference } from '../../src/contracts/agent.js';
import { callKey, headAfterCalls, resultPlace } from '../../src/contracts/places.js';
import type { CallFate, OpenCalls, WaitingCall } from '../../src/contracts/session.js';
import { answeredBy, waitsForAnswer } from '../../src/contracts/tool-kinds.js';
import type { Remaining } from '../../src/contracts/turn-decision.js';
import { failureOf } from './failure-of.js';
import { runToolLocally } from './legacy-calls.js';
import { settleAll } from './settle-all.js';
import type { TurnPosition, TurnSurroundings } from './turn-position.js';
import type { TurnSlot } from './turn-slot.js';
import { actsLast } from './waiting.js';

export class ToolCalls {
  readonly #position: TurnPosition;
  readonly #slot: TurnSlot;
  readonly #remaining: () => Remaining;

  /** @param remaining what the limits of the turn leave */
  constructor(position: TurnPosition, slot: TurnSlot, remaining: () => Remaining) {
    this.#position = position;
    this.#slot = slot;
    this.#remaining = remaining;
  }

  get #around(): TurnSurroundings {
    return this.#position.around;
  }

  /**
   * Runs the calls of a step, and waits for those that others answer. Of a step that was carried here
   * only such calls are left, and `step` is `undefined`.
   */
  async run(step: CallModelResult | undefined): Promise<'carry' | 'settled'> {
    const { state } = this.#around;
    let open = state.open!.calls;
    if (!open) {
      const { seq: message, calls = [], rules } = step!;
      const first = resultPlace(message, 0);
      // The places are reserved before anything runs: what ends the turn in the middle knows them.
      state.head = headAfterCalls(state.head, calls.length);
      if (calls.some(({ done }) => done === undefined)) {
        this.#position.openCalls = { message, first };
        const handoffs = calls.flatMap((call, index) => (handsOver(call) ? [index] : []));
        open = {
          message,
          first,
          waiting: this.#waitingCalls(message, calls),
          since: Date.now(),
          ...(handoffs.length > 0 ? { handoffs } : {}),
        };
        // Before the others run: they may take hours, and answers can come at once.
        if (open.waiting.length > 0) {
          state.open = { ...state.open!, calls: open };
          this.#around.onWaiting();
          const begun = open.waiting.flatMap(({ key, index, by }) =>
            typeof by === 'object' ? { key, call: calls[index]! } : [],
          );
          if (begun.length > 0) this.#around.delegate(begun, rules);
        }
        await this.#runPlanned(message, calls);
      }
    }
    if (open && open.waiting.length > 0) {
      // Or a sub-agent of the same pool might wait for a slot that its parent has.
      await this.#slot.leave();
      if ((await this.#collect(open)) === 'carry') return 'carry';
    }
    if (open?.handoffs) {
      await this.#handOver(open.message, open.handoffs);
      // The agent that goes on takes a slot of its own pool.
      if (state.open!.slot && state.open!.slot.pool !== this.#around.pool) await this.#slot.leave();
    }
    this.#position.openCalls = undefined;
    const { calls: _settled, ...rest } = state.open!;
    state.open = rest;
    this.#around.onWaiting();
    this.#around.onTools();
    return 'settled';
  }

  /** Runs what runs: all at once, or in order where the policy asks for that. */
  async #runPlanned(message: number, calls: readonly PlannedCall[]): Promise<void> {
    const { settings, calls: short, legacy, activities } = this.#around;
    const { head: _head, ...place } = this.#position.place();
    const inputOf = (index: number) => this.#toolInput(place, message, index);
    this.#position.listening = true;
    const runs = calls.map((call, index) => async () => {
      if (call.done !== undefined || waits(call) || handsOver(call)) return;
      // Legacy: a local tool that could not run within its step.
      if (legacy && call.run === 'local') await runToolLocally(call, inputOf(index));
      else await activities.runTool(call, inputOf(index), settings);
    });
    const settled = await settleAll(runs, settings.sequential);
    this.#position.listening = false;
    // A tool's own failure is a result. A rejection is a worker that went away too often, or
    // the interruption of the turn.
    for (const [index, result] of settled.entries()) {
      if (result.status === 'fulfilled') continue;
      const failure = failureOf(result.reason);
      if (failure === undefined) throw result.reason;
      await short.callTool({ ...inputOf(index), ...this.#position.place(), failure });
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
      const { head: _head, ...place } = this.#position.place();
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
    const { steps: _steps, ...left } = this.#remaining();
    const summary = `turn ${state.turn} · step ${state.open!.step} · ${from.agent} · summary for a handoff`;
    if (pool !== undefined) state.open = { ...state.open!, slot: state.open!.slot ?? { pool } };
    for (;;) {
      const place = this.#position.place();
      this.#position.cutOff = place.stage;
      const input = { ...place, ...from, left, handoff: true as const };
      const { head, usage, queued } = await activities.compact(input, settings, summary);
      this.#position.cutOff = undefined;
      state.head = head;
      state.spend(usage);
      if (!queued) return;
      this.#slot.queue(place.stage, queued);
      await this.#position.waiting(() => !this.#slot.queued);
    }
  }

  #waitingCalls(message: number, calls: readonly PlannedCall[]): WaitingCall[] {
    const now = Date.now();
    return calls.flatMap((call, index) => {
      const { run, done, id, name, args, timeoutMs, retryMs, request } = call;
      const until = request !== undefined && !waitsForAnswer(run) ? call.until : undefined;
      return waits(call) && done === undefined
        ? {
            key: callKey(message, index),
            index,
            id,
            name,
            ...answeringCall(call),
            ...(args === undefined ? {} : { args }),
            ...(request === undefined ? {} : { request }),
            // Of a call that runs when it is approved the time is its own.
            ...(waitsForAnswer(run)
              ? timeoutMs > 0
                ? { until: now + timeoutMs }
                : {}
              : { runs: { timeoutMs, retryMs }, ...(until === undefined ? {} : { until }) }),
          }
        : [];
    });
  }

  /** Takes answers as they come and writes them, until every call has its own. */
  async #collect(open: OpenCalls): Promise<'carry' | 'settled'> {
    const { state, desk, calls: short } = this.#around;
    const approved = new ApprovedCalls();
    let place: Omit<WritePlace, 'head'> | undefined;
    let { waiting } = open;
    const wait = (calls: readonly WaitingCall[]) => {
      waiting = calls;
      state.open = { ...state.open!, calls: { ...open, waiting } };
      this.#around.onWaiting();
    };
    try {
      while (waiting.length > 0 || approved.running > 0) {
        const call = await this.#nextAnswered(waiting, approved);
        if (call === 'full') return 'carry';
        if (call === 'ended') {
          approved.settle();
          continue;
        }
        // A stage of its own would fence the calls that run.
        if (!place || approved.running === 0) {
          const { head: _head, ...next } = this.#position.place();
          place = next;
        }
        const input = {
          ...this.#toolInput(place, open.message, call.index),
          ...(open.since === undefined ? {} : { waitedMs: Date.now() - open.since }),
        };
        if (call.request !== undefined) {
          const late = !desk.has(call.key);
          desk.take(call.key);
          wait(waiting.filter(({ key }) => key !== call.key));
          desk.deciding.add(call.key);
          this.#position.listening = true;
          approved.start(async () => {
            const { undecided, opens, failure } = await this.#decided(call, input, late);
            // Somebody has said so and it is not so: the call waits on.
            if (undecided) wait([...waiting, call]);
            else if (opens) wait([...waiting, opened(call, opens)]);
            else state.callClosed(call.key, fateOf(failure));
            desk.deciding.delete(call.key);
          });
          continue;
        }
        const answer = desk.take(call.key) ?? this.#around.onLate(call);
        // Before it is written: a second answer is refused.
        state.callClosed(
          call.key,
          !answer ? 'timeout' : 'output' in answer ? 'answered' : 'refused',
        );
        wait(waiting.filter(({ key }) => key !== call.key));
        await short.callTool({
          ...input,
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
    } finally {
      // Also where the turn is stopped: nothing of it may be under way when it is closed.
      await approved.over();
      this.#position.listening = false;
    }
    return 'settled';
  }

  /** Does what a person has decided about a call: an activity reads it, and runs the call if it may. */
  async #decided(call: WaitingCall, input: CallToolInput, late: boolean): Promise<CallToolResult> {
    const { settings, calls: short, activities } = this.#around;
    const { name, args, request, runs = { timeoutMs: 0, retryMs: 250 } } = call;
    const shape = { name, ...runs, ...(args === undefined ? {} : { args }) };
    const asked = { ...input, request: request!, ...(late ? { late: true as const } : {}) };
    try {
      return await activities.runTool(shape, asked, settings);
    } catch (error) {
      const failure = failureOf(error);
      if (failure === undefined) throw error;
      return await short.callTool({ ...asked, failure });
    }
  }

  /**
   * A call that has its answer, or whose deadline is over; `full` when the run is, `ended` when a call
   * that was approved has run, or there is another reason to look again.
   */
  async #nextAnswered(
    waiting: readonly WaitingCall[],
    approved: ApprovedCalls,
  ): Promise<WaitingCall | 'full' | 'ended'> {
    const { desk, paused, settings } = this.#around;
    const answered = () =>
      waiting.find(
        ({ key, request }) =>
          desk.has(key) &&
          // What would run waits while the session stands still, and for its turn.
          (request === undefined || !(paused() || (settings.sequential && approved.running > 0))),
      );
    if (!actsLast()) this.#around.look();
    const open = waiting.filter(({ key }) => !desk.has(key));
    const deadlines = open.flatMap((call) => (call.until === undefined ? [] : [call.until]));
    const due = deadlines.length > 0 ? Math.min(...deadlines) : undefined;
    const full = () => this.#position.full && approved.running === 0;
    const ready = () => answered() !== undefined || approved.ended || full();
    if (approved.running > 0) await this.#position.working(ready, due);
    else await this.#position.waiting(ready, due);
    if (approved.ended) return 'ended';
    const next =
      answered() ?? open.find(({ key, until = Infinity }) => !desk.has(key) && until <= Date.now());
    // Neither: what was late has been decided meanwhile, and waits for the end of a pause.
    return next ?? (full() ? 'full' : 'ended');
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
}

/** Whether nothing runs the call for now: it waits for an answer, or for a person's approval. */
function waits({ run, request }: PlannedCall): boolean {
  return waitsForAnswer(run) || request !== undefined;
}

/** Wrong arguments are answered like those of any other tool. */
function handsOver({ handoff, done, invalid }: PlannedCall): boolean {
  return handoff !== undefined && done === undefined && !invalid;
}

/** What answers a call; nothing where anybody may. */
function answeringCall({ run, task, wait, request }: PlannedCall): Pick<WaitingCall, 'by'> {
  if (request !== undefined) return { by: 'person' };
  if (task) return { by: { session: task.session, agent: task.agent } };
  if (wait) return { by: { sessions: wait.sessions ?? [], ...(wait.any ? { any: true } : {}) } };
  return answeredBy(run);
}

/** A call that was approved, and waits for its answer. */
function opened(
  { key, index, id, name, args }: WaitingCall,
  opens: NonNullable<CallToolResult['opens']>,
): WaitingCall {
  return { key, index, id, name, ...(args === undefined ? {} : { args }), ...opens };
}

/** How a call ended that a person has decided. */
function fateOf(failure: string | undefined): CallFate {
  if (failure === 'Tool.ApprovalExpired') return 'timeout';
  return failure === 'Tool.Declined' ? 'refused' : 'answered';
}

/** Calls that were approved, and run while others wait. */
class ApprovedCalls {
  running = 0;
  readonly #ended: ({ readonly error: unknown } | undefined)[] = [];
  readonly #runs: Promise<void>[] = [];

  /** Whether one has ended that was not settled. */
  get ended(): boolean {
    return this.#ended.length > 0;
  }

  start(run: () => Promise<void>): void {
    this.running += 1;
    const ended = run().then(
      () => void this.#ended.push(undefined),
      (error: unknown) => void this.#ended.push({ error }),
    );
    this.#runs.push(ended);
  }

  /** Takes those that have ended. Throws what one has thrown: an interruption of the turn. */
  settle(): void {
    const ended = this.#ended.splice(0);
    this.running -= ended.length;
    const failed = ended.find((each) => each !== undefined);
    if (failed) throw failed.error;
  }

  /** Resolves when none runs any more. Never rejects. */
  async over(): Promise<void> {
    await Promise.all(this.#runs);
  }
}
