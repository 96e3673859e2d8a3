/**
 * Runs a tool call that may have been tried before: looks what earlier tries have left, decides
 * whether there may be another, runs it, bounds what came out. Knows no session and no Temporal;
 * what it does is on record in the ledger that it is handed.
 *
 * What happens after a tool's effect never looks like a failure before it: the result waits for
 * the store, or the try stays on record as one of which nothing was heard.
 */
import { randomUUID } from 'node:crypto';
import type { AgentLimits } from '../contracts/agent.js';
import { isFailureType, isRetryable, PerduraError } from '../contracts/failures.js';
import type { ContentPart, ToolCall } from '../contracts/message.js';
import type { Tool, ToolLogger } from '../contracts/tool.js';
import { checkArguments } from './argument-check.js';
import { boundOutput } from './output-bounds.js';
import { thrownMessage } from './text.js';
import { ToolExecutor, type ToolContextParts } from './tool-executor.js';
import type {
  EarlierTries,
  ToolArtifacts,
  ToolLedger,
  ToolResult,
  ToolTry,
} from './tool-ledger.js';
import { crashed, failedUnderWay, type Outcome, type ToolOutcome } from './tool-outcomes.js';
import type { RaceOptions } from './tool-race.js';
import { waitForStore } from './wait-for-store.js';

export interface ToolRunRequest extends RaceOptions {
  readonly call: ToolCall;
  /** Idempotency key of the call. */
  readonly key: string;
  /** Absent for a call of a tool that does not exist. */
  readonly tool: Tool | undefined;
  /** Names that the model was offered. */
  readonly names: readonly string[];
  /**
   * Whether it is on record that the try begins. A tool that only reads can do without it the
   * first time, which is two round trips less.
   */
  readonly counted: boolean;
  readonly limits: Pick<AgentLimits, 'maxToolOutputBytes' | 'maxArtifactBytes'>;
  readonly context: Omit<ToolContextParts, 'idempotencyKey' | 'log'>;
  readonly artifacts: ToolArtifacts;
  /** Aborted when nobody waits for the result any more: ends the waiting for the store. */
  readonly active: AbortSignal;
}

/** The result of a call that no earlier try has left, not yet in the ledger. */
export interface PreparedRun {
  readonly run: ToolTry;
  readonly result: ToolResult;
}

const NO_TRIES: EarlierTries = { deaths: 0, failures: 0 };

export class ToolRunner {
  readonly #executor = new ToolExecutor();
  readonly #log: ToolLogger;

  constructor(log: ToolLogger) {
    this.#log = log;
  }

  /**
   * The result of the call, in the ledger. Rejects with a `PerduraError` that is to be retried
   * for infrastructure, which the ledger has counted; with what `shutdown` or `active` was
   * aborted with; and with `Store.Fenced`.
   */
  async run<R>(request: ToolRunRequest, ledger: ToolLedger<R>): Promise<R> {
    const prepared = await this.prepare(request, ledger);
    if ('done' in prepared) return prepared.done;
    return this.wait(request.active, () => ledger.finish(prepared.run, prepared.result));
  }

