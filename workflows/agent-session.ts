/**
 * The session workflow: one agent, one conversation, for as long as it lasts. Here are the
 * handlers and the outer loop (take the unread messages, run a turn, wait); a turn is in
 * `turn.ts`, what is remembered in `session-state.ts`.
 */
import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  log,
  setCurrentDetails,
  setHandler,
  sleep,
  upsertMemo,
  upsertSearchAttributes,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow';
import { defineSearchAttributeKey } from '@temporalio/common';
import { SEARCH_ATTRIBUTES, type SessionPolicy } from '../src/contracts/activities.js';
import {
  jsonBytes,
  MOST_MESSAGE_JSON_BYTES,
  parseInbound,
  utf8Bytes,
} from '../src/contracts/message.js';
import { sessionOf } from '../src/contracts/ids.js';
import type { FailureInfo, FailureType } from '../src/contracts/failures.js';
import type {
  Answer,
  InterruptReceipt,
  SendReceipt,
  SessionInput,
  SessionResult,
} from '../src/contracts/session.js';
import { local } from './calls.js';
import { Details } from './details.js';
import * as handlers from './handlers.js';
import { SessionState } from './session-state.js';
import { failureOf, Turn, until } from './turn.js';

/**
 * So many events beyond its limit a run goes on in the middle of a turn, before the turn is
 * continued in the next run, between two steps. With the default limit of 3,000 a run stays
 * below 4,096 events, at which Temporal itself suggests to continue as new.
 */
const TURN_EVENTS = 600;
/** Temporal allows 2,000 updates and 10,000 signals a run. */
const MANY_UPDATES = 1_000;
const MANY_SIGNALS = 5_000;

/** In so many ms what was told to stop has stopped. */
const HEARD_MS = 1_000;

/** How a turn ended, for those who asked. */
type Ending = {
  readonly answer?: Answer;
  readonly whole?: boolean;
  readonly failure?: FailureInfo;
};

/**
 * One durable agent. Start it with `{ "agent": "assistant", "message": "hello" }` or with
 * nothing at all; talk to it through `send`, `ask` or `message`.
 */
