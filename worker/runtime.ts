/** Temporal's native runtime, of which a process has one: its log and its signal handlers. */
import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';

/**
 * Installs the runtime with our settings, unless the application has installed one: then its
 * own stay. Temporal's signal handlers are off, since they would not close MCP servers.
 */
export function installRuntime(level: 'debug' | 'info' | 'warn' | 'error' = 'warn'): void {
  const debug = level === 'debug';
  try {
    Runtime.install({
      shutdownSignals: [],
      logger: new DefaultLogger(debug ? 'INFO' : level === 'error' ? 'ERROR' : 'WARN'),
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
