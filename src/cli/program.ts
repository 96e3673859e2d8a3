/**
 * The commands, their arguments and options. Each command is a function in `commands/`,
 * loaded when it is called: most need no Temporal worker and no database.
 */
import { Command } from 'commander';
import { isSessionName, invalidSessionName } from '../contracts/ids.js';
import { UsageError, type CommandContext } from './context.js';
import type { AnswerArguments } from './commands/answer.js';
import type { SendArguments } from './commands/control.js';
import type { ListOptions } from './commands/look.js';
import type { TalkOptions } from './talk.js';

const WHILE_WORKING_HELP =
  'if the agent is working: enqueue, steer, interrupt, rollback or reject (default: as the agent declares)';

/** What a command answers: its exit code. */
export type Runner = (
  json: boolean,
  run: (context: CommandContext) => Promise<number>,
) => Promise<void>;

interface Json {
  readonly json?: boolean;
}

/** Builds the program; `runner` gives each command its context and takes its exit code. */
export function createProgram(version: string, runner: Runner): Command {
  const program = new Command('perdura')
    .description('Durable AI agents on Temporal.')
    .version(version)
    .showHelpAfterError('(add --help for usage)')
    .exitOverride();
  const command = (name: string, description: string) =>
    program.command(name).description(description).option('--json', 'machine-readable output');

  addStack(command, runner);
  addTalk(command, runner);
  addSessions(command, runner);
  addOperations(command, runner);
  addMcp(program, runner);
  program.addHelpText(
    'after',
    '\nExamples:\n  perdura dev\n  perdura run "What can you do?"\n  perdura chat notes\n  perdura show notes\n',
  );
  return program;
}

type Add = (name: string, description: string) => Command;

function addStack(command: Add, runner: Runner): void {
  command('dev', 'start Temporal, PostgreSQL and a worker, until Ctrl-C')
    .option('--workers <count>', 'worker processes', '1')
    .action((options: Json & { workers: string }) =>
      runner(options.json ?? false, async (context) =>
        (await import('./commands/dev.js')).dev(context, options),
      ),
    );
  command('doctor', 'check every part and say how to fix what is missing').action(
    ({ json = false }: Json) =>
      runner(json, async (context) => (await import('./commands/doctor.js')).doctor(context)),
  );
}

function addTalk(command: Add, runner: Runner): void {
  const talk = (name: string, description: string) =>
    command(name, description)
      .option('-a, --agent <name>', 'agent of a new session (default: assistant)')
      .option('-s, --session <name>', 'session to continue, or name of a new one', sessionName)
      .option('--while-working <what>', WHILE_WORKING_HELP)
      .option('--reasoning', 'show the reasoning of the model');
  talk('run', 'send one message and stream the answer; exit code 1 without an answer')
    .argument('[message...]', 'the message; read from standard input when missing or "-"')
    .action((words: string[], options: Json & TalkOptions) =>
      runner(options.json ?? false, async (context) =>
        (await import('./commands/run.js')).run(context, words, options),
      ),
    );
  talk('chat', 'talk to an agent; leave with Ctrl-D or /quit, return with the name of the session')
    .argument('[session]', 'the same as --session', sessionName)
    .action((session: string | undefined, options: Json & TalkOptions) =>
      runner(options.json ?? false, async (context) =>
        (await import('./commands/chat.js')).chat(context, session, options),
      ),
    );
}