export async function agentSession(input: SessionInput = {}): Promise<SessionResult> {
  const session = new Session(input);
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

class Session {
  readonly #key = sessionOf(workflowInfo().workflowId);
  readonly #agent: string;
  readonly #input: SessionInput;
  readonly #state: SessionState;
  readonly #details: Details;
  #policy: SessionPolicy | undefined;
  #turn: { readonly turn: Turn; readonly scope: CancellationScope } | undefined;
  #interruption: { reason?: string } | undefined;
  #ending: { reason?: string } | undefined;
  #closed = false;
  #updates = 0;
  #signals = 0;
  /** Turns that someone waits for, and how they ended. */
  readonly #awaited = new Map<number, Ending>();
  #asking = 0;
  #cutAsks = false;
  /** The run waits for its handlers, to continue as new: none may wait for the turn. */
  #leaving = false;
  /** Turns that have ended in this run: when it changes, who asked may look again. */
  #turnsEnded = 0;
  /** Nothing is accepted before: the limits of the agent are not known, nor whether it exists. */
  readonly #opened: Promise<ApplicationFailure | undefined>;
  #answerOpened: (refused?: ApplicationFailure) => void = () => undefined;
  /** Changes of state are noted one after another, or the catalogue would show the wrong one. */
  #noted: Promise<void> = Promise.resolve();

  constructor(input: SessionInput) {
    this.#input = input;
    this.#agent = input.agent ?? 'assistant';
    this.#state = new SessionState(input.carried);
    this.#details = new Details(this.#key, this.#agent);
    // Never rejects, nor is it cancelled: an error of a signal handler would end the workflow.
    this.#opened = new Promise((resolve) => (this.#answerOpened = resolve));
  }

  listen(): void {
    const validator = (message: unknown) => void this.#check(message);
    setHandler(handlers.sendUpdate, (message) => this.#send(message), {
      validator,
      description: 'Takes a message; answers when it is accepted.',
    });
    setHandler(handlers.askUpdate, (message) => this.#ask(message), {
      validator,
      description: 'Takes a message; answers when its turn is done.',
    });
    setHandler(handlers.interruptUpdate, (options) => this.#interrupt(options?.reason), {
      description: 'Stops the turn under way.',
    });
    setHandler(handlers.messageSignal, (message) => this.#signal(message), {
      description: 'Takes a message: text, or { "text": "…" }.',
    });
    setHandler(handlers.pauseSignal, () => this.#pause('pause'));
    setHandler(handlers.resumeSignal, () => this.#pause('resume'));
    setHandler(handlers.terminateSignal, (reason) => this.#terminate(reason));
    setHandler(handlers.wakeUpAfterSignal, (ms) => {
      this.#signals += 1;
      if (Number.isFinite(ms) && ms >= 0) this.#state.wakeAt = Date.now() + ms;
    });
    setHandler(handlers.statusQuery, () => ({
      ...this.#key,
      agent: this.#agent,
      state: this.#state.machine.state,
      turn: this.#state.turn,
      step: this.#state.open?.step ?? 0,
      queued: this.#state.queued,
      head: this.#state.head,
      usage: this.#state.usage,
      ...(this.#state.failure ? { failure: this.#state.failure } : {}),
      runs: this.#state.runs,
    }));
    setHandler(handlers.transcriptHeadQuery, () => ({
      transcript: this.#key.session,
      head: this.#state.head,
    }));
  }

  async live(): Promise<SessionResult> {
    const { carried } = this.#input;
    const policy = await this.#open();
    this.#policy = policy;
    if (policy.resume) this.#state.resume(policy.resume.head, policy.resume.turn);
    if (!carried) {
      this.#takeFirstMessages();
      this.#introduce();
    }
    this.#answerOpened();
    this.#show();
    while (!this.#ending) {
      await this.#idle();
      if (this.#ending) break;
      // A carried turn that was interrupted ends here: no run is continued with it.
      const stopping = this.#state.open !== undefined && this.#interruption !== undefined;
      if (this.#full() && !stopping) {
        await this.#continue();
      } else if (this.#state.open || (this.#state.queued > 0 && !this.#paused)) {
        await this.#runTurn();
      }
    }
    return this.close(this.#ending.reason);
  }

  /** Enters the session in the store; a session that cannot be (its agent is unknown) says why. */
  async #open(): Promise<SessionPolicy> {
    const { carried, title } = this.#input;
    const { head, stage, turn } = this.#state;
    try {
      // Also of a workflow that was cancelled at once: it could not be closed in order otherwise.
      return await CancellationScope.nonCancellable(() =>
        local.openSession({
          agent: this.#agent,
          ...(title === undefined ? {} : { title: title.slice(0, 200) }),
          ...(carried ? {} : { fresh: true }),
          head,
          stage,
          turn,
        }),
      );
    } catch (error) {
      const failure = failureOf(error);
      if (!failure) throw error;
      const reason = refusal(failure.type, failure.message);
      this.#ending = { reason: failure.message };
      this.#answerOpened(reason);
      // One more task: the update that started the workflow may be handed to it only now, and
      // what its handler throws in the task that ends the workflow does not reach the sender.
      await sleep(1);
      await until(allHandlersFinished);
      throw reason;
    }
  }

  /** Ends the session: what was accepted goes into the transcript, whoever waits is answered. */
  async close(reason: string | undefined): Promise<SessionResult> {
    this.#ending ??= reason === undefined ? {} : { reason };
    const state = this.#state;
    if (state.machine.can('terminate')) state.machine.apply('terminate');
    state.open = undefined;
    do {
      state.stage += 1;
      const inbox = state.drain();
      const { head } = await local.recordState({
        key: uuid4(),
        state: 'terminated',
        turn: state.turn,
        place: { stage: state.stage, head: state.head },
        ...(reason === undefined ? {} : { reason }),
        ...(inbox.length > 0 ? { inbox } : {}),
      });
      state.head = head ?? state.head;
      this.#closed = true;
      await until(allHandlersFinished);
      // A signal may have come in during the last write; it was accepted, so it is written.
    } while (state.queued > 0);
    this.#show();
    return {
      turns: state.turn,
      head: state.head,
      usage: state.usage,
      ...(reason === undefined ? {} : { reason }),
    };
  }

  get #paused(): boolean {
    return this.#state.machine.state === 'paused';
  }

  /** Blocks until there is something to do. No timer, unless a wake-up was asked for. */
  async #idle(): Promise<void> {
    const state = this.#state;
    const ready = () =>
      this.#ending !== undefined ||
      this.#full() ||
      (state.open !== undefined && this.#interruption !== undefined) ||
      ((state.queued > 0 || state.open !== undefined) && !this.#paused);
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
    const policy = this.#policy!;
    // A turn that continue-as-new carried over goes on; it has taken its messages.
    const carriedOn = state.open !== undefined;
    const { failure: before } = state;
    if (!carriedOn) state.begin(Date.now());
    const inbox = carriedOn ? undefined : state.take(policy.unread);
    const turn = new Turn(
      {
        state,
        policy,
        agent: this.#agent,
        paused: () => this.#paused,
        onRepeated: (ids) => state.repeated(ids),
        historyFull: () => workflowInfo().historyLength > policy.historyLimit + TURN_EVENTS,
        onTools: () => {
          if (this.#interruption) scope.cancel();
        },
        onStep: (result) => {
          // Told to stop, the model had said its last word already: nothing follows it.
          if (this.#interruption) scope.cancel();
          this.#details.step(state.turn, state.open?.step ?? 0, result);
          this.#show();
        },
      },
      inbox,
    );
    const scope = new CancellationScope();
    this.#turn = { turn, scope };
    // The turn was carried here, and interrupted before it could go on.
    if (this.#interruption) scope.cancel();
    this.#show();
    try {
      const outcome = await scope.run(() => turn.run());
      if (outcome.kind === 'carry') {
        await this.#continue();
        // Still here: the session ends, or the turn was interrupted meanwhile.
        return await this.#endTurnEarly(turn);
      }
      if (outcome.kind === 'nothing') return state.undo(before);
      const { preview = '', outcome: finish, whole = false } = outcome.last;
      this.#end({
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
      const failure = cancelled ? undefined : failureOf(error);
      if (!cancelled && !failure) throw error;
      await CancellationScope.nonCancellable(() => this.#endTurnEarly(turn, failure));
      if (cancelled && !this.#interruption) throw error;
    } finally {
      this.#turnsEnded += 1;
      this.#turn = undefined;
      this.#interruption = undefined;
      this.#show();
    }
  }

  /** Closes a turn that was interrupted or failed. */
  async #endTurnEarly(turn: Turn, failure?: FailureInfo): Promise<void> {
    const state = this.#state;
    const reason = this.#interruption?.reason;
    const { head, found } = await local.endTurn({
      ...turn.place(),
      outcome: failure ? 'failed' : 'interrupted',
      ...(failure ? { failure } : {}),
      ...(reason === undefined ? {} : { reason }),
      usage: state.open!.usage,
      ...(turn.inbox && turn.inbox.length > 0 ? { inbox: turn.inbox } : {}),
      ...(turn.openCalls ? { open: turn.openCalls } : {}),
      ...(turn.cutOff === undefined ? {} : { cutOff: turn.cutOff }),
    });
    state.head = head;
    if (found) state.spend(found);
    this.#end({
      failure: failure ?? {
        type: 'Turn.Interrupted',
        message: `Turn ${state.turn} was interrupted${reason ? `: ${reason}` : ''}.`,
      },
    });
    state.finish(failure);
  }

  #end(ending: Ending): void {
    if (this.#asking > 0) this.#awaited.set(this.#state.turn, ending);
  }

  /** Whether the run should end at the next boundary of a turn. */
  #full(): boolean {
    const info = workflowInfo();
    return (
      info.continueAsNewSuggested ||
      info.historyLength > this.#policy!.historyLimit ||
      this.#updates > MANY_UPDATES ||
      this.#signals > MANY_SIGNALS
    );
  }

  async #continue(): Promise<void> {
    const state = this.#state;
    if (this.#asking > 0) {
      // Who asks for a turn that is still to come is told to ask again: the id is recognised.
      this.#cutAsks = true;
      await until(() => this.#asking === 0);
      this.#cutAsks = false;
    }
    for (const batch of state.oversized()) {
      const spill = uuid4();
      await local.spill({ id: spill, messages: batch });
      state.spilled(batch, spill);
    }
    this.#leaving = true;
    await until(allHandlersFinished);
    this.#leaving = false;
    if (this.#ending || this.#interruption) return;
    await continueAsNew<typeof agentSession>({
      agent: this.#agent,
      ...(this.#input.title === undefined ? {} : { title: this.#input.title }),
      carried: state.carry(),
    });
  }

  #takeFirstMessages(): void {
    const { message, messages = [] } = this.#input;
    for (const first of [...(message === undefined ? [] : [message]), ...messages]) {
      try {
        this.#accept(first);
      } catch (error) {
        if (!(error instanceof ApplicationFailure)) throw error;
        this.#refuse(error.message);
      }
    }
  }

  /** Throws what a sender is told when a message is refused. Synchronous: it validates updates. */
  #check(input: unknown): { text: string; id?: string; from?: string } {
    if (this.#ending) throw refusal('Session.Closed', 'The session has ended.');
    const parsed = parseInbound(input);
    if (!parsed.ok) throw refusal('Message.Invalid', parsed.reason);
    const bytes = utf8Bytes(parsed.text);
    const most = this.#policy?.limits.maxMessageBytes;
    if (most !== undefined && bytes > most) {
      throw refusal(
        'Message.TooLarge',
        `The message has ${bytes} bytes; this agent takes up to ${most}.`,
      );
    }
    if (jsonBytes(parsed.text) > MOST_MESSAGE_JSON_BYTES) {
      throw refusal(
        'Message.TooLarge',
        `The message has ${bytes} bytes; as JSON it may have ${MOST_MESSAGE_JSON_BYTES}.`,
      );
    }
    return parsed;
  }

  /** Resolves when the session is open. Throws why it cannot be. */
  async #ready(): Promise<void> {
    const refused = await this.#opened;
    if (refused) throw refused;
  }

  #accept(input: unknown): SendReceipt {
    const { text, id = uuid4(), from } = this.#check(input);
    return this.#state.accept({ id, text, ...(from === undefined ? {} : { from }) });
  }

  async #send(input: unknown): Promise<SendReceipt> {
    this.#updates += 1;
    if (!this.#policy) await this.#ready();
    return this.#accept(input);
  }

  async #ask(input: unknown): Promise<Answer> {
    this.#updates += 1;
    if (!this.#policy) await this.#ready();
    const { id } = this.#accept(input);
    this.#asking += 1;
    try {
      for (;;) {
        const ended = this.#turnsEnded;
        const answer = await this.#answerTo(id);
        if (answer) return answer;
        await until(() => this.#turnsEnded !== ended || this.#cutAsks || this.#closed);
        if (this.#turnsEnded !== ended) continue;
        throw this.#closed
          ? refusal('Session.Closed', 'The session ended before the turn of this message.')
          : refusal('Session.ContinuedAsNew', 'The session goes on in a new run of its workflow.');
      }
    } finally {
      this.#asking -= 1;
      if (this.#asking === 0) this.#awaited.clear();
    }
  }

  /** The answer of the turn that took the message, if that is over. Throws why there is none. */
  async #answerTo(id: string): Promise<Answer | null> {
    const turn = this.#state.turnOf(id);
    if (turn === 0 || (turn === this.#state.turn && this.#state.open)) return null;
    const ending = turn === undefined ? undefined : this.#awaited.get(turn);
    if (ending?.failure) throw refusal(ending.failure.type, ending.failure.message);
    if (ending?.answer && ending.whole) return ending.answer;
    try {
      return await local.readAnswer({ id });
    } catch (error) {
      const failure = failureOf(error);
      throw failure ? refusal(failure.type, failure.message) : error;
    }
  }

  async #signal(input: unknown): Promise<void> {
    this.#signals += 1;
    try {
      if (!this.#policy) await this.#ready();
      this.#accept(input);
    } catch (error) {
      if (!(error instanceof ApplicationFailure)) throw error;
      this.#refuse(error.message);
    }
  }

  /** A signal has no answer: the log and the details say why the message was not taken. */
  #refuse(reason: string): void {
    log.warn('message refused', { ...this.#key, reason });
    this.#details.notice(`A message was refused: ${reason}`);
    this.#show();
  }

  async #interrupt(reason: string | undefined): Promise<InterruptReceipt> {
    this.#updates += 1;
    if (!this.#policy) await this.#ready();
    const state = this.#state;
    const { turn } = state;
    if (!state.open) return { interrupted: false, turn };
    this.#interruption ??= reason === undefined ? {} : { reason };
    await this.#stopTurn();
    await until(() => state.turn !== turn || !state.open || this.#leaving);
    return { interrupted: true, turn };
  }

  async #pause(move: 'pause' | 'resume'): Promise<void> {
    this.#signals += 1;
    if (!this.#policy && (await this.#opened)) return;
    const { machine, turn } = this.#state;
    if (!machine.can(move)) return;
    const state = machine.apply(move);
    this.#show();
    this.#noted = this.#noted.then(async () => {
      try {
        await local.recordState({ key: uuid4(), state, turn });
      } catch (error) {
        // An error of a signal handler would end the workflow; the end of it is noted by itself.
        log.warn('state not recorded', { ...this.#key, state, error });
      }
    });
    await this.#noted;
  }

  async #terminate(reason: unknown): Promise<void> {
    this.#signals += 1;
    if (this.#ending) return;
    this.#ending = typeof reason === 'string' && reason !== '' ? { reason } : {};
    if (!this.#state.open) return;
    this.#interruption ??= this.#ending;
    await this.#stopTurn();
  }

  /**
   * Stops what the turn is doing. A model call or a tool hears of it at once over the bus;
   * Temporal's cancellation would reach it with its next heartbeat, and comes second, for what
   * has not begun. Not both together: the call would end while the command to cancel it is on
   * its way, and Temporal's test server never recovers from that.
   */
  #stopTurn(): Promise<void> {
    return CancellationScope.nonCancellable(async () => {
      const current = this.#turn;
      if (!current) return;
      const over = () => this.#turn !== current;
      if (current.turn.listening) {
        await local.publishInterrupt({ turn: this.#state.turn }).catch(() => undefined);
        await condition(() => over() || !current.turn.listening, HEARD_MS);
      }
      if (!over()) current.scope.cancel();
    });
  }

  /** Tells the Temporal UI and its list whose session this is; once, since each costs an event. */
  #introduce(): void {
    upsertMemo({
      agent: this.#agent,
      ...this.#key,
      ...(this.#input.title === undefined ? {} : { title: this.#input.title.slice(0, 200) }),
    });
    if (!this.#policy?.searchAttributes) return;
    upsertSearchAttributes([
      {
        key: defineSearchAttributeKey(SEARCH_ATTRIBUTES.tenant, 'KEYWORD'),
        value: this.#key.tenant,
      },
      { key: defineSearchAttributeKey(SEARCH_ATTRIBUTES.agent, 'KEYWORD'), value: this.#agent },
    ]);
  }

  #show(): void {
    setCurrentDetails(this.#details.page(this.#state));
  }
}

function refusal(type: FailureType | (string & {}), message: string): ApplicationFailure {
  return ApplicationFailure.create({
    type,
    message,
    nonRetryable: type !== 'Session.ContinuedAsNew',
  });
}
