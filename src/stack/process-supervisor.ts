/**
 * Runs one of our Node processes (a worker, the offline model) apart from this one, and starts
 * it again when it dies. The child has an IPC channel; it says that it is ready with
 * `process.send({ type: 'ready' })` and calls `exitWithParent`, so that it never
 * outlives us. Third-party programs are run by guarded-process.ts.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { childEnvironment } from '../config/environment.js';
import { PerduraError } from '../contracts/failures.js';

/** Pauses before a restart, in milliseconds: they double from the first to the last. */
const BACKOFF_MS = { first: 100, last: 5_000 };
const STABLE_AFTER_MS = 10_000;

export interface SupervisedOptions {
  /** For people: prefix of its lines, subject of errors. */
  readonly name: string;
  /** A child that ran this long starts again without a growing pause, ms. Default 10,000. */
  readonly stableAfterMs?: number;
  /** The compiled JavaScript to run. */
  readonly module: string;
  /** Asked for at each start. */
  readonly args?: () => readonly string[];
  /** On top of this process's environment (undefined removes); asked for at each start. */
  readonly environment?: () => Readonly<Record<string, string | undefined>>;
  /** Gets each line of its output. Must not throw. */
  readonly onLine?: (line: string) => void;
  /** A line of stdout that means ready, for a child that does not send the message. */
  readonly readyLine?: (line: string) => boolean;
  /** Default 60,000. */
  readonly readyTimeoutMs?: number;
  /** From SIGTERM to SIGKILL. Default 15,000. */
  readonly graceMs?: number;
}

export interface SupervisedProcess {
  readonly name: string;
  /** Of the child that runs; undefined between two. */
  readonly pid: number | undefined;
  /** How often it was started again. */
  readonly restarts: number;
  /** Whether the child that runs has said that it is ready. */
  readonly isReady: boolean;
  /** Signals the child that runs, which is then started again: to try out a crash. */
  kill(signal?: NodeJS.Signals): void;
  /** SIGTERM, after the grace time SIGKILL. Resolves when it is gone; it is not started again. */
  stop(): Promise<void>;
}

/**
 * Starts the child and resolves when it is ready for the first time. A child that ends or
 * says nothing before that throws `Stack.Unavailable` with the last lines that it printed.
 */
export async function supervise(options: SupervisedOptions): Promise<SupervisedProcess> {
  const supervisor = new Supervisor(options);
  await supervisor.firstReady;
  return supervisor;
}

class Supervisor implements SupervisedProcess {
  readonly name: string;
  readonly firstReady: Promise<void>;
  restarts = 0;
  isReady = false;
  #child: ChildProcess | undefined;
  #gone: Promise<void> = Promise.resolve();
  #restart: NodeJS.Timeout | undefined;
  #pauseMs = BACKOFF_MS.first;
  #stopping = false;
  #tail: string[] = [];

  constructor(private readonly options: SupervisedOptions) {
    this.name = options.name;
    this.firstReady = new Promise((resolve, reject) => this.#start(resolve, reject));
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.#child?.kill(signal);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restart);
    const child = this.#child;
    if (!child) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), this.options.graceMs ?? 15_000);
    await this.#gone;
    clearTimeout(timer);
  }

  /** `resolve` and `reject` are those of the first start; later starts only try again. */
  #start(resolve?: () => void, reject?: (error: Error) => void): void {
    const { options } = this;
    const startedAt = Date.now();
    const child = fork(options.module, options.args?.() ?? [], {
      env: childEnvironment(options.environment?.()),
      execArgv: [],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // A session of its own: Ctrl+C reaches only us, and we stop things in order.
      detached: process.platform !== 'win32',
    });
    this.#child = child;
    this.isReady = false;

    const timer = setTimeout(() => {
      if (reject) this.#stopping = true;
      reject?.(this.#failed(`was not ready after ${(options.readyTimeoutMs ?? 60_000) / 1000} s`));
      child.kill('SIGKILL');
    }, options.readyTimeoutMs ?? 60_000);
    const ready = () => {
      if (this.isReady || child !== this.#child) return;
      clearTimeout(timer);
      this.isReady = true;
      if (this.restarts > 0) options.onLine?.(`runs again, as process ${child.pid}`);
      resolve?.();
    };
    child.on('message', (message) => {
      if ((message as { type?: unknown } | null)?.type === 'ready') ready();
    });
    this.#read(child, ready);

    this.#gone = new Promise((gone) => {
      const end = (reason: string) => {
        if (child !== this.#child) return;
        clearTimeout(timer);
        this.#child = undefined;
        const wasReady = this.isReady;
        this.isReady = false;
        if (!this.#stopping) {
          options.onLine?.(`ended (${reason})`);
          if (reject && !wasReady) {
            this.#stopping = true;
            // The last lines may still be in the pipe.
            setTimeout(() => reject(this.#failed(`ended before it was ready (${reason})`)), 50);
          } else this.#startAgain(Date.now() - startedAt);
        }
        gone();
      };
      child.once('error', (error) => end(error.message));
      child.once('exit', (code, signal) => end(signal ?? `exit code ${code}`));
    });
  }

  #startAgain(ranMs: number): void {
    if (ranMs >= (this.options.stableAfterMs ?? STABLE_AFTER_MS)) this.#pauseMs = BACKOFF_MS.first;
    this.#restart = setTimeout(() => {
      this.restarts += 1;
      this.#start();
    }, this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, BACKOFF_MS.last);
  }

  #read(child: ChildProcess, ready: () => void): void {
    for (const stream of [child.stdout, child.stderr]) {
      if (!stream) continue;
      createInterface({ input: stream, crlfDelay: Infinity }).on('line', (line) => {
        this.#tail = [...this.#tail.slice(-19), line];
        this.options.onLine?.(line);
        if (stream === child.stdout && this.options.readyLine?.(line)) ready();
      });
    }
  }

  #failed(what: string): PerduraError {
    const said = this.#tail.join('\n') || 'It printed nothing.';
    return new PerduraError(
      'Stack.Unavailable',
      `The ${this.name} (${this.options.module}) ${what}:\n${said}`,
    );
  }
}