  /** As {@link run}, without entering the result: for whoever writes it together with more. */
  async prepare<R>(
    request: ToolRunRequest,
    ledger: ToolLedger<R>,
  ): Promise<PreparedRun | { readonly done: R }> {
    const { call, key, tool, counted, active } = request;
    const run = { key, name: call.name, effect: tool?.effect ?? 'read', holder: randomUUID() };
    // What can only be answered with its own error does not begin.
    const runnable = tool !== undefined && checkArguments(tool, call.arguments).ok;
    if (!runnable || !counted) return { run, result: await this.#execute(request, ledger, run) };
    const before = await this.wait(active, () => ledger.begin(run));
    if ('done' in before) return before;
    const refused = refusal(tool, before);
    const result = refused
      ? await this.bound(request, { ...refused, ms: 0 })
      : await this.#execute(request, ledger, run, before);
    return { run, result };
  }

  /** Puts what is too long, and what is not text, into artifacts. */
  async bound(
    {
      artifacts,
      limits,
      active,
      call,
    }: Pick<ToolRunRequest, 'artifacts' | 'limits' | 'active' | 'call'>,
    { parts, failure, ms }: ToolOutcome,
  ): Promise<ToolResult> {
    // The tool has run: what cannot be kept must not make it look as if it had failed.
    const put = (mediaType: string, content: Buffer): Promise<string | undefined> =>
      this.wait(active, () => artifacts.put(mediaType, content)).catch((error: unknown) => {
        if (active.aborted) throw error;
        this.#log.error({ tool: call.name, error: thrownMessage(error) }, 'output was not kept');
        return undefined;
      });
    const output = boundOutput(parts, limits.maxToolOutputBytes);
    const artifact = output.needsArtifact
      ? await put('text/plain; charset=utf-8', Buffer.from(output.fullText))
      : undefined;
    const content = await Promise.all(
      output.show(artifact).map(async (part): Promise<ContentPart> => {
        if (part.type !== 'image') return part;
        const { mediaType, data } = part;
        const image = await put(mediaType, Buffer.from(data, 'base64'));
        return image === undefined
          ? { type: 'text', text: `[an image (${mediaType}) that could not be kept]` }
          : { type: 'image', mediaType, artifact: image };
      }),
    );
    return {
      content,
      ...(failure ? { failure } : {}),
      ...(artifact === undefined ? {} : { artifact }),
      bytes: output.bytes,
      ms,
    };
  }

  /** Waits for a store that is away, until `active` is aborted. */
  wait<T>(active: AbortSignal, work: () => Promise<T>, onAway?: () => void): Promise<T> {
    return waitForStore(work, { signal: active, ...(onAway ? { onAway } : {}) });
  }

  async #execute<R>(
    request: ToolRunRequest,
    ledger: ToolLedger<R>,
    run: ToolTry,
    before: EarlierTries = NO_TRIES,
  ): Promise<ToolResult> {
    const { call, key, tool, names, limits, context, signal, shutdown } = request;
    const { progress, runAgent } = request;
    const parts = { ...context, idempotencyKey: key, log: this.#log };
    const outcome = await this.#executor
      .run(call, tool, parts, {
        signal,
        ...(shutdown ? { shutdown } : {}),
        ...(progress ? { progress } : {}),
        ...(runAgent ? { runAgent } : {}),
        names,
        maxOutputBytes: limits.maxArtifactBytes,
        mayHaveRun: mayHaveRun(before),
        attemptsBefore: before.deaths + before.failures,
      })
      .catch((error: unknown) => this.#tryFailed(request, ledger, run, before, error));
    return this.bound(request, outcome);
  }

  /** Counts a try that infrastructure failed, and throws for another; or gives up. */
  async #tryFailed<R>(
    { tool, counted, active }: ToolRunRequest,
    ledger: ToolLedger<R>,
    run: ToolTry,
    { deaths, failures }: EarlierTries,
    error: unknown,
  ): Promise<ToolOutcome> {
    if (!(error instanceof PerduraError) || !isRetryable(error.type)) {
      // Handed over, or dropped. Best effort: without it the try looks cut off, which is safe.
      if (counted) await ledger.endTry(run).catch(() => undefined);
      throw error;
    }
    const { type, message } = error;
    const ofStore = type.startsWith('Store.');
    let away = false;
    await this.wait(
      active,
      // An outage of the store is nobody's failure; where the store answers us, the tool means
      // something else by it.
      () => ledger.endTry(run, ofStore && away ? undefined : { type, message }),
      () => (away = true),
    );
    const used = deaths + failures + 1;
    if (!ofStore || away || !tool || used < tool.retry.maximumAttempts) throw error;
    return { ...failedUnderWay(type, message, tool.effect), ms: 0 };
  }
}

/** Why there may be no other try. */
function refusal(tool: Tool, before: EarlierTries): Outcome | undefined {
  const { deaths, failures, failure } = before;
  // The executor runs it once, and says so.
  if (tool.effect === 'once') return undefined;
  const most = tool.retry.maximumAttempts;
  // The first try of a tool that reads is not on record.
  const mostDeaths = Math.max(1, tool.effect === 'read' ? most - 1 : most);
  if (deaths > 0 && (deaths >= mostDeaths || deaths + failures >= most)) {
    return crashed(tool, deaths);
  }
  if (failures < most) return undefined;
  const type = failure !== undefined && isFailureType(failure) ? failure : 'Tool.Failed';
  return failedUnderWay(type, `"${tool.name}" failed ${failures} times.`, tool.effect);
}

function mayHaveRun({ deaths, ended }: EarlierTries): boolean {
  return deaths > 0 || ended === true;
}