function addSessions(command: Add, runner: Runner): void {
  const control = () => import('./commands/control.js');
  command('send', 'send a message without waiting for the answer')
    .argument('<session>', 'name of the session', sessionName)
    .argument('[message...]', 'the message; read from standard input when missing or "-"')
    .option('--id <id>', 'id of the message; a message sent twice is accepted once')
    .option('--from <name>', 'sender, as the agent and other readers see it')
    .option('--while-working <what>', WHILE_WORKING_HELP)
    .action((session: string, words: string[], options: Json & SendArguments) =>
      runner(options.json ?? false, async (context) =>
        (await control()).send(context, session, words, options),
      ),
    );
  command('answer', 'answer a tool call that waits; `perdura show` lists them')
    .argument('<session>', 'name of the session', sessionName)
    .argument('<call>', 'key of the call, such as c4.0')
    .argument('[result]', 'the result as JSON; read from standard input when missing or "-"')
    .option('--text', 'the result is text, not JSON')
    .option('--refuse <reason>', 'there is no result; the model sees the reason')
    .action(
      (
        session: string,
        call: string,
        result: string | undefined,
        options: Json & AnswerArguments,
      ) =>
        runner(options.json ?? false, async (context) =>
          (await import('./commands/answer.js')).answer(context, session, call, result, options),
        ),
    );
  command('sessions', 'list sessions, the newest first')
    .option('--limit <count>', 'maximum number of sessions', '20')
    .option('--state <state>', 'only sessions in this state: idle, running, paused, error, ended')
    .option('--agent <name>', 'only sessions of this agent')
    .option('--check', 'ask Temporal which of them still run, and correct the list')
    .action((options: Json & ListOptions) =>
      runner(options.json ?? false, async (context) =>
        (await import('./commands/look.js')).sessions(context, options),
      ),
    );
  command('show', 'show what happened in a session: turns, steps, attempts, tools, cost')
    .argument('<session>', 'name of the session', sessionName)
    .option('--full', 'whole texts instead of one line each')
    .action((session: string, options: Json & { full?: boolean }) =>
      runner(options.json ?? false, async (context) =>
        (await import('./commands/look.js')).show(context, session, options),
      ),
    );
  command('interrupt', 'end the running turn; the session continues')
    .argument('<session>', 'name of the session', sessionName)
    .option('--reason <text>', 'kept with the turn')
    .action((session: string, options: Json & { reason?: string }) =>
      runner(options.json ?? false, async (context) =>
        (await control()).interrupt(context, session, options),
      ),
    );
  for (const [verb, description] of [
    ['pause', 'stop before the next step; messages wait'],
    ['resume', 'resume after a pause'],
    ['end', 'end a session for good; its transcript stays'],
  ] as const) {
    const added = command(verb, description).argument(
      '<session>',
      'name of the session',
      sessionName,
    );
    if (verb === 'end') added.option('--reason <text>', 'kept with the session');
    added.action((session: string, options: Json & { reason?: string }) =>
      runner(options.json ?? false, async (context) =>
        (await control()).signal(context, verb, session, options),
      ),
    );
  }
}

function addOperations(command: Add, runner: Runner): void {
  command('worker', 'run a worker, configured by the environment').action(
    ({ json = false }: Json) =>
      runner(json, async (context) => (await import('./commands/worker.js')).worker(context)),
  );
  command('migrate', 'migrate the database to the schema of this version').action(
    ({ json = false }: Json) =>
      runner(json, async (context) => (await import('./commands/worker.js')).migrate(context)),
  );
}

function addMcp(program: Command, runner: Runner): void {
  const mcp = program.command('mcp').description('MCP servers of the configuration');
  mcp
    .command('status')
    .description('connect to each server; list its tools and those held back')
    .option('--json', 'machine-readable output')
    .action(({ json = false }: Json) =>
      runner(json, async (context) => (await import('./commands/mcp.js')).mcpStatus(context)),
    );
  mcp
    .command('accept')
    .description('accept tools that were held back because they changed or look suspicious')
    .argument('<server>')
    .argument('[tools...]', 'only these')
    .option('-y, --yes', 'do not ask')
    .option('--json', 'machine-readable output')
    .action((server: string, tools: string[], options: Json & { yes?: boolean }) =>
      runner(options.json ?? false, async (context) =>
        (await import('./commands/mcp.js')).mcpAccept(context, server, tools, options),
      ),
    );
}

function sessionName(value: string): string {
  if (isSessionName(value)) return value;
  throw new UsageError(invalidSessionName(value));
}
