/**
 * Runs one tool call. The one place that decides whether what went wrong is told to the model
 * (nearly always) or thrown, so that Temporal makes another attempt. It writes nothing: the
 * activity keeps the outcome.
 */
import { isRetryable, PerduraError } from '../contracts/failures.js';
import type { ToolCall } from '../contracts/message.js';
import type { Tool } from '../contracts/tool.js';
import { checkArguments } from './argument-check.js';
import { nearNames } from '../contracts/near-names.js';
import { wasNotStarted } from './not-started.js';
import { boundOutput } from './output-bounds.js';
import { raceTool, stoppedBy, type RaceOptions, type ToolContextParts } from './tool-race.js';
import { normaliseOutput, outputBytes } from './tool-output.js';
import {
  failed,
  failedUnderWay,
  MAX_FAILURE_MESSAGE,
  outcomeUnknown,
  type Outcome,
  type ToolOutcome,
} from './tool-outcomes.js';
import { clipText, thrownMessage } from './text.js';

export type { ToolContextParts } from './tool-race.js';
export type { ToolOutcome } from './tool-outcomes.js';

export interface RunToolOptions extends RaceOptions {
  /** Names that the model was offered, for a call of one that does not exist. */
  readonly names?: readonly string[];
  /** Most bytes of output, images included; more is a failure. Default 16 MiB. */
  readonly maxOutputBytes?: number;
  /** Tries in all. Default the tool's own. */
  readonly maximumAttempts?: number;
  /** How many of them are used up. Default: one less than the attempt that this is. */
  readonly attemptsBefore?: number;
  /** An earlier attempt may have run a `once` tool. Default: this is not the first attempt. */
  readonly mayHaveRun?: boolean;
}

const DEFAULT_MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
/** Shown of an output that is too large to be kept, bytes. */
const TOO_LARGE_SHOWN = 4_096;

export class ToolExecutor {
  /**
   * Rejects only for infrastructure, with a `PerduraError` that Temporal retries
   * (`Mcp.Unavailable`, `Store.Unavailable`, …) or with the reason of `shutdown`, and only
   * where another attempt may run the tool: not for `once`, not on the last attempt.
   * Everything else is an outcome, with `failure` set when the tool did not do what it was
   * asked. Does not wait for a tool that ignores its signal; its late result is dropped.
   */
  async run(
    call: ToolCall,
    tool: Tool | undefined,
    parts: ToolContextParts,
    options: RunToolOptions,
  ): Promise<ToolOutcome> {
    const started = performance.now();
    const outcome = await runCall(call, tool, parts, options);
    return { ...outcome, ms: Math.round(performance.now() - started) };
  }
}

async function runCall(
  call: ToolCall,
  tool: Tool | undefined,
  parts: ToolContextParts,
  options: RunToolOptions,
): Promise<Outcome> {
  if (!tool) return failed('Tool.Unknown', unknownTool(call.name, options.names ?? []));
  const checked = checkArguments(tool, call.arguments);
  if (!checked.ok) return failed(checked.failure.type, checked.failure.message);
  if (tool.effect === 'once' && (options.mayHaveRun ?? parts.attempt > 1)) {
    return outcomeUnknown(tool.name, 'an earlier attempt was cut off');
  }
  if (options.signal.aborted) {
    return failed('Tool.Interrupted', `The turn was interrupted before "${tool.name}" began.`);
  }
  options.shutdown?.throwIfAborted();
  const raced = await raceTool(tool, checked.args, { ...parts, callId: call.id }, options);
  if ('output' in raced) return finished(tool, raced.output, options);
  return notFinished(tool, raced.error, parts, options);
}

function finished(tool: Tool, output: unknown, options: RunToolOptions): Outcome {
  try {
    const { parts, isError } = normaliseOutput(output);
    const bytes = outputBytes(parts);
    const most = options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES;
    if (bytes > most) {
      const message = `"${tool.name}" ran, but its output of ${bytes} bytes is over the limit of ${most} and was not kept.`;
      const begin = boundOutput(parts, TOO_LARGE_SHOWN).show();
      return {
        parts: [{ type: 'text', text: message }, ...begin.filter(({ type }) => type === 'text')],
        failure: { type: 'Artifact.TooLarge', message },
      };
    }
    if (!isError) return { parts };
    const said = parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n');
    const message = clipText(said || `"${tool.name}" reported an error.`, MAX_FAILURE_MESSAGE);
    return { parts, failure: { type: 'Tool.Failed', message } };
  } catch (error) {
    return failed('Tool.Failed', `"${tool.name}" ran, but: ${thrownMessage(error)}`);
  }
}

/** Throws what Temporal shall retry. */
function notFinished(
  tool: Tool,
  error: unknown,
  parts: ToolContextParts,
  options: RunToolOptions,
): Outcome {
  const stop = stoppedBy(error);
  if (stop === 'deadline' || stop === 'interrupt') {
    const why =
      stop === 'deadline'
        ? `"${tool.name}" did not answer within ${tool.timeoutMs} ms and was stopped.`
        : `The turn was interrupted while "${tool.name}" ran.`;
    const type = stop === 'deadline' ? 'Tool.Timeout' : 'Tool.Interrupted';
    return failedUnderWay(type, why, tool.effect);
  }
  if (stop === 'shutdown') {
    if (tool.effect === 'once') return outcomeUnknown(tool.name, 'the worker was shut down');
    throw options.shutdown?.reason ?? error;
  }
  if (error instanceof PerduraError) {
    const infrastructure = isRetryable(error.type) || error.type === 'Store.Fenced';
    if (infrastructure && tool.effect === 'once' && !wasNotStarted(error)) {
      return outcomeUnknown(tool.name, error.message);
    }
    const before = options.attemptsBefore ?? parts.attempt - 1;
    const last = before + 1 >= (options.maximumAttempts ?? tool.retry.maximumAttempts);
    // Without its store nothing can be told to the model either: agents wait.
    if (infrastructure && (!last || error.type.startsWith('Store.'))) throw error;
    return infrastructure && !wasNotStarted(error)
      ? failedUnderWay(error.type, error.message, tool.effect)
      : failed(error.type, error.message);
  }
  return failed('Tool.Failed', thrownMessage(error));
}

function unknownTool(name: string, names: readonly string[]): string {
  const said = `There is no tool named ${JSON.stringify(clipText(name, 100))}.`;
  const near = nearNames(name, names);
  if (near.length > 0) return `${said} Did you mean ${near.join(' or ')}?`;
  if (names.length === 0) return `${said} There are no tools to call.`;
  const listed = names.slice(0, 20).join(', ');
  return `${said} The tools are: ${listed}${names.length > 20 ? ', …' : ''}.`;
}
