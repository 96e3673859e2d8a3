/**
 * `<dataDir>/dev.json`: which `perdura dev` runs in this folder, and where its parts listen.
 * It holds the password of the database, hence mode 0600. A reader checks that the
 * process still runs: a crash leaves the file behind.
 */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LocalTemporalKind, Settings } from '../config/environment.js';
import { PerduraError } from '../contracts/failures.js';
import { withLock } from './lock-file.js';
import { identify, isRunning } from './process-identity.js';
import type { ProcessIdentity } from './process-identity.js';

/** Where the parts of a running stack are. */
export interface RunningStack {
  /** `external`, or the kind that was started. */
  readonly temporalKind: 'external' | LocalTemporalKind;
  readonly temporalAddress: string;
  readonly namespace: string;
  /** With the password: never print it. */
  readonly databaseUrl: string;
  /** Set when the offline model answers in place of a provider. */
  readonly modelBaseUrl?: string;
  readonly uiUrl?: string;
}

interface DevFile {
  readonly process: ProcessIdentity;
  readonly startedAt: string;
  /** Missing while the stack is still starting. */
  readonly stack?: RunningStack;
}

/** Held by the one `perdura dev` of a folder. */
export interface DevLock {
  /** Tells other commands where everything is. */
  publish(stack: RunningStack): Promise<void>;
  release(): Promise<void>;
}

/** Throws `Stack.Unavailable`, saying where it runs, when another process has the folder. */
export async function takeDevLock(dataDir: string): Promise<DevLock> {
  const self = identify();
  if (!self) throw new Error('This process cannot be found in the list of processes.');
  await mkdir(dataDir, { recursive: true, mode: 0o711 });
  const path = fileOf(dataDir);
  const startedAt = new Date().toISOString();
  const write = async (stack?: RunningStack) => {
    const content: DevFile = { process: self, startedAt, ...(stack && { stack }) };
    await writeFile(`${path}.new`, JSON.stringify(content, null, 2), { mode: 0o600 });
    await rename(`${path}.new`, path);
  };
  await withLock(`${path}.lock`, async () => {
    const other = await read(dataDir);
    if (other) throw alreadyRunning(dataDir, other);
    await write();
  });
  return {
    publish: write,
    release: () => rm(path, { force: true }),
  };
}

/**
 * The stack that `perdura dev` runs in this folder, from whichever process. Undefined when
 * none runs, or it is not ready yet.
 */
export async function readRunningStack(
  settings: Pick<Settings, 'dataDir'>,
): Promise<RunningStack | undefined> {
  return (await read(settings.dataDir))?.stack;
}

async function read(dataDir: string): Promise<DevFile | undefined> {
  try {
    const file = JSON.parse(await readFile(fileOf(dataDir), 'utf8')) as DevFile;
    return isRunning(file.process) ? file : undefined;
  } catch {
    return undefined;
  }
}

function fileOf(dataDir: string): string {
  return join(dataDir, 'dev.json');
}

function alreadyRunning(dataDir: string, { process: holder, startedAt, stack }: DevFile) {
  const where = stack
    ? `Temporal at ${stack.temporalAddress}${stack.uiUrl ? `, its UI at ${stack.uiUrl}` : ''}`
    : 'it is still starting';
  return new PerduraError(
    'Stack.Unavailable',
    `\`perdura dev\` already runs in ${dataDir} (process ${holder.pid}, since ${startedAt}): ` +
      `${where}. Use it, for example with \`perdura chat\`; or end it with Ctrl+C in its ` +
      `terminal or \`kill ${holder.pid}\`; or set PERDURA_DATA_DIR to start a second one.`,
    { saysRemedy: true },
  );
}
