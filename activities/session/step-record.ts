/**
 * What one attempt at a step puts on record, and what it finds there. The order of writes is what
 * makes a step safe to repeat. Before the call: the messages of the turn and a row for the attempt
 * (so that what a killed worker was billed for is known). After it: the answer, once per place; an
 * attempt that finds the place taken by an earlier one of the same step answers with what is there.
 */
import {
  addUsage,
  NO_USAGE,
  type AssistantMessage,
  type Usage,
} from '../../src/contracts/message.js';
import type { QueuedFor } from '../../src/contracts/pool.js';
import { answerKey } from '../../src/contracts/places.js';
import { standsStill } from '../../src/contracts/state.js';
import type {
  Append,
  Appended,
  AttemptFailure,
  NewMessage,
  NewRequest,
} from '../../src/store/append-types.js';
import type { Stores } from '../../src/store/stores.js';
import { toCached, type CachedMessage } from '../../src/context/entries.js';
import { waitForStore } from '../../src/tools/wait-for-store.js';
import type { PreparedResult } from './tool-record.js';
import {
  answering,
  answerRow,
  beginning,
  callingOff,
  failing,
  queueing,
  taking,
  type Beginning,
  type StepAttempt,
  type Unwritten,
} from './step-writes.js';
import type { TranscriptCache } from './transcript-cache.js';

export interface StepRecordDeps extends Pick<Stores, 'transcripts' | 'attempts'> {
  readonly cache: TranscriptCache;
}

/** A write under way. */
export interface Sent<T> {
  /** The statement is with PostgreSQL, which carries it out whatever happens here. */
  readonly sent: Promise<void>;
  readonly written: Promise<T>;
}

export interface Begun {
  /** The context was built of something else than the transcript holds. */
  readonly stale: boolean;
  readonly lastFailure: AttemptFailure | null;
}

/** An answer in its place. */
export interface Answered {
  readonly message: AssistantMessage;
  /** Of all attempts at the step. */
  readonly usage: Usage;
  /** False when another attempt was first: this is what it has written. */
  readonly ours: boolean;
  /** What caches have of the transcript is of before: something was superseded, or pinned. */
  readonly stale?: boolean;
}

/** What is written together with an answer. */
export interface WithAnswer {
  /** Results of tools that are done already. */
  readonly tools?: readonly PreparedResult[];
  /** What its calls ask of people. */
  readonly requests?: readonly NewRequest[];
  /** Begins the step that follows. */
  readonly next?: Beginning;
}

export class StepRecord {
  /** Ids of messages that the transcript had before. */
  repeated: readonly string[] = [];
  /** What earlier attempts at the step have cost. */
  earlier: Usage = NO_USAGE;
  /** The session stood still (paused, ended) when this was last written. */
  halted = false;
  readonly #deps: StepRecordDeps;
  readonly #step: StepAttempt;
  /** By place. */
  readonly #entries = new Map<number, CachedMessage>();

  constructor(deps: StepRecordDeps, step: StepAttempt) {
    this.#deps = deps;
    this.#step = step;
  }

  /** Whether every message of the turn was in the transcript before. */
  get nothingNew(): boolean {
    const { inbox, input } = this.#step;
    // A turn that has begun goes on, whatever joins it.
    if (input.joins) return false;
    return inbox.length > 0 && inbox.every(({ id }) => this.repeated.includes(id));
  }

  /** The transcript up to this step, with the new messages of the turn. */
  async read(): Promise<readonly CachedMessage[]> {
    const { execution, input } = this.#step;
    const { key, transcript, run } = execution;
    const { head, messages } = this.#step.unwritten ?? { head: input.head, messages: [] };
    const past = await this.#deps.cache.load(key, transcript, run, head, input.generation);
    const now = messages.length > 0 ? messages : this.#entriesOf(this.#fresh());
    return now.length > 0 ? past.concat(now) : past;
  }

  /** Writes the messages of the turn, for an attempt that looks before it begins. */
  async take(): Promise<void> {
    await this.#take();
  }

  /** Writes them, and that the step waits in line. */
  async queue(queued: QueuedFor): Promise<void> {
    const appended = await this.#append(queueing(this.#step, queued));
    this.repeated = appended.duplicates;
    this.#confirm(appended);
  }

  /** The same as `take`, and the answer that an earlier attempt has left. */
  async takeAndFind(): Promise<Answered | undefined> {
    const { seq, input } = this.#step;
    const { existing } = await this.#take({ seq, key: answerKey(input) });
    const done = existing.find((row) => row.seq === seq);
    return done?.body.role === 'assistant' ? this.#others(done.body) : undefined;
  }

