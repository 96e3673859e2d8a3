/** `perdura fork` and `perdura checkpoint`: their arguments and options. */
import type { Command } from 'commander';
import type { CheckpointArguments, ForkArguments } from './commands/fork.js';
import type { Runner } from './program.js';

interface Json {
  readonly json?: boolean;
}

const load = () => import('./commands/fork.js');

type Add = (name: string, description: string) => Command;

export function addForks(command: Add, runner: Runner): void {
  command('fork', 'go on from a turn of a session, in a new one that shares its past')
    .argument('<session>')
    .option('--turn <turn>', 'the last turn that it shares (default: the last one)')
    .option('--checkpoint <name>', 'in place of a turn')
    .option('--edit <message>', 'from before the message of this id, with --message in its place')
    .option('--name <session>', 'name of the new session')
    .option('--agent <agent>', 'another agent goes on')
    .option('-m, --message <text>', 'its first message')
    .action((session: string, options: Json & ForkArguments) =>
      runner(options.json ?? false, async (context) =>
        (await load()).fork(context, session, options),
      ),
    );
  command('checkpoint', 'give a turn of a session a name, or list those that have one')
    .argument('<session>')
    .argument('[name]', 'the name; without one, checkpoints are listed')
    .option('--turn <turn>', 'which turn (default: the last one that has ended)')
    .option('--note <text>', 'for people')
    .option('--until <time>', 'when it expires, such as 2027-01-31')
    .option('--remove', 'remove the checkpoint')
    .action((session: string, name: string | undefined, options: Json & CheckpointArguments) =>
      runner(options.json ?? false, async (context) =>
        (await load()).checkpoint(context, session, name, options),
      ),
    );
}
