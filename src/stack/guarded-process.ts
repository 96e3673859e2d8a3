/**
 * Runs a third-party program (PostgreSQL, Java, the Temporal CLI) so that it never
 * outlives us, not even when we are killed with -9: a small shell between us and it holds
 * our pipe, and ends the program when that pipe breaks. The program has a session of its
 * own, so that Ctrl+C in a terminal reaches only us and we can stop things in order.
 *
 * Processes of our own are run by process-supervisor.ts.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { foreignEnvironment } from '../config/environment.js';

/** What to run. */
export interface GuardedCommand {
  readonly command: string;
  readonly args: readonly string[];
  /**
   * What asks the program to end well. A shell starts its background programs with INT
   * ignored, so INT is only for one that sets a handler regardless, as PostgreSQL does.
   */
  readonly stopSignal: 'INT' | 'TERM';
  readonly cwd?: string;
  /** Another account to run as; needs root. */
  readonly account?: { readonly uid: number; readonly gid: number } | undefined;
  /** Gets each piece of its output (stdout and stderr). Must not throw. */
  readonly onOutput?: ((text: string) => void) | undefined;
}

/** A program that runs. */
export interface GuardedProcess {
  /** Leader of the process group of the program. */
  readonly pid: number;
  /** Why it ended (`exit code 1`, `SIGKILL`, or that it could not be started). Never rejects. */
  readonly ended: Promise<string>;
  readonly hasEnded: () => boolean;
  /** The end of what it printed, for error messages: at most 4,000 characters. */
  readonly lastOutput: () => string;
  /** Asks it to end and, after `graceMs` (default 10,000), kills it. Resolves when it is gone. */
  stop(graceMs?: number): Promise<void>;
  /** SIGKILL at once, as a power cut would. */
  kill(): void;
}

// What the programs write (histories, databases) must not be readable by others: umask 077.
// $1 is the signal, the rest the command. The inner loop reads until our end of the pipe is
// closed. `wait` returns early when the trap runs, hence the outer loop.
const GUARD = `
umask 077
signal=$1; shift
exec 3<&0 </dev/null
"$@" 3<&- &
child=$!
trap 'kill -s "$signal" "$child" 2>/dev/null' TERM INT HUP
(
  trap '' TERM INT HUP
  while read -r line <&3; do :; done
  kill -s "$signal" "$child" 2>/dev/null || exit 0
  for second in 1 2 3 4 5 6 7 8 9 10; do
    sleep 1
    kill -0 "$child" 2>/dev/null || exit 0
  done
  kill -s KILL "$child" 2>/dev/null
) >/dev/null 2>&1 &
watcher=$!
exec 3<&-
while :; do
  wait "$child"
  code=$?
  kill -0 "$child" 2>/dev/null || break
done
kill -s KILL "$watcher" 2>/dev/null
exit "$code"
`;

export function runGuarded(options: GuardedCommand): GuardedProcess {
  const windows = process.platform === 'win32';
  const words = windows
    ? [...options.args]
    : ['-c', GUARD, 'perdura-guard', options.stopSignal, options.command, ...options.args];
  const child = spawn(windows ? options.command : '/bin/sh', words, {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: !windows,
    env: foreignEnvironment(),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...options.account,
  });

  let tail = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      tail = (tail + text).slice(-4_000);
      options.onOutput?.(text);
    });
  }
  // A broken pipe only says what `ended` says as well.
  child.stdin.on('error', () => undefined);

  let over = false;
  const ended = new Promise<string>((resolve) => {
    const end = (reason: string) => {
      over = true;
      resolve(reason);
    };
    child.once('error', (error) => end(`could not be started: ${error.message}`));
    child.once('exit', (code, signal) => {
      // A guard that was killed had no chance to end the program.
      if (signal !== null) killGroup(child);
      end(signal ?? `exit code ${code}`);
    });
  });

  return {
    pid: child.pid ?? -1,
    ended,
    hasEnded: () => over,
    lastOutput: () => tail.trim(),
    stop: async (graceMs = 10_000) => {
      if (over) return;
      child.kill(windows ? 'SIGTERM' : `SIG${options.stopSignal}`);
      const timer = setTimeout(() => killGroup(child), graceMs);
      await ended;
      clearTimeout(timer);
    },
    kill: () => {
      if (!over) killGroup(child);
    },
  };
}

function killGroup(child: ChildProcess): void {
  try {
    if (child.pid === undefined) return;
    if (process.platform === 'win32') child.kill('SIGKILL');
    else process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Gone in the meantime.
  }
}
