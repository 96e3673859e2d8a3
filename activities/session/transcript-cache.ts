/**
 * What this worker has read of transcripts, so that a step reads only what is new. Bounded by
 * size. An entry is dropped when the database says that something was superseded (another
 * generation), and is never trusted beyond the head that the workflow knows.
 */
import { createHash } from 'node:crypto';
import type { TranscriptMessage } from '../../src/contracts/message.js';
import type { SessionKey } from '../../src/contracts/ids.js';
import { toCached, type CachedMessage } from '../../src/context/entries.js';
import type { Transcripts } from '../../src/store/stores.js';

interface Entry {
  run: string;
  generation: number;
  /** Everything up to here has been read. */
  head: number;
  messages: CachedMessage[];
  /** Written behind a gap: the results of parallel tools come in any order. */
  readonly ahead: Map<number, CachedMessage>;
  size: number;
}

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;

export class TranscriptCache {
  readonly #store: Transcripts;
  readonly #maxBytes: number;
  /** In the order of use, oldest first. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(store: Transcripts, maxBytes = DEFAULT_MAX_BYTES) {
    this.#store = store;
    this.#maxBytes = maxBytes;
  }

  /**
   * The transcript up to `head`, from the first message that a model may see: what a summary covers
   * is not read. What the cache has of another run is not used, nor what it has of a generation
   * before `generation`: the workflow knows that something was rolled back since.
   */
  async load(
    key: SessionKey,
    transcript: string,
    run: string,
    head: number,
    generation = -1,
  ): Promise<readonly CachedMessage[]> {
    const name = nameOf(key, transcript);
    let entry = this.#entries.get(name);
    const stale = entry && (entry.run !== run || entry.head > head);
    if (stale || (entry && entry.generation < generation)) {
      // Beyond the head lies what an unaccepted attempt wrote: read it all again.
      this.#drop(name);
      entry = undefined;
    }
    if (!entry || entry.head < head) {
      const rows = entry
        ? await this.#store.read(key.tenant, transcript, { after: entry.head, to: head })
        : await this.#store.readVisible(key.tenant, transcript, head);
      entry = this.#put(
        name,
        entry ?? { run, generation: -1, head: 0, messages: [], ahead: new Map(), size: 0 },
        rows.map(toCached),
        head,
      );
    } else {
      this.#entries.delete(name);
      this.#entries.set(name, entry);
    }
    return entry.messages;
  }

  /**
   * What the database answered to a write: notes the generation, and says whether the entry
   * was still good. When it was not, it is gone, and the caller loads again.
   */
  confirm(key: SessionKey, transcript: string, run: string, generation: number): boolean {
    const name = nameOf(key, transcript);
    const entry = this.#entries.get(name);
    if (entry?.run !== run) return true;
    if (entry.generation === -1 || entry.generation === generation) {
      entry.generation = generation;
      return true;
    }
    this.#drop(name);
    return false;
  }

  /**
   * Another run has taken the transcript over, and the database answered its first write with this
   * generation. The same as that of the entry: nothing was superseded since, not even behind the head
   * of the new run, so nothing that the entry has was written by an attempt that nobody accepted.
   */
  takeOver(key: SessionKey, transcript: string, run: string, generation: number): void {
    const name = nameOf(key, transcript);
    const entry = this.#entries.get(name);
    if (!entry || entry.run === run) return;
    if (entry.generation === generation) entry.run = run;
    else this.#drop(name);
  }

  /** One message, wherever it can be had. */
  async find(
    key: SessionKey,
    transcript: string,
    run: string,
    seq: number,
  ): Promise<TranscriptMessage | undefined> {
    const entry = this.#entries.get(nameOf(key, transcript));
    const cached = entry?.run === run && entry.messages.findLast((entry) => entry.seq === seq);
    if (cached) return cached.message;
    const [row] = await this.#store.read(key.tenant, transcript, { after: seq - 1, to: seq });
    return row?.message;
  }

  /** Adds what was just written, as far as it joins what the entry has. */
  extend(key: SessionKey, transcript: string, run: string, rows: readonly CachedMessage[]): void {
    const name = nameOf(key, transcript);
    const entry = this.#entries.get(name);
    if (entry?.run !== run) return;
    for (const row of rows) entry.ahead.set(row.seq, row);
    const joined: CachedMessage[] = [];
    for (let next = entry.ahead.get(entry.head + 1); next; next = entry.ahead.get(next.seq + 1)) {
      joined.push(next);
    }
    if (joined.length > 0) this.#put(name, entry, joined, joined.at(-1)!.seq);
  }

  #put(name: string, entry: Entry, rows: readonly CachedMessage[], head: number): Entry {
    this.#bytes -= this.#entries.has(name) ? entry.size : 0;
    // A new array: a step that is being built may still read the old one.
    entry.messages = entry.messages.concat(rows);
    entry.head = head;
    for (const seq of entry.ahead.keys()) if (seq <= head) entry.ahead.delete(seq);
    entry.size += rows.reduce((sum, { message }) => sum + sizeOf(message), 0);
    this.#entries.delete(name);
    this.#entries.set(name, entry);
    this.#bytes += entry.size;
    for (const [oldest] of this.#entries) {
      if (this.#bytes <= this.#maxBytes || oldest === name) break;
      this.#drop(oldest);
    }
    return entry;
  }

  #drop(name: string): void {
    this.#bytes -= this.#entries.get(name)?.size ?? 0;
    this.#entries.delete(name);
  }
}

function sizeOf(message: TranscriptMessage): number {
  const text =
    message.role === 'tool'
      ? message.content.reduce(
          (sum, part) => sum + (part.type === 'text' ? part.text.length : 200),
          0,
        )
      : message.text.length;
  const calls =
    message.role === 'assistant'
      ? (message.toolCalls ?? []).reduce((sum, call) => sum + call.arguments.length, 0) +
        (message.reasoningItems ? JSON.stringify(message.reasoningItems).length : 0)
      : 0;
  // As it is, and in the words of a request.
  return 600 + 4 * (text + calls);
}

function nameOf({ tenant }: SessionKey, transcript: string): string {
  return `${tenant}.${transcript}`;
}

/** The key that a tool call's effect has, over all its attempts: 32 hex characters. */
export function idempotencyKeyOf(key: SessionKey, messageId: string, index: number): string {
  return createHash('sha256')
    .update(`${key.tenant}\0${key.session}\0${messageId}\0${index}`)
    .digest('hex')
    .slice(0, 32);
}
