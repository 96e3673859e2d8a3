/**
 * The session workflow: one agent, one conversation, for as long as it lasts. Here is the loop:
 * open, wait for messages, run a turn, continue as new, close. What comes in goes to
 * `reception.ts` and `control.ts`; a turn is in `turn.ts`, what is remembered in
 * `session-state.ts`.
 */
import {
  allHandlersFinished,
  CancellationScope,
  isCancellation,
  makeContinueAsNewFunc,
  patched,
  sleep,
  uuid4,
} from '@temporalio/workflow';
import type { SessionSettings } from '../../src/contracts/activities.js';
import type { FailureInfo } from '../../src/contracts/failures.js';
import type { InboxMessage } from '../../src/contracts/message.js';
import type { SessionInput, SessionResult } from '../../src/contracts/session.js';
import { readSessionInput, type CheckedInput } from '../../src/contracts/session-input.js';
import { turnFailure } from '../../src/contracts/turn-end.js';
import { refusal } from '../door.js';
import { AgentDesk } from './agent-desk.js';
import { Children } from './children.js';
import { Control } from './control.js';
import { failureOf } from './failure-of.js';
import { listen } from './listen.js';
import { OpenCallDesk } from './open-calls.js';
import { Reception } from './reception.js';
import { SessionRun } from './session-run.js';
import type { SessionState } from './session-state.js';
import { Turn } from './turn.js';
import { actsLast, condition, isSettling, until } from './waiting.js';

/**
 * So many events beyond its limit a run goes on in the middle of a turn, before the turn is
 * continued in the next run, between two steps. With the default limit of 1,000 a run stays
 * well below 4,096 events, at which Temporal itself suggests to continue as new.
 */
const TURN_EVENTS = 600;
/** In the history of a run with local activities that was live when a version without them came. */
const LEAVE_LOCAL_CALLS = 'perdura-leave-local-calls';

/**
 * One durable agent. Start it with `{ "agent": "assistant", "message": "hello" }`, with the message
 * alone, or with nothing at all; talk to it through `send`, `ask` or `message`.
 */
export async function agentSession(given?: SessionInput | string | null): Promise<SessionResult> {
  const { input, problems } = readSessionInput(given);
  const session = new SessionLoop(input, problems);
  session.listen();
  try {
    return await session.live();
  } catch (error) {
    if (!isCancellation(error)) throw error;
    // Cancelled from outside: the session ends in order, what was accepted is kept.
    return await CancellationScope.nonCancellable(() =>
      session.close('The workflow was cancelled.'),
    );
  }
}

/**
 * The scope of a turn. It says by itself that it is cancelled: a promise that waits for that would be
 * kept, with its stack trace, until the run is over.
 */
class TurnScope extends CancellationScope {
  readonly #onCancel: () => void;
  #cancelled = false;

  constructor(onCancel: () => void) {
    super();
    this.#onCancel = onCancel;
  }

  override cancel(): void {
    if (!this.#cancelled) void Promise.resolve().then(this.#onCancel);
    this.#cancelled = true;
    super.cancel();
  }
}

class SessionLoop {
  readonly #input: CheckedInput;
  readonly #problems: readonly string[];
  readonly #run: SessionRun;
  readonly #state: SessionState;
  readonly #reception: Reception;
  readonly #control: Control;
  readonly #desk: OpenCallDesk;
  /** Group whose messages the last turn took, and the place of what it answered. */
  #group: string | undefined;
  #said: number | undefined;
  readonly #agents: AgentDesk;
  readonly #children: Children;

  constructor(input: CheckedInput, problems: readonly string[]) {
    this.#input = input;
    this.#problems = problems;
    this.#run = new SessionRun(input);
    this.#state = this.#run.state;
    this.#control = new Control(this.#run);
    this.#reception = new Reception(this.#run, this.#control);
    this.#desk = new OpenCallDesk(this.#run);
    this.#agents = new AgentDesk(this.#run);
    this.#children = new Children(this.#run, this.#desk);
  }

