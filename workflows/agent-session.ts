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
  upsertMemo,
  upsertSearchAttributes,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow';
import { defineSearchAttributeKey } from '@temporalio/common';
import { SEARCH_ATTRIBUTES, type SessionPolicy } from '../src/contracts/activities.js';
import { DEFAULT_MAX_MESSAGE_BYTES, parseInbound, utf8Bytes } from '../src/contracts/message.js';
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
 * Events of one run after which a turn is continued in the next run, between two steps. A run
 * stays below 4,096 events, at which Temporal itself suggests to continue as new.
 */
const FULL_HISTORY = 3_600;
/** Temporal allows 2,000 updates and 10,000 signals a run. */
const MANY_UPDATES = 1_000;
const MANY_SIGNALS = 5_000;

/** How a turn ended, for those who asked. */
type Ending = { readonly answer?: Answer; readonly whole?: boolean; readonly failure?: FailureInfo };

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
    return await CancellationScope.nonCancellable(() => session.close('The workflow was cancelled.'));
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

  constructor(input: SessionInput) {
    this.#input = input;
    this.#agent = input.agent ?? 'assistant';
    this.#state = new SessionState(input.carried);
    this.#details = new Details(this.#key, this.#agent);
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
    if (!carried) this.#takeFirstMessages();
    this.#policy = await local.openSession({
      agent: this.#agent,
      ...(this.#input.title === undefined ? {} : { title: this.#input.title.slice(0, 200) }),
      ...(carried ? {} : { fresh: true }),
      head: this.#state.head,
      stage: this.#state.stage,
      turn: this.#state.turn,
    });
    const { resume } = this.#policy;
    if (resume) this.#state.resume(resume.head, resume.turn);
    if (!carried) this.#introduce();
    this.#show();
    while (!this.#ending) {
      await this.#idle();
      if (this.#ending) break;
      if (this.#full()) {
        await this.#continue();
      } else if (this.#state.machine.state !== 'paused' || this.#state.open) {
        await this.#runTurn();
      }
    }
    return this.close(this.#ending.reason);
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
        stage: state.stage,
        turn: state.turn,
        head: state.head,
        ...(reason === undefined ? {} : { reason }),
        ...(inbox.length > 0 ? { inbox } : {}),
      });
      state.head = head;
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

  /** Blocks until there is something to do. No timer, unless a wake-up was asked for. */
  async #idle(): Promise<void> {
    const state = this.#state;
    const ready = () =>
      this.#ending !== undefined ||
      this.#full() ||
      ((state.queued > 0 || state.open !== undefined) && state.machine.state !== 'paused');
    if (state.wakeAt === undefined) {
      await condition(() => ready() || state.wakeAt !== undefined);
      return;
    }
    const { wakeAt } = state;
    const woken = await condition(
      () => ready() || state.wakeAt !== wakeAt,
      Math.max(1, wakeAt - Date.now()),
    );
    if (woken) return;
    state.wakeAt = undefined;
    state.accept({ id: uuid4(), from: 'timer', text: 'The wake-up time that was asked for has come.' });
  }

  async #runTurn(): Promise<void> {
    const state = this.#state;
    const policy = this.#policy!;
    // A turn that continue-as-new carried over goes on; it has taken its messages.
    const carriedOn = state.open !== undefined;
    if (!carriedOn) state.begin(Date.now());
    const inbox = carriedOn ? undefined : state.take(policy.unread);
    const turn = new Turn(
      {
        state,
        policy,
        agent: this.#agent,
        unpaused: () => until(() => state.machine.state !== 'paused'),
        historyFull: () => workflowInfo().historyLength > FULL_HISTORY,
        onStep: (result) => {
          this.#details.step(state.turn, state.open?.step ?? 0, result);
          this.#show();
        },
      },
      inbox,
    );
    const scope = new CancellationScope();
    this.#turn = { turn, scope };
    this.#interruption = this.#ending;
    this.#show();
    try {
      const outcome = await scope.run(() => turn.run());
      if (outcome.kind === 'carry') return await this.#continue();
      this.#end(
        outcome.kind === 'done' && {
          answer: {
            turn: state.turn,
            text: outcome.last.preview ?? '',
            finish: outcome.last.outcome,
            usage: state.open!.usage,
          },
          whole: outcome.last.whole === true,
        },
      );
      if (outcome.kind === 'done' && outcome.last.outcome === 'interrupted') {
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
      this.#turn = undefined;
      this.#interruption = undefined;
      this.#show();
    }
  }

  /** Closes a turn that was interrupted or failed. */
  async #endTurnEarly(turn: Turn, failure?: FailureInfo): Promise<void> {
    const state = this.#state;
    const reason = this.#interruption?.reason;
    const { head } = await local.endTurn({
      ...turn.place(),
      outcome: failure ? 'failed' : 'interrupted',
      ...(failure ? { failure } : {}),
      ...(reason === undefined ? {} : { reason }),
      usage: state.open!.usage,
      ...(turn.inbox && turn.inbox.length > 0 ? { inbox: turn.inbox } : {}),
      ...(turn.openCalls ? { open: turn.openCalls } : {}),
    });
    state.head = head;
    this.#end({
      failure: failure ?? {
        type: 'Turn.Interrupted',
        message: `Turn ${state.turn} was interrupted${reason ? `: ${reason}` : ''}.`,
      },
    });
    state.finish(failure);
  }

  #end(ending: Ending | false): void {
    if (ending && this.#asking > 0) this.#awaited.set(this.#state.turn, ending);
  }

  /** Whether the run should end at the next boundary of a turn. */
  #full(): boolean {
    const info = workflowInfo();
    return (
      info.continueAsNewSuggested ||
      info.historyLength > (this.#policy?.historyLimit ?? FULL_HISTORY) ||
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
    await until(allHandlersFinished);
    if (this.#ending) return;
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
    const most = this.#policy?.limits.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES;
    const bytes = utf8Bytes(parsed.text);
    if (bytes > most) {
      throw refusal(
        'Message.TooLarge',
        `The message has ${bytes} bytes; this agent takes up to ${most}.`,
      );
    }
    return parsed;
  }

  #accept(input: unknown): SendReceipt {
    const { text, id = uuid4(), from } = this.#check(input);
    return this.#state.accept({ id, text, ...(from === undefined ? {} : { from }) });
  }

  #send(input: unknown): SendReceipt {
    this.#updates += 1;
    return this.#accept(input);
  }

  async #ask(input: unknown): Promise<Answer> {
    this.#updates += 1;
    const { id } = this.#accept(input);
    this.#asking += 1;
    try {
      const turn = () => this.#state.turnOf(id) ?? 0;
      const over = () => turn() > 0 && (turn() < this.#state.turn || !this.#state.open);
      await until(() => over() || this.#cutAsks || this.#closed);
      if (!over()) {
        throw this.#closed
          ? refusal('Session.Closed', 'The session ended before the turn of this message.')
          : refusal('Session.ContinuedAsNew', 'The session goes on in a new run of its workflow.');
      }
      const ending = this.#awaited.get(turn());
      if (ending?.failure) throw refusal(ending.failure.type, ending.failure.message);
      if (ending?.answer && ending.whole) return ending.answer;
      return await local.readAnswer({ turn: turn() });
    } finally {
      this.#asking -= 1;
      if (this.#asking === 0) this.#awaited.clear();
    }
  }

  #signal(input: unknown): void {
    this.#signals += 1;
    try {
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
    const current = this.#turn;
    const { turn } = this.#state;
    if (!current) return { interrupted: false, turn };
    this.#interruption ??= reason === undefined ? {} : { reason };
    current.scope.cancel();
    // The worker that speaks hears of the cancellation with its next heartbeat; this is faster.
    await local.publishInterrupt({ turn }).catch(() => undefined);
    await until(() => this.#turn !== current);
    return { interrupted: true, turn };
  }

  async #pause(move: 'pause' | 'resume'): Promise<void> {
    this.#signals += 1;
    const { machine } = this.#state;
    if (!machine.can(move)) return;
    machine.apply(move);
    this.#show();
    await local.recordState({
      key: uuid4(),
      state: machine.state,
      stage: this.#state.stage,
      turn: this.#state.turn,
      head: this.#state.head,
    });
  }

  async #terminate(reason: unknown): Promise<void> {
    this.#signals += 1;
    if (this.#ending) return;
    this.#ending = typeof reason === 'string' && reason !== '' ? { reason } : {};
    const current = this.#turn;
    if (!current) return;
    this.#interruption ??= this.#ending;
    current.scope.cancel();
    await local.publishInterrupt({ turn: this.#state.turn }).catch(() => undefined);
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
      { key: defineSearchAttributeKey(SEARCH_ATTRIBUTES.tenant, 'KEYWORD'), value: this.#key.tenant },
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
