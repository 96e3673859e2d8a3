#!/usr/bin/env node
/** The command `perdura`: the process around the command line. Nothing else belongs here. */
import { EXIT, Interrupts, type EndSignal } from './context.js';
import { runCli } from './run-cli.js';

const interrupts = new Interrupts();
const SIGNALS: Record<EndSignal, number> = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 };
for (const signal of Object.keys(SIGNALS) as EndSignal[]) {
  process.on(signal, () => {
    if (!interrupts.fire(signal)) process.exit(128 + SIGNALS[signal]);
  });
}
// `perdura sessions | head -1`: the reader has enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.failed);
});
process.stderr.on('error', () => undefined);

const { stdin, stdout, stderr } = process;
const code = await runCli(process.argv.slice(2), {
  streams: { stdin, stdout, stderr },
  interrupts,
});
// What was written must be out before the process ends, also into a pipe.
stdout.write('', () => stderr.write('', () => process.exit(code)));
