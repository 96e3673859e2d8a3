/**
 * The live bus over PostgreSQL's LISTEN and NOTIFY: one connection that listens and publishes
 * for the whole process. A lost connection is made again, and its readers are told
 * to look at the store (`wake`), since they may have missed something.
 */
import pg from 'pg';
import type { LiveDelta, LiveMessage } from '../contracts/events.js';
import { jsonBytes } from '../contracts/message.js';
import type { SessionKey } from '../contracts/ids.js';
import type { Database } from '../store/database.js';
import {
  channelOf,
  type ControlListener,
  type ControlMessage,
  type LiveBus,
  type LiveListener,
} from './bus.js';

/**
 * NOTIFY takes payloads below 8,000 bytes (PostgreSQL manual, NOTIFY); room for the envelope
 * is left. Measured as JSON: a control character has six bytes there.
 */
const MAX_TEXT_BYTES = 6_500;
const CONTROL = 'perdura_control';
/** A channel without readers is kept for so long, ms. */
const LINGER_MS = 5_000;
const RECONNECT_MS = [50, 200, 1_000, 3_000] as const;

export class PostgresLiveBus implements LiveBus {
  readonly #database: Database;
  readonly #listeners = new Map<string, Set<LiveListener>>();
  readonly #controls = new Set<ControlListener>();
  /** Channels that the connection listens on. */
  readonly #standing = new Set<string>();
  #connection: Promise<pg.Client> | undefined;
  #last: Promise<void> = Promise.resolve();
  #closed = false;
  #failures = 0;
  #retry: NodeJS.Timeout | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  publish(key: SessionKey, message: LiveMessage): void {
    const channel = channelOf(key);
    for (const part of split(message)) {
      this.#notify(channel, JSON.stringify(part)).catch(() => undefined);
    }
  }

  async control(key: SessionKey, message: ControlMessage): Promise<void> {
    await this.#notify(CONTROL, JSON.stringify({ key, message }));
  }

  async subscribe(key: SessionKey, listener: LiveListener): Promise<() => void> {
    const channel = channelOf(key);
    const listeners = this.#listeners.get(channel) ?? new Set();
    this.#listeners.set(channel, listeners.add(listener));
    if (!this.#standing.has(channel)) await this.#listen(channel);
    return () => {
      listeners.delete(listener);
      if (listeners.size > 0 || this.#listeners.get(channel) !== listeners) return;
      this.#listeners.delete(channel);
      setTimeout(() => this.#unlisten(channel), LINGER_MS).unref();
    };
  }

  /** Whoever asks, reads and asks again should not pay for two statements each time. */
  #unlisten(channel: string): void {
    if (this.#listeners.has(channel) || !this.#standing.delete(channel)) return;
    this.#inTurn((connection) => connection.query(`unlisten ${channel}`)).catch(() => undefined);
  }

  async onControl(listener: ControlListener): Promise<() => void> {
    this.#controls.add(listener);
    await this.#listen(CONTROL);
    return () => void this.#controls.delete(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#listeners.clear();
    this.#controls.clear();
    await this.#connection?.then((c) => c.end()).catch(() => undefined);
  }

  #notify(channel: string, payload: string): Promise<void> {
    // Between two attempts what is said is lost: not another connection for each word.
    if (this.#retry) return Promise.reject(new Error('The connection to PostgreSQL is lost.'));
    return this.#inTurn((connection) =>
      connection.query({
        name: 'perdura-notify',
        text: 'select pg_notify($1, $2)',
        values: [channel, payload],
      }),
    );
  }

  /** On the one connection, one after another: deltas sent over a pool would overtake each other. */
  #inTurn(use: (connection: pg.Client) => Promise<unknown>): Promise<void> {
    const turn = this.#last.then(async () => {
      this.#connection ??= this.#connect();
      await use(await this.#connection);
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** Channel names are ours (hex behind a prefix), so they need no quoting. */
  async #listen(channel: string): Promise<void> {
    await this.#inTurn((connection) => connection.query(`listen ${channel}`)).catch(
      () => undefined,
    );
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: this.#database.url,
      application_name: 'perdura-live',
      keepAlive: true,
    });
    let gone = false;
    const lost = () => {
      // A connection says twice that it is lost; the second time another may stand already.
      if (gone || this.#closed) return;
      gone = true;
      this.#connection = undefined;
      this.#standing.clear();
      const wait = RECONNECT_MS[Math.min(this.#failures++, RECONNECT_MS.length - 1)]!;
      this.#retry = setTimeout(() => void this.#reconnect(), wait);
      this.#retry.unref();
    };
    client.on('error', lost);
    client.on('end', lost);
    client.on('notification', ({ channel, payload }) => this.#deliver(channel, payload ?? ''));
    try {
      await client.connect();
      this.#failures = 0;
      return client;
    } catch (error) {
      lost();
      throw error;
    }
  }

  async #reconnect(): Promise<void> {
    this.#retry = undefined;
    if (this.#closed) return;
    const channels = [...this.#listeners.keys(), ...(this.#controls.size > 0 ? [CONTROL] : [])];
    for (const channel of channels) await this.#listen(channel);
    for (const listeners of this.#listeners.values()) {
      for (const listener of listeners) listener({ type: 'wake', n: 0 });
    }
  }

  #deliver(channel: string, payload: string): void {
    let parsed: unknown;
    try {
      parsed = JSON.parse(payload);
    } catch {
      return; // Whoever may connect to the database may notify: not ours, not read.
    }
    if (channel === CONTROL) {
      const { key, message } = parsed as { key: SessionKey; message: ControlMessage };
      for (const listener of this.#controls) listener(key, message);
    } else {
      for (const listener of this.#listeners.get(channel) ?? []) listener(parsed as LiveMessage);
    }
  }
}

function split(message: LiveMessage): LiveMessage[] {
  if (message.type !== 'delta' || jsonBytes(message.text) <= MAX_TEXT_BYTES) return [message];
  const parts: LiveDelta[] = [];
  for (let from = 0; from < message.text.length;) {
    let bytes = 0;
    let to = from;
    while (to < message.text.length) {
      // Whole characters, so that no piece begins or ends with half a pair.
      const character = String.fromCodePoint(message.text.codePointAt(to)!);
      bytes += jsonBytes(character) - 2;
      if (bytes > MAX_TEXT_BYTES) break;
      to += character.length;
    }
    parts.push({ ...message, offset: message.offset + from, text: message.text.slice(from, to) });
    from = to;
  }
  return parts;
}
