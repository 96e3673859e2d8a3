/** The command line as a process of its own: what it prints, as it prints it, and how it ends. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { inject, onTestFinished } from 'vitest';
import { compiledModule } from '../../src/stack/compiled.js';

/** How a command ended. */
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Place {
  readonly cwd: string;
  /** All of its environment but PATH and HOME. */
  readonly env: Readonly<Record<string, string>>;
}

/** A `perdura` that runs. */
export class Cli {
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #argv: readonly string[];
  #said = { out: '', err: '' };
  #look: (() => void)[] = [];

  constructor(argv: readonly string[], { cwd, env }: Place) {
    const { PATH, HOME } = process.env;
    this.#argv = argv;
    this.#child = spawn(process.execPath, [compiledModule('src/cli/main.js'), ...argv], {
      cwd,
      env: { PATH, HOME, NO_COLOR: '1', ...env },
    });
    // It may have left before it has read everything.
    this.#child.stdin.on('error', () => undefined);
    for (const [name, stream] of [
      ['out', this.#child.stdout],
      ['err', this.#child.stderr],
    ] as const) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#said[name] += text;
        this.#lookAgain();
      });
    }
    this.ended = new Promise((resolve) => {
      this.#child.once('close', (code) => {
        resolve({ code, ...this.#said });
        this.#lookAgain();
      });
    });
  }

  /** Everything that it has printed to standard output until now. */
  get out(): string {
    return this.#said.out;
  }

  get err(): string {
    return this.#said.err;
  }

  /** A line of input. */
  type(line: string): this {
    this.#child.stdin.write(`${line}\n`);
    return this;
  }

  /** The end of the input, as Ctrl-D. */
  close(): this {
    this.#child.stdin.end();
    return this;
  }

  /** Ctrl-C. */
  interrupt(): this {
    this.#child.kill('SIGINT');
    return this;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Resolves when it has printed this; rejects when it ends without. */
  async until(where: 'out' | 'err', text: string): Promise<void> {
    while (!this.#said[where].includes(text)) {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        const { code, out, err } = await this.ended;
        if (this.#said[where].includes(text)) return;
        throw new Error(
          `perdura ${this.#argv.join(' ')} ended (${code}) without "${text}":\n${out}\n${err}`,
        );
      }
      await new Promise<void>((resolve) => this.#look.push(resolve));
    }
  }

  #lookAgain(): void {
    for (const resolve of this.#look.splice(0)) resolve();
  }
}

/** Runs commands in a folder, beside a harness: with its servers, its tenant and its task queue. */
export function commandsIn(
  cwd: string,
  harness: () => { readonly tenant: string; readonly taskQueue: string },
): (...argv: string[]) => Promise<Ended> {
  return (...argv) => {
    const { tenant, taskQueue } = harness();
    const env = {
      TEMPORAL_ADDRESS: inject('temporalAddress'),
      DATABASE_URL: inject('databaseUrl'),
      PERDURA_TENANT: tenant,
      PERDURA_TASK_QUEUE: taskQueue,
    };
    const cli = new Cli(argv, { cwd, env });
    onTestFinished(() => cli.kill());
    return cli.close().ended;
  };
}
