/**
 * The live bus: what is being said, now, to whoever listens. Messages may be lost and nothing
 * depends on them; the store has the truth.
 */
import { createHash } from 'node:crypto';
import type { LiveMessage } from '../contracts/events.js';
import type { SessionKey } from '../contracts/ids.js';

/** Asked of whoever speaks in a session: say again what you said, stop, or make no further step. */
export type ControlMessage = Extract<LiveMessage, { type: 'sync' | 'interrupt' | 'steer' }>;

export type LiveListener = (message: LiveMessage) => void;
export type ControlListener = (key: SessionKey, message: ControlMessage) => void;

export interface LiveBus {
  /** Never rejects and never waits: a message that cannot be sent is lost. */
  publish(key: SessionKey, message: LiveMessage): void;
  /** Reaches every worker, since nobody knows which one speaks. */
  control(key: SessionKey, message: ControlMessage): Promise<void>;
  /** Resolves when the subscription stands. The result ends it. */
  subscribe(key: SessionKey, listener: LiveListener): Promise<() => void>;
  onControl(listener: ControlListener): Promise<() => void>;
  /**
   * New events are in the store. Only for a bus beside PostgreSQL: the store itself notifies
   * over PostgreSQL, in the commit of the events.
   */
  appended?(key: SessionKey, lastEvent: number): void;
  close(): Promise<void>;
}

/** PostgreSQL channel of a session: `perdura_` and a hash, because a name has at most 63 bytes. */
export function channelOf({ tenant, session }: SessionKey): string {
  return `perdura_${createHash('sha256').update(`${tenant}.${session}`).digest('hex').slice(0, 32)}`;
}
