/**
 * A tool call that belongs to no session: its tries and its result are rows of `tool_runs` alone.
 * For workflows without a transcript, which get the whole result as the answer of an activity.
 */
import { createHash } from 'node:crypto';
import type { AgentLimits } from '../../src/contracts/agent.js';
import type { FailureInfo } from '../../src/contracts/failures.js';
import type { ToolCall } from '../../src/contracts/message.js';
import type { RuntimeSessionContext } from '../../src/contracts/runtime-context.js';
import type { Tool } from '../../src/contracts/tool.js';
import type { Stores, ToolRuns } from '../../src/store/stores.js';
import type { ToolRunTry } from '../../src/store/tool-runs.js';
import type { EarlierTries, ToolLedger, ToolResult, ToolTry } from '../../src/tools/tool-ledger.js';
import type { RaceOptions } from '../../src/tools/tool-race.js';
import type { ToolRunner } from '../../src/tools/tool-runner.js';

export interface RunToolDeps extends Pick<Stores, 'toolRuns' | 'artifacts'> {
  readonly runner: ToolRunner;
}

export interface StandaloneCall extends RaceOptions {
  readonly tenant: string;
  /** What the call belongs to: a workflow, an execution. Artifacts are its own. */
  readonly owner: string;
  /** Names the call among those of its owner: the same for every attempt at it. */
  readonly key: string;
  readonly call: ToolCall;
  /** The agent that the call is made for, and what it may call. */
  readonly agent: string;
  readonly runtime?: RuntimeSessionContext;
  readonly tools: ReadonlyMap<string, Tool>;
  readonly limits: Pick<AgentLimits, 'maxToolOutputBytes' | 'maxArtifactBytes'>;
  /** Of the activity, from 1. */
  readonly attempt: number;
  /** Aborted when nobody waits for the result any more. */
  readonly active: AbortSignal;
}

/**
 * Runs the call as its effect allows, or answers with the result that it has. A tool that fails is
 * a result with a `failure`. Rejects as {@link ToolRunner.run}; another attempt is then made with
 * the same key, without a bound: the tries of the tool are counted here.
 */
export async function runToolStandalone(
  { toolRuns, artifacts, runner }: RunToolDeps,
  request: StandaloneCall,
): Promise<ToolResult> {
  const { tenant, owner, agent, runtime, call, tools, attempt, key, ...rest } = request;
  const tool = tools.get(call.name);
  const session = { tenant, session: owner };
  const counted = tool?.effect !== 'read' || attempt > 1;
  const run = {
    ...rest,
    call,
    tool,
    key: idempotencyKey(tenant, owner, key),
    names: [...tools.keys()],
    counted,
    context: { ...session, agent, turn: 0, step: 0, attempt, ...(runtime ? { runtime } : {}) },
    artifacts: {
      put: (mediaType: string, content: Buffer) => artifacts.put(session, mediaType, content),
    },
  };
  const ledger = new ToolRunLedger(toolRuns, session, attempt);
  if (counted) return runner.run(run, ledger);
  // What has only been read may be read again: nothing to keep.
  const prepared = await runner.prepare(run, ledger);
  return 'done' in prepared ? prepared.done : prepared.result;
}

/** The ledger of calls whose results no transcript has. */
class ToolRunLedger implements ToolLedger<ToolResult> {
  readonly #runs: ToolRuns;
  readonly #owner: { readonly tenant: string; readonly session: string };
  readonly #attempt: number;

  constructor(
    runs: ToolRuns,
    owner: { readonly tenant: string; readonly session: string },
    attempt: number,
  ) {
    this.#runs = runs;
    this.#owner = owner;
    this.#attempt = attempt;
  }

  async begin(run: ToolTry): Promise<{ done: ToolResult } | EarlierTries> {
    const known = await this.#runs.begin(this.#try(run));
    // Written by `finish` of this class alone.
    if (known.result) return { done: known.result as ToolResult };
    const { deaths, failures, failure, outcome } = known;
    return {
      deaths,
      failures,
      ...(failure === null ? {} : { failure }),
      ...(outcome === 'running' ? {} : { ended: true }),
    };
  }

  async endTry(run: ToolTry, failure?: FailureInfo): Promise<void> {
    await this.#runs.endTry(this.#try(run), failure?.type);
  }

  finish(run: ToolTry, result: ToolResult): Promise<ToolResult> {
    const outcome = result.failure ? result.failure.type : 'done';
    return this.#runs.finish(this.#try(run), outcome, result);
  }

  #try(run: ToolTry): ToolRunTry {
    return { ...this.#owner, ...run, turn: 0, step: 0, attempt: this.#attempt };
  }
}

function idempotencyKey(tenant: string, owner: string, key: string): string {
  const hash = createHash('sha256').update(`${tenant}\0${owner}\0call\0${key}`);
  return hash.digest('hex').slice(0, 32);
}
