/**
 * A transcript of a workflow of an application. The messages are in the store; the workflow holds
 * the place where they end, so that turn 200 adds as many bytes to its history as turn 1.
 */
import { uuid4 } from '@temporalio/workflow';
import type { StoredMessage, Usage } from '../../src/contracts/message.js';
import type { Opening } from '../../src/contracts/parts.js';
import type { RunReference } from '../../src/contracts/run-reference.js';
import type { GivenContext } from '../../src/contracts/runtime-context.js';
import { SessionState } from '../session/session-state.js';
import { until } from '../session/waiting.js';
import { readTranscript } from './calls.js';

/** What the next run of the workflow needs to go on with a transcript. */
export interface CarriedTranscript {
  readonly name: string;
  readonly head: number;
  readonly stage: number;
  readonly turn: number;
  readonly usage: Usage;
}

/** Made by `createAgentLoop(…).transcript()`. */
export class Transcript {
  /** Where the store keeps it. */
  readonly run: RunReference;
  /** Place, turn and usage. For the parts of `perdura/workflow` alone. */
  readonly state: SessionState;
  /** Entered in the store: by this run, or by the one that has carried it here. */
  entered: boolean;
  readonly #name: string;
  readonly #context: GivenContext | undefined;
  #busy = false;

  constructor(owner: RunReference, carried?: CarriedTranscript, context?: GivenContext) {
    this.#context = context;
    // Not a number: another run of this workflow, which has carried nothing, must not meet it.
    this.#name = carried?.name ?? uuid4().slice(0, 13);
    this.run = { ...owner, transcript: this.#name };
    this.entered = carried !== undefined;
    const { head, stage, turn, usage } = carried ?? {};
    this.state = new SessionState();
    this.state.resume(head ?? 0, turn ?? 0);
    this.state.stage = stage ?? 0;
    if (usage) this.state.usage = usage;
  }

  /** What a call adds to its input that may be the first with this transcript. */
  get opening(): Opening {
    if (this.entered) return {};
    return { enter: true, ...(this.#context ? { context: this.#context } : {}) };
  }

  /** Turns begun. */
  get turn(): number {
    return this.state.turn;
  }

  /** Of all calls so far. */
  get usage(): Usage {
    return this.state.usage;
  }

  /** For the input of continue-as-new. Throws while a turn is under way. */
  carry(): CarriedTranscript {
    if (this.#busy) throw new Error('A turn of this transcript is under way.');
    const { head, stage, turn, usage } = this.state;
    return { name: this.#name, head, stage, turn, usage };
  }

  /** Its messages, oldest first. They come by value: for a look at a few, not for each turn. */
  async messages(after = 0): Promise<readonly StoredMessage[]> {
    const all: StoredMessage[] = [];
    for (let from: number | undefined = after; from !== undefined && this.entered;) {
      const page: Awaited<ReturnType<typeof readTranscript>> = await readTranscript({
        run: this.run,
        head: this.state.head,
        after: from,
      });
      all.push(...page.messages);
      from = page.next;
    }
    return all;
  }

  /** Runs `work` when whatever else writes this transcript is done: one after another. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      await until(() => !this.#busy);
      // Of several that have waited, one was first.
      if (!this.#busy) break;
    }
    this.#busy = true;
    try {
      return await work();
    } finally {
      this.#busy = false;
    }
  }
}
