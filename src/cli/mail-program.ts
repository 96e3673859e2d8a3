/** `perdura groups …` and `perdura messages …`: their arguments and options. */
import type { Command } from 'commander';
import { PRIORITIES, SPEAK_MODES } from '../contracts/mail.js';
import type { CreateGroupOptions, SendOptions } from './commands/mail.js';
import type { Runner } from './program.js';

interface Json {
  readonly json?: boolean;
}

const load = () => import('./commands/mail.js');

export function addGroups(program: Command, runner: Runner): void {
  const { command } = family(program, 'groups', 'groups of agents and people');
  command('list', 'list groups', { isDefault: true }).action((options: Json) =>
    runner(options.json ?? false, async (context) => (await load()).listGroups(context)),
  );
  command('create', 'create a group')
    .argument('<group>', 'its name')
    .argument('[members...]', MEMBERS)
    .option('--title <text>', 'a title for people')
    .option('--speak <mode>', `who answers: ${SPEAK_MODES.join(', ')}`, 'free')
    .option('--no-answers', 'what an agent answers does not go to the others')
    .option('--max-hops <count>', 'messages of agents in a row (default: 4)')
    .option('--max-messages <count>', 'messages of agents after one of a person (default: 50)')
    .action((name: string, members: string[], options: Json & CreateGroupOptions) =>
      runner(options.json ?? false, async (context) =>
        (await load()).createGroup(context, name, members, options),
      ),
    );
  command('members', 'list the members of a group, or add and remove some')
    .argument('<group>')
    .option('--add <members...>', MEMBERS)
    .option('--remove <names...>', 'names of members')
    .action((name: string, options: Json & { add?: string[]; remove?: string[] }) =>
      runner(options.json ?? false, async (context) =>
        (await load()).groupMembers(context, name, options),
      ),
    );
  sending(command('send', 'send a message to a group').argument('<group>'), runner, 'group');
  command('history', 'show what was said in a group')
    .argument('<group>')
    .option('--limit <count>', 'the last messages', '50')
    .option('--before <id>', 'those before this message')
    .action((name: string, options: Json & { limit: string; before?: string }) =>
      runner(options.json ?? false, async (context) =>
        (await load()).groupHistory(context, name, options),
      ),
    );
  for (const [verb, description] of [
    ['pause', 'deliver nothing until it is resumed'],
    ['resume', 'resume after a pause'],
    ['stop', 'stop a group for good: turns on its messages are interrupted'],
    ['delete', 'stop a group, and delete it with its history'],
  ] as const) {
    command(verb, description)
      .argument('<group>')
      .action((name: string, options: Json) =>
        runner(options.json ?? false, async (context) =>
          (await load()).changeGroup(context, verb, name),
        ),
      );
  }
}

export function addMessages(program: Command, runner: Runner): void {
  const { command } = family(program, 'messages', 'messages between agents and people');
  sending(
    command('send', 'send a message to sessions or people').argument(
      '<to>',
      'names, with commas between them',
    ),
    runner,
    'direct',
  );
  sending(
    command('broadcast', 'send a message to all sessions').option(
      '-a, --agent <name>',
      'only to sessions of this agent',
    ),
    runner,
    'broadcast',
  );
  command('unread', 'list what a session or a person has not read')
    .argument('<receiver>')
    .option('--limit <count>', 'maximum number of messages', '50')
    .action((receiver: string, options: Json & { limit: string }) =>
      runner(options.json ?? false, async (context) =>
        (await load()).unread(context, receiver, options),
      ),
    );
  command('read', 'mark messages as read')
    .argument('<receiver>')
    .argument('[ids...]', 'all of them without')
    .action((receiver: string, ids: string[], options: Json) =>
      runner(options.json ?? false, async (context) =>
        (await load()).markRead(context, receiver, ids),
      ),
    );
  command('show', 'show a message, and what has become of it for each receiver')
    .argument('<id>')
    .option('--limit <count>', 'maximum number of receivers', '50')
    .option('--after <receiver>', 'receivers after this one')
    .action((id: string, options: Json & { limit: string; after?: string }) =>
      runner(options.json ?? false, async (context) =>
        (await load()).showMessage(context, id, options),
      ),
    );
}

const MEMBERS =
  'name, name:agent for a session that starts with its first message, name:agent:role';

function family(program: Command, name: string, description: string) {
  const parent = program.command(name).description(description);
  return {
    command: (verb: string, what: string, options: { readonly isDefault?: boolean } = {}) =>
      parent.command(verb, options).description(what).option('--json', 'machine-readable output'),
  };
}

/** A message in words, to whatever the first argument names; a broadcast names nothing. */
function sending(command: Command, runner: Runner, kind: 'direct' | 'group' | 'broadcast'): void {
  command
    .argument('[message...]', 'the message; read from standard input when missing or "-"')
    .option('--from <name>', 'sender', 'user')
    .option('--id <id>', 'id of the message; a message sent twice is accepted once')
    .option('--priority <priority>', PRIORITIES.join(', '), 'normal')
    .option('--reply-to <id>', 'the message that this one answers')
    .option('--expires-in <ms>', 'expires unless it is read in this time')
    .action((...given: unknown[]) => {
      const [first, second, third] = given;
      const [to, words, options] =
        kind === 'broadcast' ? ['', first, second] : [first, second, third];
      const told = options as Json & SendOptions;
      return runner(told.json ?? false, async (context) =>
        (await load()).sendMail(context, kind, to as string, words as string[], told),
      );
    });
}
