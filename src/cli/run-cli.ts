/** Runs a command line and answers its exit code; everything that goes wrong ends here. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CommanderError } from 'commander';
import { readSettings, type Settings } from '../config/environment.js';
import { EXIT, Interrupts, UsageError } from './context.js';
import { createProgram } from './program.js';
import { reportOf } from './render/failure.js';
import { Terminal, type Streams } from './terminal.js';

export interface CliOptions {
  readonly streams: Streams;
  readonly interrupts: Interrupts;
  /** Default: those of the environment. */
  readonly readSettings?: () => Settings;
}

/** `argv` without the program itself. Never rejects. */
export async function runCli(argv: readonly string[], options: CliOptions): Promise<number> {
  const { streams, interrupts } = options;
  let terminal = new Terminal(streams, { json: argv.includes('--json'), noColor: true });
  let code: number = EXIT.ok;
  let debug = false;
  const program = createProgram(packageVersion(), async (json, run) => {
    const settings = (options.readSettings ?? readSettings)();
    debug = settings.logLevel === 'debug';
    const { noColor, command } = settings;
    terminal = new Terminal(streams, { json, noColor, command });
    code = await run({ settings, terminal, interrupts });
  });
  const output = {
    writeOut: (text: string) => streams.stdout.write(text),
    writeErr: (text: string) => {
      if (!terminal.json) streams.stderr.write(text);
    },
  };
  // Inherited only by commands that are made after it: so for each.
  for (const each of [
    program,
    ...program.commands,
    ...program.commands.flatMap((c) => c.commands),
  ]) {
    each.configureOutput(output).exitOverride();
  }
  try {
    await program.parseAsync(argv, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
    if (error instanceof CommanderError || error instanceof UsageError) {
      const message = error.message.replace(/^error: /, '');
      if (terminal.json) terminal.failure({ type: 'Usage', message });
      // The parser has said it already.
      else if (error instanceof UsageError) streams.stderr.write(`error: ${message}\n`);
      return EXIT.usage;
    }
    terminal.failure(reportOf(error));
    if (debug && error instanceof Error) streams.stderr.write(`${error.stack}\n`);
    return EXIT.failed;
  }
}

/** From the package.json above, wherever this file was compiled to. */
function packageVersion(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    if (existsSync(file)) {
      return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
    }
    if (folder === dirname(folder)) return 'unknown';
  }
}
