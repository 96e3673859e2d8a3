/**
 * Local tools, run within the step that called them: no dispatch, no event in Temporal's
 * history, and an interruption reaches them like it reaches the model. Their results have the
 * same places and keys as those of tools with an activity of their own, so a retry finds
 * them, and what is left undone is run by the workflow.
 *
 * A retry may follow on a worker that one of these tools has killed. So it writes the answer
 * before it runs anything, counts every call, and runs one at a time: then the guilty one is
 * the one that has begun and not ended, and its tries run out.
 */
import type { CallToolInput, CallToolResult } from '../../src/contracts/activities.js';
import type { AssistantMessage } from '../../src/contracts/message.js';
import { PerduraError } from '../../src/contracts/failures.js';
import { headAfterCalls, resultPlace } from '../../src/contracts/places.js';
import type { Tool } from '../../src/contracts/tool.js';
import { ToolCallRun, type CallToolDeps } from './call-tool.js';
import type { StopSignals } from './stop-signals.js';
import type { PreparedResult } from './tool-record.js';
import type { Execution } from '../execution.js';
import type { PolicyDeclaration } from '../../src/contracts/policy.js';
import { toolOfCall } from '../../src/tools/approval-guard.js';
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
  readonly #careful: boolean;
  readonly #sequential: boolean;

  /** `undefined` when a call needs an activity of its own. */
  static for(
    deps: CallToolDeps,
    step: Pick<CallToolInput, 'agent' | 'version' | 'turn' | 'step' | 'stage'>,
    execution: Execution,
    answer: { readonly seq: number; readonly message: AssistantMessage },
    tools: ReadonlyMap<string, Tool>,
    stop: StopSignals,
    policy: PolicyDeclaration | undefined,
  ): InlineTools | undefined {
    const calls = answer.message.toolCalls ?? [];
    const inline = calls.every((call) => {
      const tool = toolOfCall(tools, call);
      if (call.held && call.held.granted === undefined) return false;
      // What can only be answered with its own error needs nothing of anyone.
      if (!tool || !checkArguments(tool, call.arguments).ok) return true;
      return tool.run === 'local';
    });
    if (!inline || calls.length === 0) return undefined;
    const { agent, version, turn, step: number, stage } = step;
    const runs = calls.map((_, index) => {
      const seq = resultPlace(answer.seq, index);
      const place = {
        agent,
        ...(version === undefined ? {} : { version }),
        turn,
        step: number,
        stage,
        head: headAfterCalls(answer.seq, calls.length),
      };
      const input = { ...place, message: answer.seq, index, seq };
      return new ToolCallRun(deps, input, execution, stop, true);
    });
    const order = {
      careful: execution.attempt > 1,
      sequential: policy?.parallelExecution === false,
    };
    return new InlineTools(deps, answer.message, tools, runs, order);
  }

  private constructor(
    deps: CallToolDeps,
    message: AssistantMessage,
    tools: ReadonlyMap<string, Tool>,
    runs: readonly ToolCallRun[],
    { careful, sequential }: { careful: boolean; sequential: boolean },
  ) {
    this.#deps = deps;
    this.#message = message;
    this.#tools = tools;
    this.#runs = runs;
    this.#careful = careful;
    this.#sequential = careful || sequential;
  }

  /**
   * Runs the calls of an answer that is not written yet, where all of them only read. When
   * they take longer the answer is written first, and the promise is handed back.
   */
  async beforeTheAnswer(): Promise<
    { readonly together: readonly PreparedResult[] } | { readonly later: Promise<Settled[]> }
  > {
    if (this.#careful) return { later: Promise.resolve([]) };
    const reads = (this.#message.toolCalls ?? []).every(
      (call) => (toolOfCall(this.#tools, call)?.effect ?? 'read') === 'read',
    );
    if (!reads) return { later: Promise.resolve([]) };
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

  /**
   * Runs and writes what is not written, each result as soon as it is there: what another tool
   * does to this worker then does not touch it. A call that could not run (its server is away),
   * or whose result could not be written, is left. Rejects when a later step has taken over.
   */
  async finish(prepared: readonly Settled[] = []): Promise<(CallToolResult | undefined)[]> {
    const calls = this.#message.toolCalls ?? [];
    const one = async (index: number) => {
      const settled = prepared.length > 0 ? prepared[index] : await this.#prepare(index);
      return this.#write(index, settled);
    };
    return this.#each(calls.length, one);
  }

  #prepareAll(): Promise<Settled[]> {
    return this.#each(this.#runs.length, (index) => this.#prepare(index));
  }

  /** All at once, or one after the other where that is asked for. */
  async #each<T>(count: number, one: (index: number) => Promise<T>): Promise<T[]> {
    const indexes = Array.from({ length: count }, (_, index) => index);
    if (!this.#sequential) return Promise.all(indexes.map(one));
    const results: T[] = [];
    for (const index of indexes) results.push(await one(index));
    return results;
  }

  #prepare(index: number): Promise<Settled> {
    const { toolCalls = [] } = this.#message;
    return this.#runs
      [index]!.prepare(toolCalls[index]!, this.#message, this.#tools)
      .catch((error: unknown) => this.#leave(index, error, 'a local tool is left to a retry'));
  }

  async #write(index: number, settled: Settled): Promise<CallToolResult | undefined> {
    if (!settled || !('row' in settled)) return settled;
    return this.#runs
      [index]!.write(settled)
      .catch((error: unknown) =>
        this.#leave(index, error, 'the result of a local tool could not be written'),
      );
  }

  #leave(index: number, error: unknown, what: string): undefined {
    if (error instanceof PerduraError && error.type === 'Store.Fenced') throw error;
    this.#deps.log.warn({ tool: this.#message.toolCalls?.[index]?.name, error }, what);
    return undefined;
  }
}

/** `undefined`: no result, for a reason that another attempt may not meet. */
type Settled = PreparedResult | CallToolResult | undefined;