  /** The first write: the messages of the turn unless they are taken, and the attempt. */
  begin(estimate: Usage, taken: boolean): Sent<Begun> {
    return sending((onSent) => this.#begin(estimate, taken, onSent));
  }

  /** What the model has said so far. Lost when the store is away: the end has the whole bill. */
  spent(usage: Usage): void {
    const { execution, input } = this.#step;
    const { key, run, attempt } = execution;
    const { stage, step } = input;
    const place = { ...key, run, stage, step, kind: 'model', attempt } as const;
    this.#deps.attempts.noteSpoken(place, usage).catch(() => undefined);
  }

  /** The answer, with what is written together with it. `usage` is what it cost by itself. */
  answer(message: AssistantMessage, usage: Usage, together: WithAnswer = {}): Sent<Answered> {
    return sending((onSent) => this.#answer(message, usage, together, onSent));
  }

  async #answer(
    message: AssistantMessage,
    usage: Usage,
    { tools = [], requests = [], next }: WithAnswer,
    onSent: () => void,
  ): Promise<Answered> {
    const total = addUsage(this.earlier, usage);
    const { row, ...append } = answering(
      this.#step,
      message,
      { usage, total },
      tools,
      requests,
      next,
    );
    const appended = await waitForStore(() => this.#append(append, onSent), this.#step.execution);
    const { existing, state } = appended;
    this.halted ||= standsStill(state);
    const there = existing.find(({ body }) => body.role === 'assistant')?.body;
    // Ours where the answer to the first try of this write was lost.
    if (there?.role === 'assistant' && there.id !== message.id) return this.#others(there);
    const stale = next !== undefined && !this.#confirm(appended);
    this.#keep([...this.#fresh(), row, ...tools.map((tool) => tool.row)]);
    return { message, usage: total, ours: true, stale };
  }

  /** What the next step sees behind the transcript as it was before this one, of writes to come. */
  unwritten(message: AssistantMessage, usage: Usage, tools: readonly PreparedResult[]): Unwritten {
    const row = answerRow(this.#step, message, usage);
    const rows = [...this.#fresh(), row, ...tools.map((tool) => tool.row)];
    return { head: this.#step.input.head, messages: this.#entriesOf(rows) };
  }

  /** The attempt has begun and must not be; `usage` is what it has cost all the same. */
  async callOff(usage: Usage): Promise<void> {
    await waitForStore(() => this.#append(callingOff(this.#step, usage)), this.#step.execution);
  }

  /** The messages of the turn that the transcript did not have before. */
  #fresh(): readonly NewMessage[] {
    const { messages = [] } = taking(this.#step);
    return messages.filter(({ messageId }) => !this.repeated.includes(messageId!));
  }

  /** A failed attempt. Answers with how many the model has failed by now. */
  async failed(failure: AttemptFailure, usage: Usage): Promise<number> {
    return (await this.#append(failing(this.#step, failure, usage))).failures;
  }

  /** The answer of another attempt; what this one cost is on record, and counts beside it. */
  async #others(message: AssistantMessage): Promise<Answered> {
    const { execution, input } = this.#step;
    const { key, run } = execution;
    const spending = await this.#deps.attempts.spendingOfStage({
      ...key,
      run,
      stage: input.stage,
    });
    return { message, usage: spending.get(input.step)?.usage ?? NO_USAGE, ours: false };
  }

  async #take(probe?: Append['probe']): Promise<Appended> {
    const appended = await this.#append({ ...taking(this.#step), ...(probe ? { probe } : {}) });
    this.repeated = appended.duplicates;
    this.#confirm(appended);
    return appended;
  }

  async #begin(estimate: Usage, taken: boolean, onSent: () => void): Promise<Begun> {
    const appended = await this.#append(beginning(this.#step, estimate, taken), onSent);
    if (!taken) this.repeated = appended.duplicates;
    const good = this.#confirm(appended);
    const stale = !taken && (!good || appended.duplicates.length > 0);
    return { stale, lastFailure: appended.lastFailure };
  }

  /** Whether the context that was built of the cache still holds. */
  #confirm({ generation }: Appended): boolean {
    const { key, transcript, run } = this.#step.execution;
    return this.#deps.cache.confirm(key, transcript, run, generation);
  }

  #keep(rows: readonly NewMessage[]): void {
    const { key, transcript, run } = this.#step.execution;
    this.#deps.cache.extend(key, transcript, run, this.#entriesOf(rows));
  }

  /** The same object for the same row: what is computed of a transcript knows its beginning by them. */
  #entriesOf(rows: readonly NewMessage[]): CachedMessage[] {
    const at = new Date().toISOString();
    return rows.map(({ body, ...place }) => {
      const known = this.#entries.get(place.seq);
      if (known && (known.message === body || body.role === 'user')) return known;
      const entry = toCached({ ...place, message: body, at });
      this.#entries.set(place.seq, entry);
      return entry;
    });
  }

  #append(append: Append, onSent?: () => void): Promise<Appended> {
    const { execution, input } = this.#step;
    return this.#deps.transcripts.append(execution.writer(input), append, onSent);
  }
}

function sending<T>(write: (onSent: () => void) => Promise<T>): Sent<T> {
  let onSent: () => void = () => undefined;
  const sent = new Promise<void>((resolve) => (onSent = resolve));
  const written = write(onSent);
  written.catch(onSent);
  return { sent, written };
}
