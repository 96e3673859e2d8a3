/**
 * The model that answers when there is no API key: a separate process that speaks the
 * provider's protocol on 127.0.0.1, so that everything can be tried without an account.
 */
import { compiledModule } from './compiled.js';
import { supervise } from './process-supervisor.js';

/** Prints one line of JSON, `{"baseUrl": …}`; `--port <n>` chooses its port. */
const MODULE = 'src/testing/offline-model-main.js';

export interface OfflineModel {
  /** For `OPENAI_BASE_URL`. Changes when the process had to move to another port. */
  readonly baseUrl: string;
  readonly pid: number | undefined;
  stop(): Promise<void>;
}

export interface OfflineModelOptions {
  /** Default: the compiled one of this package. */
  readonly module?: string | undefined;
  readonly onLine?: (line: string) => void;
  /** The base URL is another than before. Must not throw. */
  readonly onMoved?: () => void;
}

export async function startOfflineModel(options: OfflineModelOptions): Promise<OfflineModel> {
  let baseUrl = '';
  const child = await supervise({
    name: 'offline model',
    module: options.module ?? compiledModule(MODULE),
    // On a restart: the port that the workers know.
    args: () => (baseUrl === '' ? [] : ['--port', new URL(baseUrl).port]),
    ...(options.onLine && { onLine: options.onLine }),
    graceMs: 2_000,
    readyLine: (line) => {
      const announced = baseUrlIn(line);
      if (announced === undefined) return false;
      const moved = baseUrl !== '' && baseUrl !== announced;
      baseUrl = announced;
      if (moved) options.onMoved?.();
      return true;
    },
  });
  return {
    get baseUrl() {
      return baseUrl;
    },
    get pid() {
      return child.pid;
    },
    stop: () => child.stop(),
  };
}

function baseUrlIn(line: string): string | undefined {
  try {
    const { baseUrl } = JSON.parse(line) as { baseUrl?: unknown };
    return typeof baseUrl === 'string' && URL.canParse(baseUrl) ? baseUrl : undefined;
  } catch {
    return undefined;
  }
}
