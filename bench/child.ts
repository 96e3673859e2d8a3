/**
 * Processes that the bench starts: the model server and the workers. They end with us, since
 * each ends when the channel to us is closed.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { WorkerUsage } from './worker-commands.js';

export class BenchProcess {
  readonly #child: ChildProcess;
  readonly port: number | undefined;

  private constructor(child: ChildProcess, port: number | undefined) {
    this.#child = child;
    this.port = port;
  }

  /**
   * @param file relative to this folder
   * @param profileDir where V8 writes the CPU profiles of its threads when it ends
   */
  static async start(
    file: string,
    env: Record<string, string> = {},
    profileDir?: string,
  ): Promise<BenchProcess> {
    const profile = profileDir ? ['--cpu-prof', `--cpu-prof-dir=${profileDir}`] : [];
    const child = fork(fileURLToPath(new URL(file, import.meta.url)), [], {
      execArgv: ['--import', 'tsx', ...profile],
      env: { ...process.env, ...env },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`${file} ended before it was ready (${String(code)}).`);
    });
    const ready = once(child, 'message') as Promise<[{ type: 'ready'; port?: number }]>;
    const [message] = await Promise.race([ready, ended]);
    ended.catch(() => undefined);
    return new BenchProcess(child, message.port);
  }

  /** @param collect collect garbage first, for `heapKB` and `rssKB` */
  async usage(collect = false): Promise<WorkerUsage> {
    const answer = once(this.#child, 'message') as Promise<[{ usage: WorkerUsage }]>;
    this.#child.send({ ask: collect ? 'memory' : 'usage' });
    return (await answer)[0].usage;
  }

  /** SIGKILL. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.send({ ask: 'stop' });
    const timer = setTimeout(() => this.kill(), 15_000);
    await gone;
    clearTimeout(timer);
  }
}
