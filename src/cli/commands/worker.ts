/** `perdura worker` and `perdura migrate`: for operators, over the standard environment. */
import { PerduraError } from '../../contracts/failures.js';
import { settingsFor } from '../../stack/dev-environment.js';
import { readRunningStack } from '../../stack/dev-lock.js';
import type { Settings } from '../../config/environment.js';
import { EXIT, type CommandContext } from '../context.js';
import { plural } from '../render/units.js';

/** Runs until SIGTERM or Ctrl-C; joins the `perdura dev` of this folder where nothing is named. */
export async function worker(context: CommandContext): Promise<number> {
  const { terminal, interrupts } = context;
  const settings = await whereThingsAre(context.settings);
  // It has signal handlers of its own, which let running work end; a second one does not wait.
  let asked = 0;
  const release = interrupts.take(() => {
    if (++asked > 1) process.exit(EXIT.interrupted);
    terminal.note('Stopping. Press Ctrl-C again to stop without waiting for running work.');
  });
  try {
    const { runWorker } = await import('../../../worker/main.js');
    const ready = () => {
      terminal.printJson({ type: 'ready', pid: process.pid, taskQueue: settings.taskQueue });
      terminal.print(
        `Worker ${process.pid} serves task queue ${settings.taskQueue}. Ctrl-C stops it.\n`,
      );
    };
    await runWorker(settings, { ready });
  } finally {
    release();
  }
  return EXIT.ok;
}

/** Brings the database to the schema of this version. */
export async function migrate(context: CommandContext): Promise<number> {
  const { terminal } = context;
  const { databaseUrl } = await whereThingsAre(context.settings);
  if (databaseUrl === undefined) {
    throw new PerduraError(
      'Config.Invalid',
      'DATABASE_URL is not set. Set it to postgres://user:password@host:port/database. (`perdura dev` migrates its own database.)',
    );
  }
  const { migrate: bringUp, pendingMigrations } = await import('../../store/migrate.js');
  const { askDatabase } = await import('../../stack/database.js');
  // Says which database does not answer, and why.
  await askDatabase(databaseUrl, 5_000);
  const applied = await pendingMigrations(databaseUrl);
  await bringUp(databaseUrl);
  terminal.printJson({ applied });
  terminal.print(
    applied.length === 0
      ? 'The database is up to date.\n'
      : `Applied ${plural(applied.length, 'migration')}: ${applied.join(', ')}.\n`,
  );
  return EXIT.ok;
}

/** What the environment names comes first. */
export async function whereThingsAre(settings: Settings): Promise<Settings> {
  if (settings.databaseUrl !== undefined) return settings;
  const running = await readRunningStack(settings);
  return running ? settingsFor(settings, running) : settings;
}
