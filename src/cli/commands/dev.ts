/** `perdura dev`: a whole stack until Ctrl-C. */
import { loadConfig } from '../../config/load-config.js';
import { EXIT, UsageError, type CommandContext } from '../context.js';
import { OFFLINE } from '../open-runtime.js';
import { Screen } from '../render/screen.js';
import { clean, oneLine } from '../render/clean.js';
import { devSummary, workerLine } from '../render/dev.js';

export interface DevCommandOptions {
  readonly workers: string;
}

export async function dev(context: CommandContext, options: DevCommandOptions): Promise<number> {
  const { settings, terminal, interrupts } = context;
  if (!/^\d{1,2}$/.test(options.workers)) {
    throw new UsageError(`--workers is "${options.workers}". Use a whole number from 0 to 99.`);
  }
  // First, because a worker that cannot read it would only die again and again.
  const { agents, file } = await loadConfig(settings);
  const { startDevStack } = await import('../../stack/dev.js');

  let stopWanted = () => {};
  const wanted = new Promise<void>((resolve) => (stopWanted = resolve));
  let asked = 0;
  const release = interrupts.take(() => {
    stopWanted();
    // The parts end with this process in any case: see guarded-process.ts.
    if (++asked > 1) process.exit(EXIT.interrupted);
    terminal.note('Stopping. Press Ctrl-C again to stop without waiting for running work.');
  });
  const orphaned = settings.command === 'npx perdura' ? whenOrphaned(stopWanted) : undefined;
  // While it starts, one line that changes; afterwards each message has its own line.
  const screen = new Screen();
  const changing = terminal.streams.stderr.isTTY === true;
  let starting = true;
  const progress = (text: string) => {
    if (starting && changing) screen.change(terminal.noteStyle.dim(oneLine(text, 76)));
    else screen.note(terminal.noteStyle.dim(clean(text)));
    terminal.write(screen.take());
  };
  try {
    const stack = await startDevStack({
      settings,
      workers: Number(options.workers),
      onProgress: (text) => progress(text),
      onLine: (part, line) => {
        if (part.startsWith('worker'))
          terminal.streams.stderr.write(workerLine(part, line, terminal.noteStyle));
      },
    });
    starting = false;
    screen.erase();
    terminal.write(screen.take());
    try {
      // Ctrl-C came while it started: no summary is needed.
      if (asked > 0) return EXIT.ok;
      const { temporal, database, workers, offlineModel } = stack;
      const summary = {
        temporal: temporal.describe,
        address: temporal.address,
        namespace: temporal.namespace,
        ui: temporal.uiUrl,
        cannot: temporal.cannot,
        database: database.describe,
        model: offlineModel ? 'offline' : 'provider',
        workers: workers.map(({ pid }) => pid),
        agents: agents.map(({ name }) => name),
        config: file,
        data: settings.dataDir,
      };
      terminal.printJson({ type: 'ready', ...summary });
      terminal.print(terminal.asTyped(devSummary(summary, terminal.style)));
      if (offlineModel) terminal.note(OFFLINE);
      await wanted;
    } finally {
      await stack.stop();
    }
  } finally {
    clearInterval(orphaned);
    release();
  }
  return EXIT.ok;
}

/** How often it is looked whether the parent is there, ms. */
const LOOK_MS = 1_000;

/** npx does not pass on what ends it: a script or an editor that stops npx means the stack. */
function whenOrphaned(stop: () => void): NodeJS.Timeout {
  const parent = process.ppid;
  return setInterval(() => {
    if (process.ppid !== parent) stop();
  }, LOOK_MS).unref();
}
