/** The live bus within one process: for a worker embedded beside its only readers, and for tests. */
import type { LiveMessage } from '../contracts/events.js';
import type { SessionKey } from '../contracts/ids.js';
import {
  channelOf,
  type ControlListener,
  type ControlMessage,
  type LiveBus,
  type LiveListener,
} from './bus.js';

export class InProcessLiveBus implements LiveBus {
  readonly #listeners = new Map<string, Set<LiveListener>>();
  readonly #controls = new Set<ControlListener>();

  publish(key: SessionKey, message: LiveMessage): void {
    for (const listener of this.#listeners.get(channelOf(key)) ?? []) listener(message);
  }

  control(key: SessionKey, message: ControlMessage): Promise<void> {
    for (const listener of this.#controls) listener(key, message);
    return Promise.resolve();
  }

  subscribe(key: SessionKey, listener: LiveListener): Promise<() => void> {
    const channel = channelOf(key);
    const listeners = this.#listeners.get(channel) ?? new Set();
    this.#listeners.set(channel, listeners.add(listener));
    return Promise.resolve(() => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(channel);
    });
  }

  onControl(listener: ControlListener): Promise<() => void> {
    this.#controls.add(listener);
    return Promise.resolve(() => void this.#controls.delete(listener));
  }

  appended(key: SessionKey, lastEvent: number): void {
    this.publish(key, { type: 'wake', n: lastEvent });
  }

  close(): Promise<void> {
    this.#listeners.clear();
    this.#controls.clear();
    return Promise.resolve();
  }
}