  listen(): void {
    listen(this.#run, {
      reception: this.#reception,
      control: this.#control,
      calls: this.#desk,
      agents: this.#agents,
      children: this.#children,
    });
  }

  async live(): Promise<SessionResult> {
    const { carried } = this.#input;
    const settings = await this.#open();
    this.#run.settings = settings;
    if (settings.context) this.#run.reference.context = true;
    const { agent, version } = settings;
    // Absent in histories of earlier versions.
    if (agent !== undefined) this.#state.agent = { agent, ...(version ? { version } : {}) };
    if (settings.resume) this.#state.resume(settings.resume.head, settings.resume.turn);
    if (!carried) {
      this.#reception.takeFirst(this.#input.messages, this.#problems);
      this.#run.introduce();
    }
    this.#run.answerOpened();
    this.#run.show();
    this.#children.watch();
    CancellationScope.current().cancelRequested.catch(() => {
      if (this.#control.inTurn) this.#stopBelow();
    });
    for (;;) {
      if (this.#answered) this.#run.ending ??= { reason: 'It has answered.' };
      // A turn that was carried here is closed before the session is.
      if (this.#run.ending && !this.#stopping) break;
      if (!actsLast()) this.#run.look();
      await this.#idle();
      this.#reception.expire(Date.now());
      this.#run.look();
      if (this.#run.ending && !this.#stopping) break;
      if (this.#agents.due) {
        await this.#agents.moveNow();
      } else if ((this.#run.full || this.#outdated()) && !this.#stopping && !this.#desk.answered) {
        await this.#continue();
      } else if (this.#state.open || (this.#state.called && !this.#run.paused)) {
        await this.#runTurn();
        if (this.#group !== undefined) await this.#endGroupTurn();
        if (this.#state.replies.size > 0) await this.#reception.reply();
      }
    }
    return this.close(this.#run.ending.reason);
  }

  /** A carried turn that was interrupted ends in this run: no run is continued with it. */
  get #stopping(): boolean {
    return this.#state.open !== undefined && this.#control.interruption !== undefined;
  }

  /** A sub-agent has done what it was asked, and nothing else waits for it. */
  get #answered(): boolean {
    const { open, queued, replies } = this.#state;
    return this.#run.child?.once === true && !open && queued === 0 && replies.size === 0;
  }

  /**
   * Whether the run still makes local activities although this version has none. Recorded when it
   * is first seen, at a boundary of a turn: until then the run replays as it was.
   */
  #outdated(): boolean {
    return this.#run.legacy && patched(LEAVE_LOCAL_CALLS);
  }

  /** Enters the session in the store; a session that cannot be (its agent is unknown) says why. */
  async #open(): Promise<SessionSettings> {
    const { carried } = this.#input;
    const { title, context, child: { maxDescendants: most, context: inherits } = {} } = this.#run;
    const { head, stage, turn, spills } = this.#state;
    try {
      // Also of a workflow that was cancelled at once: it could not be closed in order otherwise.
      return await CancellationScope.nonCancellable(() =>
        this.#run.calls.openSession({
          ...this.#state.agent,
          ...(title === undefined ? {} : { title }),
          ...(this.#input.onParentEnd ? { onParentEnd: this.#input.onParentEnd } : {}),
          ...(carried || most === undefined ? {} : { maxDescendants: most }),
          ...(carried ? {} : { fresh: true }),
          ...(carried || !context ? {} : { context }),
          ...(carried || context || !inherits ? {} : { inherits }),
          head,
          stage,
          turn,
          spills,
        }),
      );
    } catch (error) {
      const failure = failureOf(error);
      if (!failure) throw error;
      const reason = refusal(failure.type, failure.message);
      this.#run.ending = { reason: failure.message };
      this.#run.answerOpened(reason);
      // One more task: the update that started the workflow may be handed to it only now, and
      // what its handler throws in the task that ends the workflow does not reach the sender.
      await sleep(1);
      await until(allHandlersFinished);
      throw reason;
    }
  }

  /** Ends the session: what was accepted goes into the transcript, whoever waits is answered. */
  async close(reason: string | undefined): Promise<SessionResult> {
    this.#run.ending ??= reason === undefined ? {} : { reason };
    const state = this.#state;
    this.#children.leave();
    // First: the journal writes the state of the moment, and the end is written below, with all
    // that waits.
    if (!this.#run.legacy) await this.#run.journal.written();
    if (state.machine.can('terminate')) state.machine.apply('terminate');
    state.open = undefined;
    do {
      // What waits goes along with the last write, and may be more than a payload takes.
      if (!this.#run.legacy) await this.#spill();
      state.stage += 1;
      const inbox = state.drain();
      const { head } = await this.#run.calls.recordState({
        key: uuid4(),
        state: 'terminated',
        turn: state.turn,
        place: { stage: state.stage, head: state.head },
        ...(reason === undefined ? {} : { reason }),
        ...(inbox.length > 0 ? { inbox } : {}),
      });
      state.head = head ?? state.head;
      this.#run.closed = true;
      await until(() => allHandlersFinished() && !this.#run.notifying);
      // A signal may have come in during the last write; it was accepted, so it is written.
    } while (state.queued > 0);
    if (state.replies.size > 0) {
      await this.#reception.replyToAll();
      await until(allHandlersFinished);
    }
    if (!this.#children.quiet) await this.#children.settled();
    if (this.#run.child) await this.#reception.toldFirst();
    await this.#alone();
    this.#run.show();
    return {
      turns: state.turn,
      head: state.head,
      usage: state.usage,
      ...(reason === undefined ? {} : { reason }),
    };
  }

  /** Blocks until there is something to do. No timer, unless a wake-up was asked for. */
  async #idle(): Promise<void> {
    const state = this.#state;
    const ready = () =>
      this.#run.ending !== undefined ||
      this.#run.full ||
      this.#agents.due ||
      (state.open !== undefined && this.#control.interruption !== undefined) ||
      // Calls wait also while the session is paused: their answers are written as they come.
      state.open?.calls !== undefined ||
      ((state.called || state.open !== undefined) && !this.#run.paused);
    if (state.wakeAt === undefined) {
      await condition(() => ready() || state.wakeAt !== undefined);
      return;
    }
    const { wakeAt } = state;
    const woken = await condition(
      () => ready() || state.wakeAt !== wakeAt,
      Math.max(1, wakeAt - Date.now()),
    );
    if (woken) {
      // Something else woke the agent before.
      if (state.wakeAt === wakeAt && state.queued > 0) state.wakeAt = undefined;
      return;
    }
    state.wakeAt = undefined;
    state.accept({
      id: uuid4(),
      from: 'timer',
      text: 'The wake-up time that was asked for has come.',
    });
  }

  async #runTurn(): Promise<void> {
    const state = this.#state;
    const run = this.#run;
    const settings = run.settings!;
    // A turn that continue-as-new carried over goes on; it has taken its messages.
    const carriedOn = state.open !== undefined;
    const { failure: before } = state;
    if (!carriedOn) state.begin(Date.now());
    const inbox = carriedOn ? undefined : state.take(settings.unread);
    this.#group = state.open?.group;
    this.#said = undefined;
    const turn = new Turn(
      {
        state,
        settings,
        get agent() {
          return state.agent;
        },
        get pool() {
          return run.settings!.pool;
        },
        calls: this.#run.calls,
        activities: this.#run.regular,
        legacy: this.#run.legacy,
        desk: this.#desk,
        paused: () => this.#run.paused,
        onRepeated: (ids) => state.repeated(ids),
        onHandoff: ({ traits, ...to }) => {
          const began = state.open!.began ?? { ...state.agent, traits: this.#run.traits };
          state.open = { ...state.open!, began };
          this.#run.changeAgent(to, traits);
        },
        look: () => this.#run.look(),
        historyFull: () => this.#run.longerBy(TURN_EVENTS),
        onTools: () => this.#control.heed(),
        onWaiting: () => this.#run.show(),
        delegate: (calls, rules) => this.#children.begin(calls, rules),
        onLate: (call) => this.#children.expire(call),
        onStep: (result) => {
          // Told to stop, the model had said its last word already: nothing follows it.
          this.#control.heed();
          this.#run.details.step(state.turn, state.open?.step ?? 0, result);
          this.#run.show();
        },
      },
      inbox,
    );
    const scope = new TurnScope(() => this.#stopBelow());
    this.#control.turnBegins(turn, scope);
    this.#run.show();
    try {
      let outcome = await scope.run(() => turn.run());
      while (outcome.kind === 'carry') {
        await this.#continue();
        // Still here: a call was answered meanwhile, the session ends, or the turn was interrupted.
        if (this.#run.ending || this.#stopping) return await this.#endTurnEarly(turn);
        outcome = await scope.run(() => turn.run());
      }
      if (outcome.kind === 'nothing') {
        this.#group = undefined;
        return state.undo(before);
      }
      const { preview = '', outcome: finish, whole = false, seq } = outcome.last;
      if (finish === 'stop' || finish === 'length') this.#said = seq;
      this.#reception.turnEnds({
        answer: { turn: state.turn, text: preview, finish, usage: state.open!.usage },
        whole,
      });
      if (finish === 'interrupted') {
        await this.#endTurnEarly(turn);
      } else {
        state.finish();
      }
    } catch (error) {
      const cancelled = isCancellation(error);
      // A cancellation of the workflow itself is not the turn's to handle, but the turn ends.
      // A call that timed out while it was stopped has not failed: its worker was gone.
      const known = failureOf(error);
      const failure = this.#control.interruption ? undefined : known;
      if (!cancelled && !known) throw error;
      await CancellationScope.nonCancellable(() => this.#endTurnEarly(turn, failure));
      if (cancelled && !this.#control.interruption) throw error;
    } finally {
      this.#run.journal.turnOver();
      this.#desk.clear();
      // A turn that another run goes on with has them still.
      if (!state.open) this.#children.turnOver();
      this.#reception.turnOver();
      this.#control.turnOver();
      this.#run.show();
    }
  }

  /** Before the turn is closed in the store: what is below it stops at once. */
  #stopBelow(): void {
    const ending = this.#run.ending !== undefined || !this.#control.interruption;
    this.#children.stop('The turn above was interrupted.', { ending });
  }

  /** What was answered in a group goes to the others; without an answer the next one speaks. */
  async #endGroupTurn(): Promise<void> {
    const group = this.#group;
    if (group === undefined || this.#state.isStopped(group)) return;
    this.#group = undefined;
    const { turn } = this.#state;
    const said = this.#said === undefined ? {} : { seq: this.#said };
    try {
      await this.#run.regular.short.endGroupTurn({ turn, group, ...said });
    } catch (error) {
      // The group cannot take it. That does not end the session.
      const failure = failureOf(error);
      if (!failure) throw error;
      this.#run.notice(`The answer did not reach its group: ${failure.message}`);
    }
  }

  /** Closes a turn that was interrupted or failed. */
  async #endTurnEarly(turn: Turn, failure?: FailureInfo): Promise<void> {
    const state = this.#state;
    const { reason, rollback } = this.#control.interruption ?? {};
    const from = rollback && !failure ? state.open!.from : undefined;
    const { inbox, openCalls, cutOff } = turn.position;
    const { head, found, generation } = await this.#run.calls.endTurn({
      ...turn.position.place(),
      outcome: failure ? 'failed' : 'interrupted',
      ...(failure ? { failure } : {}),
      ...(reason === undefined ? {} : { reason }),
      usage: state.open!.usage,
      ...(inbox && inbox.length > 0 ? { inbox } : {}),
      ...(openCalls ? { open: openCalls } : {}),
      ...(cutOff === undefined ? {} : { cutOff }),
      ...(state.open!.slot ? { slot: true } : {}),
      ...(from === undefined ? {} : { rollback: { after: from } }),
    });
    state.head = head;
    const rolledBack = generation !== undefined;
    if (rolledBack) {
      state.generation = generation;
      // The handoffs of the turn are forgotten with it.
      state.moving ??= state.open!.began;
    }
    if (found) state.spend(found);
    state.callsGivenUp(failure ? 'failed' : rolledBack ? 'rolledBack' : 'interrupted');
    this.#reception.turnEnds({
      failure:
        failure ??
        turnFailure({
          outcome: 'interrupted',
          turn: state.turn,
          ...(reason ? { reason } : {}),
          ...(rolledBack ? { rolledBack } : {}),
        }),
    });
    state.finish(failure);
  }

  async #continue(): Promise<void> {
    const state = this.#state;
    const { title, context } = this.#run;
    const { parent, root } = this.#run.reference;
    const { child } = this.#run;
    this.#run.leaving = true;
    try {
      await this.#reception.asked();
      if (!this.#children.quiet) await this.#children.settled();
      do {
        await this.#spill();
        await until(() => allHandlersFinished() && !this.#run.notifying);
        if (!this.#run.legacy) await this.#run.journal.written();
        await this.#alone();
      } while (state.oversized().length > 0);
    } finally {
      this.#run.leaving = false;
    }
    if (this.#run.ending || this.#control.interruption || this.#desk.answered) return;
    // The memo is not passed on by itself.
    const next = makeContinueAsNewFunc<typeof agentSession>({ memo: this.#run.memo });
    await next({
      agent: this.#run.agent,
      ...(title === undefined ? {} : { title }),
      ...(parent === undefined ? {} : { parent }),
      ...(root === undefined ? {} : { root }),
      ...(context ? { context } : {}),
      ...(this.#input.onParentEnd ? { onParentEnd: this.#input.onParentEnd } : {}),
      ...(child === undefined ? {} : { child }),
      carried: state.carry(),
    });
  }

  /**
   * Resolves when nothing goes on beside the loop. What ends the run must follow without waiting for
   * anything else: a handler of the same task acts last, and would be lost with the run.
   */
  async #alone(): Promise<void> {
    if (!actsLast()) return;
    const { journal } = this.#run;
    await until(
      () =>
        allHandlersFinished() &&
        !isSettling() &&
        !this.#run.notifying &&
        journal.quiet &&
        this.#children.quiet,
    );
  }

  /** A task is one message to the server, which takes 4 MiB: one batch, of up to 1.5 MiB, at a time. */
  async #keep(batches: readonly InboxMessage[][]): Promise<{ spill: string }[]> {
    const { calls, legacy } = this.#run;
    if (legacy) return Promise.all(batches.map((messages) => calls.spill({ messages })));
    const kept: { spill: string }[] = [];
    for (const messages of batches) kept.push(await calls.spill({ messages }));
    return kept;
  }

  /** Moves what is too much to be carried to the store, until what came in meanwhile fits. */
  async #spill(): Promise<void> {
    const state = this.#state;
    for (let batches = state.oversized(); batches.length > 0; batches = state.oversized()) {
      const kept = await this.#keep(batches);
      // All of them or none: the loop waits here, so nothing has left the queue.
      for (const [i, batch] of batches.entries()) state.spilled(batch, kept[i]!.spill);
      // Puts the batches on record in a task of their own. One that continues as new is refused
      // whenever a signal came meanwhile; in a flood all would be written for each try.
      await sleep(1);
    }
  }
}
