/** What one attempt at a step costs: before it runs, while it runs, and where nobody reports it. */
import type { LLMClient } from '../src/contracts/llm.js';
import { NO_USAGE, type Usage } from '../src/contracts/message.js';
import type { Attempts } from '../src/store/stores.js';
import type { Context } from './context-builder.js';
import { estimateTokens } from './llm/context-window.js';
import type { Speaker } from './speaker.js';
import type { Step } from './step-writes.js';

/** What a model has said is on record at most this much later, ms. */
const RECORD_MS = 2_000;

export class StepBill {
  readonly #step: Step;
  readonly #client: LLMClient;
  readonly #attempts: Attempts;

  /** `client` is the one that is asked: it knows the prices of its models. */
  constructor(step: Step, client: LLMClient, attempts: Attempts) {
    this.#step = step;
    this.#client = client;
    this.#attempts = attempts;
  }

  /** Of the context alone, or of it and what was `said`. */
  estimate(context: Context, said = ''): Usage {
    const output = said === '' ? 0 : estimateTokens(said);
    const usage = { ...NO_USAGE, input: context.tokens, output, estimated: true };
    return { ...usage, costMicros: this.#client.price(this.#step.agent.model, usage) };
  }

  /**
   * Puts on record what the speaker has said so far, now and then, until what it answers is called:
   * this process may die at any moment.
   */
  keep(context: Context, speaker: Speaker): () => void {
    const { execution, input } = this.#step;
    const { key, run, attempt } = execution;
    const place = { ...key, run, stage: input.stage, step: input.step, attempt };
    let noted = 0;
    const timer = setInterval(() => {
      const { said } = speaker;
      if (said.length === noted) return;
      noted = said.length;
      // The next one may succeed, and so may the end, which has the whole bill.
      this.#attempts.noteSpoken(place, this.estimate(context, said)).catch(() => undefined);
    }, RECORD_MS);
    return () => clearInterval(timer);
  }
}
