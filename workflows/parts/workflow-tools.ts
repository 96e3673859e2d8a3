/**
 * Tools that the workflow itself runs (`run: 'workflow'`): functions in its own code, which may wait
 * for a signal, a timer or a child. They are started when the model calls them.
 */
import { isCancellation } from '@temporalio/workflow';
import type { PlannedCall } from '../../src/contracts/activities.js';
import type { WaitingCall } from '../../src/contracts/session.js';
import { wellFormed } from '../../src/contracts/text.js';
import type { DelegatedCall } from '../session/children.js';
import type { AnswerDesk } from '../session/turn-position.js';
import type { GivenResult } from '../session/open-calls.js';

/** Gives the result of a call: text, or anything that JSON holds. What it throws the model is told. */
export type WorkflowTool = (args: unknown, call: WaitingCall) => unknown;

/** By the name of the tool. */
export type WorkflowTools = Readonly<Record<string, WorkflowTool>>;

export class WorkflowToolDesk implements AnswerDesk {
  opening = false;
  readonly deciding = new Set<string>();
  readonly #tools: WorkflowTools;
  readonly #answers = new Map<string, GivenResult>();
  readonly #started = new Set<string>();

  constructor(tools: WorkflowTools) {
    this.#tools = tools;
  }

  has(key: string): boolean {
    return this.#answers.has(key);
  }

  take(key: string): GivenResult | undefined {
    const answer = this.#answers.get(key);
    this.#answers.delete(key);
    return answer;
  }

  /** Starts what of these calls has not been started. */
  start(calls: readonly WaitingCall[]): void {
    for (const call of calls) {
      if (typeof call.by === 'object' || this.#started.has(call.key)) continue;
      this.#started.add(call.key);
      void this.#answer(call);
    }
  }

  /** Starts what sub-agents answer. `answer` rejects when it is cancelled. */
  delegate(calls: readonly DelegatedCall[], answer: (call: PlannedCall) => Promise<GivenResult>) {
    for (const { key, call } of calls) {
      answer(call).then(
        (result) => this.#answers.set(key, result),
        (error: unknown) => {
          // The turn was stopped, and hears of it by itself.
          if (isCancellation(error)) return;
          const message = error instanceof Error ? error.message : String(error);
          this.#answers.set(key, { error: wellFormed(message) });
        },
      );
    }
  }

  async #answer(call: WaitingCall): Promise<void> {
    const tool = Object.hasOwn(this.#tools, call.name) ? this.#tools[call.name] : undefined;
    try {
      if (!tool) throw new Error(`The workflow has no tool "${call.name}".`);
      const output: unknown = await tool(argumentsOf(call), call);
      const text = typeof output === 'string' ? output : (JSON.stringify(output) ?? 'null');
      this.#answers.set(call.key, { output: wellFormed(text) });
    } catch (error) {
      // The turn was stopped, and hears of it by itself.
      if (isCancellation(error)) return;
      const message = error instanceof Error ? error.message : String(error);
      this.#answers.set(call.key, { error: wellFormed(message) });
    }
  }
}

function argumentsOf({ args, name }: WaitingCall): unknown {
  if (args === undefined) {
    throw new Error(`The arguments of "${name}" are too long for a tool that the workflow runs.`);
  }
  return args === '' ? {} : (JSON.parse(args) as unknown);
}
