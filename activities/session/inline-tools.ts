/**
 * Local tools, run within the step that called them: no dispatch, no event in Temporal's
 * history, and an interruption reaches them like it reaches the model. Their results have the
 * same places and keys as those of tools with an activity of their own, so a retry finds
 * them, and what is left undone is run by the workflow.
 */
import type { CallToolInput, CallToolResult } from '../../src/contracts/activities.js';
import type { AssistantMessage } from '../../src/contracts/message.js';
import type { Tool } from '../../src/contracts/tool.js';
import {
  ToolCallRun,
  type CallToolDeps,
  type PreparedResult,
  type StopSignals,
} from './call-tool.js';
import type { Execution } from '../execution.js';
import { checkArguments } from '../../src/tools/argument-check.js';

/**
 * Tools that only read and are done within so many ms are written together with the answer
 * that called them: one commit instead of two. Longer the answer does not wait for its
 * commit, because until then a crash would lose it.
 */
const TOGETHER_MS = 5;

export class InlineTools {
  readonly #deps: CallToolDeps;
  readonly #message: AssistantMessage;
  readonly #tools: ReadonlyMap<string, Tool>;
  readonly #runs: readonly ToolCallRun[];

  /** `undefined` when a call needs an activity of its own. */
  static for(
    deps: CallToolDeps,
    step: Pick<CallToolInput, 'agent' | 'turn' | 'step' | 'stage'>,
    execution: Execution,
    answer: { readonly seq: number; readonly message: AssistantMessage },
    tools: ReadonlyMap<string, Tool>,
    stop: StopSignals,
  ): InlineTools | undefined {
    const calls = answer.message.toolCalls ?? [];
    const inline = calls.every((call) => {
      const tool = tools.get(call.name);
      // What can only be answered with its own error needs nothing of anyone.
      if (!tool || !checkArguments(tool, call.arguments).ok) return true;
      return tool.run === 'local' && !tool.highRisk;
    });
    if (!inline || calls.length === 0) return undefined;
    const { agent, turn, step: number, stage } = step;
    const runs = calls.map((_, index) => {
      const seq = answer.seq + 1 + index;
      const place = { agent, turn, step: number, stage, head: answer.seq + calls.length };
      return new ToolCallRun(deps, { ...place, message: answer.seq, index, seq }, execution, stop);
    });
    return new InlineTools(deps, answer.message, tools, runs);
  }

  private constructor(
    deps: CallToolDeps,
    message: AssistantMessage,
    tools: ReadonlyMap<string, Tool>,
    runs: readonly ToolCallRun[],
  ) {
    this.#deps = deps;
    this.#message = message;
    this.#tools = tools;
    this.#runs = runs;
  }

  /**
   * Runs the calls of an answer that is not written yet, where all of them only read. When
   * they take longer the answer is written first, and the promise is handed back.
   */
  async beforeTheAnswer(): Promise<
    { readonly together: readonly PreparedResult[] } | { readonly later: Promise<Settled[]> }
  > {
    const reads = (this.#message.toolCalls ?? []).every(
      ({ name }) => (this.#tools.get(name)?.effect ?? 'read') === 'read',
    );
    if (!reads) return { later: Promise.resolve().then(() => []) };
    const all = this.#prepareAll();
    let timer: NodeJS.Timeout | undefined;
    const first = await Promise.race([
      all,
      new Promise<undefined>((resolve) => {
        timer = setTimeout(() => resolve(undefined), TOGETHER_MS);
      }),
    ]);
    clearTimeout(timer);
    const together = first?.flatMap((each) => (each && 'row' in each ? [each] : []));
    return together?.length === this.#runs.length ? { together } : { later: all };
  }

  /** Whether one of the calls has seen, when it was written, that the session stands still. */
  get halted(): boolean {
    return this.#runs.some((run) => run.halted);
  }

  /** Runs and writes what is not written. One that could not run (its server is away) is left. */
  async finish(prepared?: readonly Settled[]): Promise<(CallToolResult | undefined)[]> {
    const settled = prepared?.length ? prepared : await this.#prepareAll();
    return Promise.all(
      settled.map(async (each, index) =>
        each && 'row' in each ? this.#runs[index]!.write(each) : each,
      ),
    );
  }

  #prepareAll(): Promise<Settled[]> {
    const calls = this.#message.toolCalls ?? [];
    return Promise.all(
      calls.map((call, index) =>
        this.#runs[index]!.prepare(call, this.#message.id, this.#tools).catch((error: unknown) => {
          this.#deps.log.warn({ tool: call.name, error }, 'a local tool is left to a retry');
          return undefined;
        }),
      ),
    );
  }
}

/** `undefined`: not run, for a reason that another attempt may not meet. */
type Settled = PreparedResult | CallToolResult | undefined;
