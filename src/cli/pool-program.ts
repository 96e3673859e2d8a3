/** `perdura pool …`: its arguments and options. */
import type { Command } from 'commander';
import type { CreatePoolOptions, PoolLimitOptions } from './commands/pool.js';
import type { Runner } from './program.js';

interface Json {
  readonly json?: boolean;
}

const load = () => import('./commands/pool.js');

export function addPool(program: Command, runner: Runner): void {
  const pool = program
    .command('pool')
    .description('pools of agents: how many are at work at once, who waits and why')
    .option('--json', 'machine-readable output')
    .action((options: Json) =>
      runner(options.json ?? false, async (context) => (await load()).listPools(context)),
    );
  const command = (verb: string, what: string) =>
    pool.command(verb).description(what).option('--json', 'machine-readable output');
  // The option of the family is parsed there, also where it stands behind the verb.
  const json = (options: Json) => options.json ?? pool.opts<Json>().json ?? false;

  command('list', 'list pools, their limits, and how many are at work and wait').action(
    (options: Json) => runner(json(options), async (context) => (await load()).listPools(context)),
  );
  command('show', 'show a pool: tenants, agents at work, and those in line with place and reason')
    .argument('<pool>')
    .option('--all-tenants', 'agents of all tenants')
    .option('--limit <count>', 'maximum number of agents', '50')
    .action((name: string, options: Json & { limit: string; allTenants?: boolean }) =>
      runner(json(options), async (context) => (await load()).showPool(context, name, options)),
    );
  limits(command('create', 'create a pool').argument('<pool>', 'its name')).action(
    (name: string, options: Json & CreatePoolOptions) =>
      runner(json(options), async (context) => (await load()).createPool(context, name, options)),
  );
  limits(command('set', 'change the limits of a pool while agents run').argument('<pool>')).action(
    (name: string, options: Json & PoolLimitOptions) =>
      runner(json(options), async (context) => (await load()).setPool(context, name, options)),
  );
  command('prioritise', 'move an agent that waits; a point is worth a minute of waiting')
    .argument('<pool>')
    .argument('<session>')
    .argument('<priority>', 'a whole number; negative: later')
    .action((name: string, session: string, priority: string, options: Json) =>
      runner(json(options), async (context) =>
        (await load()).prioritise(context, name, session, priority),
      ),
    );
}

function limits(command: Command): Command {
  return command
    .option('--max <count>', 'agents at work at once; 0 holds the pool')
    .option('--max-per-tenant <count>', 'of one tenant; "none" for no limit')
    .option('--tenant-max <tenant=count...>', 'of a certain tenant; takes the place of all before');
}
