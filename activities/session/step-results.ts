/** What the workflow is told of a step: references, and a little for whoever reads the history. Pure. */
import type { CallModelResult, CallToolResult } from '../../src/contracts/activities.js';
import {
  NO_USAGE,
  wellFormed,
  type AssistantMessage,
  type Usage,
} from '../../src/contracts/message.js';
import type { QueuedFor } from '../../src/contracts/pool.js';
import { policyOf } from '../../src/contracts/policy.js';
import { planned, type StepAttempt } from './step-writes.js';

/** Characters of the text that a result carries. */
const PREVIEW_UNITS = 1_000;

/** Of a local tool's result, the history shows this much. */
const DONE_UNITS = 200;

/** Of one step; `repeated` are ids of its messages that the transcript had before. */
export class StepResults {
  readonly #step: StepAttempt;
  readonly #record: { readonly repeated: readonly string[] };

  constructor(step: StepAttempt, record: { readonly repeated: readonly string[] }) {
    this.#step = step;
    this.#record = record;
  }

  /** `usage` is what the step has cost, over all its attempts. */
  answered(message: AssistantMessage, usage: Usage): CallModelResult {
    const { seq } = this.#step;
    const calls = planned(this.#step, message);
    const preview = wellFormed(message.text.slice(0, PREVIEW_UNITS));
    return {
      outcome: message.toolCalls && message.finish !== 'interrupted' ? 'tools' : message.finish,
      head: seq,
      seq,
      ...(preview ? { preview } : {}),
      ...(preview.length === message.text.length ? { whole: true } : {}),
      ...this.#duplicates(),
      ...(message.toolCalls ? { calls } : {}),
      ...(calls.some(({ task }) => task) ? { rules: this.#rules() } : {}),
      usage,
    };
  }

  #rules(): NonNullable<CallModelResult['rules']> {
    const { maxDepth, maxChildren, maxDescendants, allowCycles } = policyOf(this.#step.agent);
    return { maxDepth, maxChildren, maxDescendants, allowCycles };
  }

  /** The context does not fit. */
  overflow(usage: Usage = NO_USAGE): CallModelResult {
    return { outcome: 'compact', ...this.#nothingSaid(), usage };
  }

  /** No model was called: there is no slot. `usage` is of earlier attempts, which had one. */
  queued(queued: QueuedFor, usage: Usage): CallModelResult {
    return { outcome: 'queued', ...this.#nothingSaid(), queued, usage };
  }

  /** No model was called: there was nothing to answer. */
  duplicate(): CallModelResult {
    return { outcome: 'duplicate', ...this.#nothingSaid(), usage: NO_USAGE };
  }

  #nothingSaid() {
    return { ...this.#duplicates(), head: this.#step.seq - 1, seq: 0 };
  }

  #duplicates(): { duplicates?: readonly string[] } {
    const { repeated } = this.#record;
    return repeated.length > 0 ? { duplicates: repeated } : {};
  }
}

/** Marks the calls that have run. */
export function withDone(
  result: CallModelResult,
  done: readonly (CallToolResult | undefined)[],
): CallModelResult {
  if (!result.calls) return result;
  const calls = result.calls.map((call, index) => {
    const preview = done[index]?.preview;
    return preview === undefined
      ? call
      : { ...call, done: wellFormed(preview.slice(0, DONE_UNITS)) };
  });
  return { ...result, calls };
}
