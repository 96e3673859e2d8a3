/**
 * One conversation as `run` and `chat` hold it: sends a message, shows what happens until its
 * turn ends, and turns Ctrl-C into an interruption of the turn.
 */
import { randomUUID } from 'node:crypto';
import type { AgentRuntime } from '../client/agent-runtime.js';
import type { Session } from '../client/session.js';
import type { StreamItem } from '../contracts/events.js';
import { PerduraError } from '../contracts/failures.js';
import { workflowIdOf } from '../contracts/ids.js';
import { UsageError, type Context } from './context.js';
import { followTurn, type TurnEnd } from './follow.js';
import { patient, unlessAborted } from './patience.js';
import { ConversationView } from './render/conversation.js';

export interface TalkOptions {
  readonly agent?: string | undefined;
  readonly session?: string | undefined;
  readonly reasoning?: boolean | undefined;
}

export class Talk {
  readonly #context: Context;
  readonly #runtime: AgentRuntime;
  readonly #options: TalkOptions;
  readonly #leaving = new AbortController();
  readonly #own = new Set<string>();
  readonly #view: ConversationView;
  #session: Session | undefined;
  /** A session that may have to be started: none yet, or one whose Temporal has forgotten it. */
  #start: { agent?: string; session?: string } | undefined;
  #stream: AsyncIterator<StreamItem> | undefined;

  constructor(context: Context, runtime: AgentRuntime, options: TalkOptions) {
    const { stdout, stderr } = context.terminal.streams;
    this.#context = context;
    this.#runtime = runtime;
    this.#options = options;
    this.#start = {
      ...(options.agent === undefined ? {} : { agent: options.agent }),
      ...(options.session === undefined ? {} : { session: options.session }),
    };
    this.#view = new ConversationView({
      style: context.terminal.noteStyle,
      live: context.terminal.interactive,
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
        `Session ${name} belongs to the agent "${record.agent}": leave out --agent, or choose another --session.`,
      );
    }
    this.#open(session, record.lastEvent);
    // A server that keeps sessions in memory forgets them; the transcript is still there, and
    // a new workflow of the same id takes it over. One that was started by hand has another id.
    const ours = session.workflowId === workflowIdOf({ tenant: session.tenant, session: name });
    this.#start = ours ? { agent: record.agent, session: name } : undefined;
    return { record, session };
  }

  /** Sends a message and shows everything up to the end of its turn. */
  async say(text: string): Promise<TurnEnd> {
    const message = { id: randomUUID(), text };
    this.#own.add(message.id);
    return this.#interruptible(async () => {
      const session = await unlessAborted(
        this.#leaving.signal,
        patient(this.#context, this.#send(message)),
      );
      if (!session) return { outcome: 'left' };
      this.#start = undefined;
      if (!this.#stream) this.#open(session, 0);
      return this.#follow(message.id);
    });
  }

  /** Shows the turn that is under way, up to its end; nothing where there is none any more. */
  async listen(): Promise<TurnEnd> {
    return this.#interruptible(async () => {
      const status = await unlessAborted(
        this.#leaving.signal,
        patient(this.#context, this.#session!.status()),
      );
      return status?.state === 'running' ? this.#follow(undefined) : { outcome: 'left' };
    });
  }

  async close(): Promise<void> {
    this.#leaving.abort();
    await this.#stream?.return?.();
  }

  async #send(message: { id: string; text: string }): Promise<Session> {
    if (this.#start) return this.#runtime.start({ ...this.#start, message });
    await this.#session!.send(message);
    return this.#session!;
  }

  #open(session: Session, after: number): void {
    this.#session = session;
    this.#stream = session.events({ after, signal: this.#leaving.signal });
  }

  async #follow(messageId: string | undefined): Promise<TurnEnd> {
    const { terminal } = this.#context;
    const end = await followTurn(this.#stream!, messageId, (item) => {
      terminal.printJson(item);
      if (!terminal.json) terminal.write(this.#view.show(item));
    });
    if (!terminal.json) terminal.write(this.#view.end());
    return end;
  }

  /** The first Ctrl-C interrupts the turn; one more, while that is awaited, leaves. */
  async #interruptible(turn: () => Promise<TurnEnd>): Promise<TurnEnd> {
    const { interrupts, terminal } = this.#context;
    let asked = false;
    const release = interrupts.take((signal) => {
      const session = this.#session;
      // A terminal that is closed is no wish to stop the agent.
      if (asked || !session || signal !== 'SIGINT') return this.#leaving.abort();
      asked = true;
      session.interrupt('Ctrl-C').catch((error: unknown) => {
        terminal.note(`It cannot be interrupted: ${String(error)}. Ctrl-C again leaves.`);
      });
    });
    try {
      return await turn();
    } finally {
      release();
    }
  }
}
