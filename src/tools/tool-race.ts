/**
 * A tool against its deadline, the interrupt and the worker's shutdown. Whoever is first has
 * decided: a tool that ignores its signal runs on, unheard.
 */
import { PerduraError } from '../contracts/failures.js';
import type { AgentAnswer, RunAgentOptions, Tool, ToolContext } from '../contracts/tool.js';
import { wellFormed } from '../contracts/message.js';
import { clipText } from './text.js';

/** What the caller knows of the place of the call; the rest of the context is made here. */
export type ToolContextParts = Omit<ToolContext, 'callId' | 'signal' | 'progress' | 'runAgent'>;

export interface RaceOptions {
  /** Aborted when the turn is interrupted. */
  readonly signal: AbortSignal;
  /** Aborted when the worker shuts down: another worker takes over what may run again. */
  readonly shutdown?: AbortSignal;
  /** Runs an agent for the tool. `signal` is the tool's. Absent: there is none to be had. */
  readonly runAgent?: (options: RunAgentOptions, signal: AbortSignal) => Promise<AgentAnswer>;
  /** Gets the tool's progress, bounded to 1 KB. Must not throw. */
  readonly progress?: (message: string, fraction?: number) => void;
}

export type Stop = 'deadline' | 'interrupt' | 'shutdown';

/** Node's timers fire at once when told to wait longer, ms. */
const LONGEST_TIMER = 2 ** 31 - 1;
const MAX_PROGRESS = 1_024;

class Stopped extends Error {
  readonly by: Stop;
  constructor(by: Stop) {
    super(`the call was stopped by the ${by}`);
    this.name = 'AbortError';
    this.by = by;
  }
}

/** What stopped the call, when `error` says that something did. */
export function stoppedBy(error: unknown): Stop | undefined {
  return error instanceof Stopped ? error.by : undefined;
}

/** Never rejects. */
export async function raceTool(
  tool: Tool,
  args: unknown,
  parts: ToolContextParts & { readonly callId: string },
  options: RaceOptions,
): Promise<{ readonly output: unknown } | { readonly error: unknown }> {
  const control = new AbortController();
  let ended = false;
  // Registered before the tool sees the signal, so that its own AbortError comes second.
  const stopped = new Promise<{ error: unknown }>((resolve) => {
    control.signal.addEventListener('abort', () => resolve({ error: control.signal.reason }), {
      once: true,
    });
  });
  const stop = (by: Stop) => () => control.abort(new Stopped(by));
  const interrupt = stop('interrupt');
  const shutdown = stop('shutdown');
  const timer = setTimeout(stop('deadline'), Math.min(tool.timeoutMs, LONGEST_TIMER));
  options.signal.addEventListener('abort', interrupt, { once: true });
  options.shutdown?.addEventListener('abort', shutdown, { once: true });
  try {
    const context: ToolContext = {
      ...parts,
      signal: control.signal,
      runAgent: async (request) => {
        if (options.runAgent) return options.runAgent(request, control.signal);
        throw new PerduraError(
          'Request.Invalid',
          'This tool does not run where agents can be run.',
        );
      },
      progress(message, fraction) {
        // Late progress would be shown below a result that says something else.
        if (control.signal.aborted || ended) return;
        const said = clipText(wellFormed(String(message)), MAX_PROGRESS);
        const known = typeof fraction === 'number' && Number.isFinite(fraction);
        options.progress?.(said, known ? Math.min(Math.max(fraction, 0), 1) : undefined);
      },
    };
    return await Promise.race([execute(tool, args, context), stopped]);
  } finally {
    ended = true;
    clearTimeout(timer);
    options.signal.removeEventListener('abort', interrupt);
    options.shutdown?.removeEventListener('abort', shutdown);
  }
}

/** Never rejects: when it has lost the race, nobody listens. */
async function execute(
  tool: Tool,
  args: unknown,
  context: ToolContext,
): Promise<{ output: unknown } | { error: unknown }> {
  try {
    return { output: await tool.execute(args as never, context) };
  } catch (error) {
    return { error };
  }
}
