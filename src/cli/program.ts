/**
 * The commands, their arguments and options. Each command is a function in `commands/`,
 * loaded when it is called: most need no Temporal worker and no database.
 */
import { Command } from 'commander';
import { isSessionName, invalidSessionName } from '../contracts/ids.js';
import { UsageError, type CommandContext } from './context.js';
import type { ListOptions } from './commands/look.js';
import type { TalkOptions } from './talk.js';

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
    .showHelpAfterError('(add --help for what there is)')
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
  command('doctor', 'check every part, and say how to mend what is missing').action(
    ({ json = false }: Json) =>
      runner(json, async (context) => (await import('./commands/doctor.js')).doctor(context)),
  );
}

function addTalk(command: Add, runner: Runner): void {
  const talk = (name: string, description: string) =>
    command(name, description)
      .option('-a, --agent <name>', 'agent of a new session (default: assistant)')
      .option(
        '-s, --session <name>',
        'session to go on with, or to begin under this name',
        sessionName,
      )
      .option('--reasoning', 'show what the model thinks before it answers');
  talk('run', 'get one answer, streamed; exit code 1 when there is none')
    .argument(
      '[message...]',
      'the message; standard input when it is missing or "-", as for long ones',
    )
    .action((words: string[], options: Json & TalkOptions) =>
      runner(options.json ?? false, async (context) =>
        (await import('./commands/run.js')).run(context, words, options),
      ),
    );
  talk('chat', "talk to an agent; leave with Ctrl-D or /quit, come back with the session's name")
    .argument('[session]', 'the same as --session', sessionName)
    .action((session: string | undefined, options: Json & TalkOptions) =>
      runner(options.json ?? false, async (context) =>
        (await import('./commands/chat.js')).chat(context, session, options),
      ),
    );
}

function addSessions(command: Add, runner: Runner): void {
  const control = () => import('./commands/control.js');
  command('send', 'hand a message over, without waiting for the answer')
    .argument('<session>', 'name of the session', sessionName)
    .argument(
      '[message...]',
      'the message; standard input when it is missing or "-", as for long ones',
    )
    .option('--id <id>', 'id of the message: sent twice, it is taken once')
    .option('--from <name>', 'who says it, as the agent and other readers see it')
    .action((session: string, words: string[], options: Json & { id?: string; from?: string }) =>
      runner(options.json ?? false, async (context) =>
        (await control()).send(context, session, words, options),
      ),
    );
  command('sessions', 'list sessions, the latest first')
    .option('--limit <count>', 'how many', '20')
    .option('--state <state>', 'only these: idle, running, paused, error, ended')
    .option('--agent <name>', 'only those of this agent')
    .option('--check', 'ask Temporal first which of them still run, and correct the list')
    .action((options: Json & ListOptions) =>
      runner(options.json ?? false, async (context) =>
        (await import('./commands/look.js')).sessions(context, options),
      ),
    );
  command('show', 'what happened in a session: turns, steps, attempts, tools, cost')
    .argument('<session>', 'name of the session', sessionName)
    .option('--full', 'whole texts instead of one line each')
    .action((session: string, options: Json & { full?: boolean }) =>
      runner(options.json ?? false, async (context) =>
        (await import('./commands/look.js')).show(context, session, options),
      ),
    );
  command('interrupt', 'end the turn under way; the session goes on')
    .argument('<session>', 'name of the session', sessionName)
    .option('--reason <text>', 'kept with the turn')
    .action((session: string, options: Json & { reason?: string }) =>
      runner(options.json ?? false, async (context) =>
        (await control()).interrupt(context, session, options),
      ),
    );
  for (const [verb, description] of [
    ['pause', 'stop before the next step; messages wait'],
    ['resume', 'go on after a pause'],
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
  command('worker', 'run a worker over the standard environment').action(({ json = false }: Json) =>
    runner(json, async (context) => (await import('./commands/worker.js')).worker(context)),
  );
  command('migrate', 'bring the database to the schema of this version').action(
    ({ json = false }: Json) =>
      runner(json, async (context) => (await import('./commands/worker.js')).migrate(context)),
  );
}

function addMcp(program: Command, runner: Runner): void {
  const mcp = program.command('mcp').description('MCP servers of the configuration');
  mcp
    .command('status')
    .description('connect to each server: its tools, and what is held back')
    .option('--json', 'machine-readable output')
    .action(({ json = false }: Json) =>
      runner(json, async (context) => (await import('./commands/mcp.js')).mcpStatus(context)),
    );
  mcp
    .command('accept')
    .description('offer tools again that changed, or that looked suspicious')
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
