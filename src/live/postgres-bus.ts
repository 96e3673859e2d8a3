/**
 * The live bus over PostgreSQL's LISTEN and NOTIFY: one connection that listens and publishes
 * for the whole process. A lost connection is made again, and its readers are told to look at the
 * store (`wake`), since they may have missed something. One that is silent is asked for a sign of
 * life, and lost when it gives none.
 */
import type { LiveMessage } from '../contracts/events.js';
import type { SessionKey } from '../contracts/ids.js';
import { StoreClient } from '../store/connection.js';
import type { Database } from '../store/database.js';
import {
  channelOf,
  type ControlListener,
  type ControlMessage,
  type LiveBus,
  type LiveListener,
} from './bus.js';
import { Outbox } from './outbox.js';
import { splitMessage } from './split-message.js';

/** PostgreSQL manual, NOTIFY. */
const MAX_PAYLOAD_BYTES = 7_999;
const CONTROL = 'perdura_control';
/** A channel without readers is kept for so long, ms. */
const LINGER_MS = 5_000;
/** A connection that was silent for so long is asked for a sign of life, ms. */
const PING_MS = 2_000;
/** It has to give one within this time, ms. What it is asked takes no time. */
const SILENCE_MS = 3_000;
const RECONNECT_MS = [50, 200, 1_000, 3_000] as const;

const NOTIFY = {
  name: 'perdura-notify',
  text: 'select pg_notify(channel, payload) from unnest($1::text[], $2::text[]) as m(channel, payload)',
};

export class PostgresLiveBus implements LiveBus {
  readonly #url: string;
  readonly #lingerMs: number;
  readonly #listeners = new Map<string, Set<LiveListener>>();
  readonly #controls = new Set<ControlListener>();
  /** Channels that lost their last listener a moment ago. */
  readonly #lingering = new Map<string, NodeJS.Timeout>();
  /** Channels that the connection listens on. */
  readonly #standing = new Set<string>();
  readonly #outbox = new Outbox();
  #sending: Promise<void> | undefined;
  #connection: Promise<StoreClient> | undefined;
  #last: Promise<void> = Promise.resolve();
  #closed = false;
  #failures = 0;
  #retry: NodeJS.Timeout | undefined;

  constructor({ url }: Pick<Database, 'url'>, options: { readonly lingerMs?: number } = {}) {
    this.#url = url;
    this.#lingerMs = options.lingerMs ?? LINGER_MS;
  }

  publish(key: SessionKey, message: LiveMessage): void {
    const channel = channelOf(key);
    for (const part of splitMessage(message)) {
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
    clearTimeout(this.#lingering.get(channel));
    this.#lingering.delete(channel);
    if (!this.#standing.has(channel)) await this.#listen();
    return () => {
      listeners.delete(listener);
      if (listeners.size > 0 || this.#listeners.get(channel) !== listeners) return;
      this.#listeners.delete(channel);
      this.#linger(channel);
    };
  }

  async onControl(listener: ControlListener): Promise<() => void> {
    this.#controls.add(listener);
    if (!this.#standing.has(CONTROL)) await this.#listen();
    return () => {
      this.#controls.delete(listener);
      if (this.#controls.size === 0) this.#linger(CONTROL);
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    for (const timer of this.#lingering.values()) clearTimeout(timer);
    this.#listeners.clear();
    this.#controls.clear();
    await this.#sending;
    await this.#connection?.then((connection) => connection.end()).catch(() => undefined);
  }

  /** A caller that asks, reads and asks again should not pay for two statements each time. */
  #linger(channel: string): void {
    if (this.#closed) return;
    const timer = setTimeout(() => {
      this.#lingering.delete(channel);
      void this.#listen();
    }, this.#lingerMs);
    this.#lingering.set(channel, timer.unref());
  }

  #notify(channel: string, payload: string): Promise<void> {
    // Between two attempts what is said is lost: not another connection for each word.
    if (this.#retry || this.#closed)
      return Promise.reject(new Error('The live bus is not connected.'));
    // One that PostgreSQL refuses would take those along that are sent with it.
    if (Buffer.byteLength(payload) > MAX_PAYLOAD_BYTES) {
      return Promise.reject(new Error('The message is too long for the live bus.'));
    }
    return new Promise((resolve, reject) => {
      const settle = (error?: Error) => (error ? reject(error) : resolve());
      if (!this.#outbox.put(channel, payload, settle)) settle(new Error('The live bus is full.'));
      else this.#sending ??= this.#send();
    });
  }

  /** All that waits, a statement at a time: deltas sent over a pool would overtake each other. */
  async #send(): Promise<void> {
    while (!this.#outbox.empty) {
      let batch: ReturnType<Outbox['take']> | undefined;
      await this.#inTurn(async (connection) => {
        batch = this.#outbox.take();
        await connection.query({ ...NOTIFY, values: [batch.channels, batch.payloads] });
        batch.settle();
      }).catch((error: Error) => (batch ?? this.#outbox.take()).settle(error));
    }
    this.#sending = undefined;
  }

  /** On the one connection, one after another. */
  #inTurn(use: (connection: StoreClient) => Promise<unknown>): Promise<void> {
    const turn = this.#last.then(async () => {
      if (this.#retry || this.#closed) throw new Error('The live bus is not connected.');
      this.#connection ??= this.#connect();
      await use(await this.#connection);
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /**
   * Makes the connection listen on what is wanted, and on nothing else: for several callers at once
   * with one statement. Never rejects: a connection that is made again does the same.
   */
  async #listen(): Promise<void> {
    await this.#inTurn(async (connection) => {
      const wanted = new Set([...this.#listeners.keys(), ...this.#lingering.keys()]);
      if (this.#controls.size > 0) wanted.add(CONTROL);
      const missing = [...wanted].filter((channel) => !this.#standing.has(channel));
      const needless = [...this.#standing].filter((channel) => !wanted.has(channel));
      if (missing.length + needless.length === 0) return;
      for (const channel of needless) this.#standing.delete(channel);
      // Channel names are ours (hex behind a prefix), so they need no quoting.
      const statements = [
        ...missing.map((channel) => `listen ${channel}`),
        ...needless.map((channel) => `unlisten ${channel}`),
      ];
      await connection.query(statements.join('; '));
      for (const channel of missing) this.#standing.add(channel);
    }).catch(() => undefined);
  }

  async #connect(): Promise<StoreClient> {
    const client = new StoreClient({
      connectionString: this.#url,
      application_name: 'perdura-live',
      silenceMs: SILENCE_MS,
    });
    let gone = false;
    const lost = () => {
      // A connection says twice that it is lost; the second time another may stand already.
      if (gone || this.#closed) return;
      gone = true;
      clearInterval(pulse);
      this.#connection = undefined;
      this.#standing.clear();
      const wait = RECONNECT_MS[Math.min(this.#failures++, RECONNECT_MS.length - 1)]!;
      this.#retry = setTimeout(() => void this.#reconnect(), wait);
      this.#retry.unref();
    };
    const pulse = this.#pulse(client);
    client.on('error', lost);
    client.on('end', () => {
      clearInterval(pulse);
      lost();
    });
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

  /** The client gives the connection up when a statement has no answer. */
  #pulse(client: StoreClient): NodeJS.Timeout {
    let heard = -1;
    return setInterval(() => {
      const silent = client.bytesRead === heard && this.#standing.size > 0;
      heard = client.bytesRead;
      if (silent && !client.busy) client.query('select 1').catch(() => undefined);
    }, PING_MS).unref();
  }

  async #reconnect(): Promise<void> {
    this.#retry = undefined;
    if (this.#closed) return;
    await this.#listen();
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
