/** Temporal's native runtime, of which a process has one: its log and its signal handlers. */
import {
  DefaultLogger,
  makeTelemetryFilterString,
  Runtime,
  type LogEntry,
} from '@temporalio/worker';
import { createLogger } from '../src/config/logger.js';
import { isFailureType } from '../src/contracts/failures.js';
import type { ToolLogger } from '../src/contracts/tool.js';

/**
 * Installs the runtime with our settings, unless the application has installed one: then its
 * own stay. Temporal's signal handlers are off, since they would not close MCP servers.
 */
export function installRuntime(level: 'debug' | 'info' | 'warn' | 'error' = 'warn'): void {
  const debug = level === 'debug';
  const log = createLogger(level);
  try {
    Runtime.install({
      shutdownSignals: [],
      logger: new DefaultLogger(
        debug ? 'INFO' : level === 'error' ? 'ERROR' : 'WARN',
        (entry: LogEntry) => write(log, entry),
      ),
      telemetryOptions: {
        // The core warns of what a test server lacks; whoever wants to know asks for it.
        logging: {
          filter: makeTelemetryFilterString({ core: debug ? 'INFO' : 'ERROR', other: 'ERROR' }),
        },
      },
    });
  } catch (error) {
    if (!(error instanceof Error) || !/already/i.test(error.message)) throw error;
  }
}

/** Of no use to a reader: the same for all of a worker, or a number that stands for another. */
const NOISE = ['activityId', 'isLocal', 'namespace', 'sdkComponent', 'taskQueue', 'taskToken'];

/** A line of the SDK in the form of ours, so that a log has one. */
function write(log: ToolLogger, { level, message, meta = {} }: LogEntry): void {
  const { error, ...rest } = meta as Record<string, unknown>;
  const facts = Object.fromEntries(Object.entries(rest).filter(([name]) => !NOISE.includes(name)));
  const told = { ...facts, ...(error === undefined ? {} : { error: errorText(error) }) };
  if (level === 'ERROR') log.error(told, message);
  else if (level === 'WARN') log.warn(told, message);
  else log.info(told, message);
}

/** A failure that was meant (`docs/errors` has a page for it) needs no stack. */
function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { type, message, stack = message } = error as Error & { type?: unknown };
  if (typeof type === 'string' && isFailureType(type)) return `${type}: ${message}`;
  // What a workflow throws comes from its thread as a copy, without its type.
  return stack.startsWith('ApplicationFailure: ') ? message : stack;
}
