/** The parameters of every command, and the errors that only a command line has. */
import type { Settings } from '../config/environment.js';
import type { Terminal } from './terminal.js';

export interface CommandContext {
  readonly settings: Settings;
  readonly terminal: Terminal;
  readonly interrupts: Interrupts;
}

/** What ends a command from outside. */
export type EndSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

/** Handlers of Ctrl-C (SIGINT) and similar signals. The newest handler gets the signal. */
export class Interrupts {
  readonly #takers: ((signal: EndSignal) => void)[] = [];

  /** Calls `taker` at each signal until the returned function is called. */
  take(taker: (signal: EndSignal) => void): () => void {
    this.#takers.push(taker);
    return () => {
      const index = this.#takers.lastIndexOf(taker);
      if (index >= 0) this.#takers.splice(index, 1);
    };
  }

  /** False when there is no handler. */
  fire(signal: EndSignal): boolean {
    const taker = this.#takers.at(-1);
    taker?.(signal);
    return taker !== undefined;
  }
}

/** The command line itself is wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Exit codes; 130 is what shells report for Ctrl-C (128 + SIGINT). */
export const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;
