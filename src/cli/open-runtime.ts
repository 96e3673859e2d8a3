/**
 * The way from a command to a runtime: a stack that runs here, the one that the environment
 * names, or, where a command allows it, one of its own for as long as it lasts.
 */
import { AgentRuntime, type ConnectOptions } from '../client/agent-runtime.js';
import { PerduraError } from '../contracts/failures.js';
import type { DevStack } from '../stack/dev.js';
import { readRunningStack } from '../stack/dev-lock.js';
import { loadConfig } from '../config/load-config.js';
import { readTemporalProfile } from '../config/temporal-profile.js';
import type { CommandContext } from './context.js';

export interface OpenRuntime {
  readonly runtime: AgentRuntime;
  /** Started for this command alone, and stopped by `close`. */
  readonly ephemeral: boolean;
  close(): Promise<void>;
}

/** For commands that look at what is there. Rejects where nothing runs, saying what to start. */
export async function withRuntime<T>(
  { settings }: CommandContext,
  use: (runtime: AgentRuntime) => Promise<T>,
  options: Pick<ConnectOptions, 'embedder'> = {},
): Promise<T> {
  const told = settings.databaseUrl ?? (await readRunningStack(settings));
  if (told === undefined) throw nothingRuns(settings.dataDir);
  const runtime = await AgentRuntime.connect(options);
  try {
    return await use(runtime);
  } finally {
    await runtime.close();
  }
}

/** For commands that need an answer: where nothing runs, a stack is started for them. */
export async function openRuntime(context: CommandContext): Promise<OpenRuntime> {
  const { settings, terminal } = context;
  const running = await readRunningStack(settings);
  if (running ?? readTemporalProfile(settings)) {
    const runtime = await AgentRuntime.connect();
    // Behind the reason why nothing answers, where there is one.
    if (running?.modelBaseUrl) terminal.note(OFFLINE);
    return opened(runtime);
  }
  if (settings.databaseUrl !== undefined) {
    // Only Temporal is not named: it may be where Temporal's own tools look.
    try {
      return opened(await AgentRuntime.connect());
    } catch (error) {
      if (!(error instanceof PerduraError) || error.type !== 'Temporal.Unavailable') throw error;
    }
  }
  const stack = await startStack(context);
  try {
    const { temporalAddress, namespace, databaseUrl } = stack;
    const runtime = await AgentRuntime.connect({ temporalAddress, namespace, databaseUrl });
    return opened(runtime, stack);
  } catch (error) {
    await stack.stop();
    throw error;
  }
}

/** Printed wherever the scripted model answers, so that it is not mistaken for a real one. */
export const OFFLINE =
  'OPENAI_API_KEY is not set. A scripted offline model answers, not a real one. Set the key for real answers.';

async function startStack({ settings, terminal }: CommandContext): Promise<DevStack> {
  // First, because a worker that cannot read it would only die, and say so in its own words.
  await loadConfig(settings);
  const { startDevStack } = await import('../stack/dev.js');
  const stack = await startDevStack({
    settings,
    onBegin: () =>
      terminal.note(
        'Nothing runs here. Starting a stack for this command alone (`perdura dev` keeps one running).',
      ),
  });
  if (stack.offlineModel) terminal.note(OFFLINE);
  if (stack.temporal.kind === 'java-test-server') {
    terminal.note(
      'Its Temporal keeps workflows in memory: a turn under way ends with this command. Sessions are in PostgreSQL, and go on with their next message.',
    );
  }
  return stack;
}

function opened(runtime: AgentRuntime, stack?: DevStack): OpenRuntime {
  return {
    runtime,
    ephemeral: stack !== undefined,
    async close() {
      await runtime.close().catch(() => undefined);
      await stack?.stop();
    },
  };
}

function nothingRuns(dataDir: string): PerduraError {
  return new PerduraError(
    'Stack.Unavailable',
    `No \`perdura dev\` runs in this folder (${dataDir}), and DATABASE_URL is not set. Start \`perdura dev\` in another terminal, or set TEMPORAL_ADDRESS and DATABASE_URL.`,
    { saysRemedy: true },
  );
}
