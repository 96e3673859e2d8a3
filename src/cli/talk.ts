/**
 * One conversation as `run` and `chat` hold it: sends messages, shows everything that happens
 * in the session, also by others, and turns Ctrl-C into an interruption of the turn.
 */
import { randomUUID } from 'node:crypto';
import type { AgentRuntime } from '../client/agent-runtime.js';
import type { IdentifiedMessage } from '../client/outgoing-message.js';
import type { Session } from '../client/session.js';
import type { StreamItem } from '../contracts/events.js';
import { PerduraError } from '../contracts/failures.js';
import { isTurnEnd } from '../contracts/turn-end.js';
import { UsageError, type CommandContext } from './context.js';
import { TurnFollower, type WaitEnd } from './follow.js';
import { patient, unlessAborted } from './patience.js';
import { readWhileWorking } from './while-working.js';
import type { Outlet } from './prompt.js';
import { ConversationView } from './render/conversation.js';
import { failureText, reportOf } from './render/failure.js';

export interface TalkOptions {
  readonly agent?: string | undefined;
  readonly session?: string | undefined;
  readonly reasoning?: boolean | undefined;
  /** What becomes of a message while the agent works. Default: as the agent declares. */
  readonly whileWorking?: string | undefined;
}

/** Pause after a failure of the stream while no answer is awaited, ms. */
const REOPEN_MS = 2_000;

/** A wait for the end of a turn. */
interface Waiting {
  readonly follower: TurnFollower;
  readonly resolve: (end: WaitEnd) => void;
  readonly reject: (error: unknown) => void;
}

export class Talk {
  readonly #context: CommandContext;
  readonly #runtime: AgentRuntime;
  readonly #options: TalkOptions;
  readonly #outlet: Outlet;
  readonly #leaving = new AbortController();
  readonly #over = new AbortController();
  readonly #policy: Pick<IdentifiedMessage, 'whileWorking'>;
  readonly #own = new Set<string>();
  readonly #view: ConversationView;
  readonly #waiting = new Set<Waiting>();
  #session: Session | undefined;
  /** Options of a session that is not started yet. */
  #start: { agent?: string; session?: string } | undefined;
  #stream: AsyncGenerator<StreamItem> | undefined;
  /** Number of the last event that was shown. */
  #after = 0;
  #turnUnderWay = false;
  /** The stream has failed, which has been said. */
  #troubled = false;

