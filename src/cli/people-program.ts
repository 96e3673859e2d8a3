/** `perdura inbox …` and `perdura approvals …`: their arguments and options. */
import type { Command } from 'commander';
import { REMEMBER_SCOPES } from '../contracts/requests.js';
import type {
  AnswerOptions,
  ApproveOptions,
  DecideOptions,
  InboxListOptions,
} from './commands/inbox.js';
import type { Runner } from './program.js';

interface Json {
  readonly json?: boolean;
}

const load = () => import('./commands/inbox.js');

export function addInbox(program: Command, runner: Runner): void {
  const { command } = family(program, 'inbox', 'what waits for a person: approvals and questions');
  listing(command('list', 'list what waits', { isDefault: true })).action(
    (options: Json & InboxListOptions) =>
      runner(options.json ?? false, async (context) => (await load()).listInbox(context, options)),
  );
  addDecisions(command, runner);
  deciding(command('answer', 'answer a question').argument('<request>', REQUEST))
    .argument(
      '[answer]',
      'text, or JSON where a form is asked for; read from standard input when missing or "-"',
    )
    .action((id: string, given: string | undefined, options: Json & AnswerOptions) =>
      runner(options.json ?? false, async (context) =>
        (await load()).answerRequest(context, id, given, options),
      ),
    );
}

export function addApprovals(program: Command, runner: Runner): void {
  const { command } = family(program, 'approvals', 'calls that a person must approve');
  listing(command('list', 'list calls that wait', { isDefault: true })).action(
    (options: Json & InboxListOptions) =>
      runner(options.json ?? false, async (context) =>
        (await load()).listInbox(context, { ...options, kind: 'approval' }),
      ),
  );
  addDecisions(command, runner);
  command('remembered', 'list approvals that are remembered')
    .option('--all', 'also those that no longer count')
    .action((options: Json & { all?: boolean }) =>
      runner(options.json ?? false, async (context) => (await load()).remembered(context, options)),
    );
  command('revoke', 'forget an approval: the next call is asked for again')
    .argument('<id>', 'as `remembered` lists it')
    .option('--as <person>', AS)
    .action((id: string, options: Json & { as?: string }) =>
      runner(options.json ?? false, async (context) => (await load()).revoke(context, id, options)),
    );
}

const REQUEST = 'its id, or the beginning of it';
const AS = 'who decides; not checked (default: the user of this machine)';

type Add = (verb: string, description: string, options?: { isDefault?: boolean }) => Command;

function addDecisions(command: Add, runner: Runner): void {
  command('show', 'show a request: what exactly would run, who asks, who may decide')
    .argument('<request>', REQUEST)
    .action((id: string, options: Json) =>
      runner(options.json ?? false, async (context) => (await load()).showRequest(context, id)),
    );
  deciding(command('approve', 'approve a call: it runs').argument('<request>', REQUEST))
    .option('--edit <json>', 'other arguments: these run')
    .option(
      '--remember <scope>',
      `approve later calls, too: ${REMEMBER_SCOPES.join(', ')} (call: with the same arguments; session and user: with any)`,
    )
    .option('--until <time>', 'remember it until then, such as 2027-01-31 or 2027-01-31T12:00Z')
    .action((id: string, options: Json & ApproveOptions) =>
      runner(options.json ?? false, async (context) =>
        (await load()).approveRequest(context, id, options),
      ),
    );
  deciding(
    command('decline', 'decline it: the call never runs').argument('<request>', REQUEST),
  ).action((id: string, options: Json & DecideOptions) =>
    runner(options.json ?? false, async (context) =>
      (await load()).declineRequest(context, id, options),
    ),
  );
}

function deciding(command: Command): Command {
  return command
    .option('--as <person>', AS)
    .option('--reason <text>', 'why; the model of a declined call is told')
    .option('--digest <digest>', 'only if it still has this digest, or one that begins so');
}

function listing(command: Command): Command {
  return command
    .option('--all', 'also what was decided')
    .option('--session <session>', 'of this session and of those below it')
    .option('--limit <count>', 'maximum number', '50');
}

function family(program: Command, name: string, description: string): { command: Add } {
  const parent = program.command(name).description(description);
  return {
    command: (verb, what, options) =>
      parent.command(verb, options).description(what).option('--json', 'machine-readable output'),
  };
}