  /** @param outlet where everything is written. Default: the terminal. */
  constructor(
    context: CommandContext,
    runtime: AgentRuntime,
    options: TalkOptions,
    outlet?: Outlet,
  ) {
    const { terminal } = context;
    const { stdout, stderr } = terminal.streams;
    this.#context = context;
    this.#runtime = runtime;
    this.#options = options;
    this.#policy = readWhileWorking(options.whileWorking);
    this.#outlet = outlet ?? { asking: false, write: (pieces) => terminal.write(pieces) };
    this.#start = {
      ...(options.agent === undefined ? {} : { agent: options.agent }),
      ...(options.session === undefined ? {} : { session: options.session }),
    };
    this.#view = new ConversationView({
      style: terminal.noteStyle,
      live: terminal.interactive,
      progress: stderr.isTTY === true,
      reasoning: options.reasoning ?? false,
      own: this.#own,
      width: stdout.columns ?? stderr.columns ?? 80,
    });
  }

  /** The session, once there is one. */
  get session(): Session | undefined {
    return this.#session;
  }

  /** Whether the user left for good, with a second Ctrl-C while nothing happened. */
  get left(): boolean {
    return this.#leaving.signal.aborted;
  }

  /** Aborted when the session has ended, by whomever. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /**
   * Takes up the session of the options, where there is one already: from now on, or with
   * what its running turn says. Answers what the catalogue has of it.
   */
  async resume() {
    const { session: name, agent } = this.#options;
    if (name === undefined) return undefined;
    const session = await this.#runtime.find(name);
    const record = await session.record();
    if (!record) return undefined;
    if (record.state === 'terminated') {
      throw new PerduraError('Session.Closed', `Session ${name} has ended.`);
    }
    if (agent !== undefined && agent !== record.agent) {
      throw new UsageError(
        `Session ${name} belongs to the agent "${record.agent}". Leave out --agent, or choose another --session.`,
      );
    }
    this.#session = session;
    this.#after = record.lastEvent;
    this.#start = undefined;
    return { record, session };
  }

  /** From now on shows what happens in the session, where there is one, also between messages. */
  watch(): void {
    if (this.#stream || !this.#session || this.left || this.#over.signal.aborted) return;
    this.#stream = this.#session.events({ after: this.#after, signal: this.#leaving.signal });
    void this.#read(this.#stream);
  }

  /** Sends a message and shows everything up to the end of its turn. */
  async say(text: string): Promise<WaitEnd> {
    const message = { id: randomUUID(), text, ...this.#policy };
    this.#own.add(message.id);
    return this.#interruptible(async () => {
      // Before it is sent: a session that is watched may tell of it before the call returns.
      const { end, forget } = this.#follow(new TurnFollower(message.id));
      try {
        const session = await unlessAborted(
          this.#leaving.signal,
          patient(this.#context, this.#send(message)),
        );
        if (!session) return { outcome: 'left' };
        this.#session = session;
        this.#start = undefined;
        this.watch();
        return await unlessGone(session, end);
      } finally {
        forget();
      }
    });
  }

  /** Shows the running turn up to its end; nothing when no turn runs any more. */
  async listen(): Promise<WaitEnd> {
    return this.#interruptible(async () => {
      const status = await unlessAborted(
        this.#leaving.signal,
        patient(this.#context, this.#session!.status()),
      );
      if (status?.state !== 'running') return { outcome: 'left' };
      const { end, forget } = this.#follow(new TurnFollower());
      this.watch();
      return unlessGone(this.#session!, end).finally(forget);
    });
  }

  /** Interrupts a turn that someone else has started; false when no turn runs. */
  interruptOthers(): boolean {
    if (!this.#turnUnderWay || !this.#session) return false;
    this.#interrupt(this.#session);
    return true;
  }

  /** Nothing is being written now, and the cursor is at the beginning of a line. */
  settle(): void {
    if (!this.#context.terminal.json) this.#outlet.write(this.#view.settle());
  }

  async close(): Promise<void> {
    this.#leaving.abort();
    await this.#stream?.return(undefined);
  }

  async #send(message: IdentifiedMessage): Promise<Session> {
    if (this.#start) return this.#runtime.start({ ...this.#start, message });
    await this.#session!.send(message);
    return this.#session!;
  }

  /** The one reader of the stream: shows each item, then passes it to those who wait. */
  async #read(stream: AsyncGenerator<StreamItem>): Promise<void> {
    try {
      for await (const item of stream) this.#take(item);
      for (const { resolve } of this.#waiting) resolve({ outcome: 'left' });
    } catch (error) {
      // It is opened again behind the last event that was shown, at the latest with a message.
      this.#stream = undefined;
      for (const { reject } of this.#waiting) reject(error);
      if (this.#waiting.size > 0 || this.left) return;
      if (!this.#troubled) this.#tell(error);
      this.#troubled = true;
      setTimeout(() => this.watch(), REOPEN_MS).unref();
    }
  }

  #take(item: StreamItem): void {
    const { terminal } = this.#context;
    this.#troubled = false;
    if ('n' in item) this.#after = item.n;
    terminal.printJson(item);
    // What changes in place has no place above a line that is being typed.
    const unseen = item.type === 'tool.progress' && this.#outlet.asking;
    if (!terminal.json && !unseen) this.#outlet.write(this.#view.show(item));
    if (item.type === 'turn.started') this.#turnUnderWay = true;
    const ended = item.type === 'session.ended';
    if (ended || isTurnEnd(item)) {
      this.#turnUnderWay = false;
      if (!terminal.json) this.#outlet.write(this.#view.end());
    }
    for (const { follower, resolve } of this.#waiting) {
      const end = follower.take(item);
      if (end) resolve(end);
    }
    if (ended) this.#over.abort();
  }

  #follow(follower: TurnFollower): { end: Promise<WaitEnd>; forget: () => void } {
    let forget = () => {};
    const end = new Promise<WaitEnd>((resolve, reject) => {
      const waiting = { follower, resolve, reject };
      this.#waiting.add(waiting);
      forget = () => this.#waiting.delete(waiting);
    });
    // It may be rejected before it is awaited.
    end.catch(() => undefined);
    return { end, forget };
  }

  /** The first Ctrl-C interrupts the turn; one more, while that is awaited, leaves. */
  async #interruptible(turn: () => Promise<WaitEnd>): Promise<WaitEnd> {
    const { interrupts, terminal } = this.#context;
    let asked = false;
    const release = interrupts.take((signal) => {
      const session = this.#session;
      // A terminal that is closed is no wish to stop the agent.
      if (asked || !session || signal !== 'SIGINT') return this.#leaving.abort();
      asked = true;
      this.#interrupt(session);
    });
    try {
      const end = await turn();
      if (end.outcome === 'left' && !terminal.json) this.#outlet.write(this.#view.leave());
      return end;
    } finally {
      release();
    }
  }

  #interrupt(session: Session): void {
    session.interrupt('Ctrl-C').catch((error: unknown) => {
      this.#tell(error);
    });
  }

  /** Shows a failure of something that is not awaited. */
  #tell(error: unknown): void {
    const { terminal } = this.#context;
    const report = reportOf(error);
    if (terminal.json) terminal.failure(report);
    else
      this.#outlet.write([
        { to: 'note', text: terminal.asTyped(failureText(report, terminal.noteStyle)) },
      ]);
  }
}

/** `end`, or the failure of a session whose workflow is gone, so that no end can come. */
async function unlessGone(session: Session, end: Promise<WaitEnd>): Promise<WaitEnd> {
  const stop = new AbortController();
  const gone = new Promise<never>((_, reject) => {
    void session.untilGone(stop.signal).then((failure) => failure && reject(failure));
  });
  try {
    return await Promise.race([end, gone]);
  } finally {
    stop.abort();
  }
}
