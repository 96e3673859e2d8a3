/**
 * The commands, their arguments and options. Each command is a function in `commands/`,
 * loaded when it is called: most need no Temporal worker and no database.
 */
import { Command } from 'commander';
import { isSessionName, invalidSessionName } from '../contracts/ids.js';
import { UsageError, type CommandContext } from './context.js';
import type { AnswerArguments } from './commands/answer.js';
import type { CapabilityOptions } from './commands/capabilities.js';
import type { SendArguments } from './commands/control.js';
import type { ListOptions } from './commands/look.js';
import type { OwnerOptions } from './commands/memory.js';
import { addForks } from './fork-program.js';
import { addGroups, addMessages } from './mail-program.js';
import { addApprovals, addInbox } from './people-program.js';
import { addPool } from './pool-program.js';
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
  addForks(command, runner);
  addOperations(command, runner);
  addAgents(program, runner);
  addTemplates(program, runner);
  addMcp(program, runner);
  addMemory(program, runner);
  addSkills(program, runner);
  addGroups(program, runner);
  addMessages(program, runner);
  addPool(program, runner);
  addInbox(program, runner);
  addApprovals(program, runner);
  program.addHelpText(
    'after',
    '\nExamples:\n  perdura dev\n  perdura run "What can you do?"\n  perdura chat notes\n  perdura show notes\n',
  );
  return program;
}

type Add = (name: string, description: string, options?: { isDefault?: boolean }) => Command;

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
      .option('-u, --user <id>', 'user of a new session, whose memory its agent has')
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
    .option('--tree', 'the sessions of its sub-agents too')
    .action((session: string, options: Json & { full?: boolean; tree?: boolean }) =>
      runner(options.json ?? false, async (context) =>
        (await import('./commands/look.js')).show(context, session, options),
      ),
    );
  command('context', 'show what the model would see: messages, tokens, tools, what is left out')
    .argument('<session>', 'name of the session', sessionName)
    .option('-m, --message <text>', 'as if this message began the next turn')
    .option('--full', 'whole texts instead of one line each')
    .action((session: string, options: Json & { message?: string; full?: boolean }) =>
      runner(options.json ?? false, async (context) =>
        (await import('./commands/context.js')).showContext(context, session, options),
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
  command('capabilities', 'show what an agent can do, and what its policy forbids')
    .argument('[agent]', 'name of the agent', 'assistant')
    .option('--to <value>', 'how to get this value, or to this capability')
    .option('--have <values...>', 'values that are there already, for --to')
    .action((agent: string, options: Json & CapabilityOptions) =>
      runner(options.json ?? false, async (context) =>
        (await import('./commands/capabilities.js')).capabilities(context, agent, options),
      ),
    );
  command('migrate', 'migrate the database to the schema of this version').action(
    ({ json = false }: Json) =>
      runner(json, async (context) => (await import('./commands/worker.js')).migrate(context)),
  );
}

function addAgents(program: Command, runner: Runner): void {
  const agents = program.command('agents').description('agents, their versions, and who runs them');
  const commands = () => import('./commands/agents.js');
  const add = adder(agents);
  add('list', 'agents of the configuration, and those made at run time', DEFAULT_VERB).action(
    ({ json = false }: Json) =>
      runner(json, async (context) => (await commands()).listAgents(context)),
  );
  add('show', 'the definition of an agent')
    .argument('<agent>')
    .option('--definition <version>', 'another version than the newest')
    .action((agent: string, options: Json & { definition?: string }) =>
      runner(options.json ?? false, async (context) =>
        (await commands()).showAgent(context, agent, options),
      ),
    );
  add('versions', 'the versions of an agent that sessions have run')
    .argument('<agent>')
    .action((agent: string, { json = false }: Json) =>
      runner(json, async (context) => (await commands()).agentVersions(context, agent)),
    );
  add('move', 'move a session to the newest version of its agent, or to another agent')
    .argument('<session>', 'name of the session', sessionName)
    .option('-a, --agent <name>', 'another agent')
    .option('--definition <version>', '16 hex characters, or "latest"')
    .action((session: string, options: Json & { agent?: string; definition?: string }) =>
      runner(options.json ?? false, async (context) =>
        (await commands()).moveSession(context, session, options),
      ),
    );
}

function addTemplates(program: Command, runner: Runner): void {
  const templates = program.command('templates').description('templates of agents');
  const commands = () => import('./commands/agents.js');
  const add = adder(templates);
  add('list', 'the templates that there are', DEFAULT_VERB).action(({ json = false }: Json) =>
    runner(json, async (context) => (await commands()).listTemplates(context)),
  );
  add('show', 'a template with its variables')
    .argument('<template>')
    .action((template: string, { json = false }: Json) =>
      runner(json, async (context) => (await commands()).showTemplate(context, template)),
    );
  add('register', 'keep a template from a JSON file')
    .argument('<template>')
    .argument('<file>')
    .action((template: string, file: string, { json = false }: Json) =>
      runner(json, async (context) => (await commands()).registerTemplate(context, template, file)),
    );
  add('remove', 'remove a template; agents that were made of it stay')
    .argument('<template>')
    .action((template: string, { json = false }: Json) =>
      runner(json, async (context) => (await commands()).removeTemplate(context, template)),
    );
  add('create', 'make an agent of a template')
    .argument('<template>')
    .argument('<agent>')
    .option('--var <name=value...>', 'values for its variables')
    .option('--replace', 'in place of the agent of that name')
    .action(
      (template: string, agent: string, options: Json & { var?: string[]; replace?: boolean }) =>
        runner(options.json ?? false, async (context) =>
          (await commands()).createFromTemplate(context, template, agent, options),
        ),
    );
}

/** What a family of commands does when no verb is given. */
const DEFAULT_VERB = { isDefault: true } as const;

function adder(group: Command): Add {
  return (name, description, options = {}) =>
    group
      .command(name, options)
      .description(description)
      .option('--json', 'machine-readable output');
}

function addMcp(program: Command, runner: Runner): void {
  const mcp = program.command('mcp').description('MCP servers of the configuration');
  mcp
    .command('status', DEFAULT_VERB)
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

function addMemory(program: Command, runner: Runner): void {
  const memory = program.command('memory').description('what agents remember over sessions');
  const commands = () => import('./commands/memory.js');
  const command = (name: string, description: string) =>
    memory
      .command(name)
      .description(description)
      .option('-u, --user <id>', 'of this user')
      .option('-a, --agent <name>', 'of this agent alone (scope "agent")')
      .option('--json', 'machine-readable output');
  command('list', 'list entries, the newest first')
    .option('--limit <count>', 'maximum number of entries', '50')
    .action((options: Json & OwnerOptions & { limit: string }) =>
      runner(options.json ?? false, async (context) =>
        (await commands()).memoryList(context, options),
      ),
    );
  command('recall', 'find entries by words, as an agent does; exit code 1 for none')
    .argument('<words...>')
    .option('--limit <count>', 'maximum number of entries', '8')
    .action((words: string[], options: Json & OwnerOptions & { limit: string }) =>
      runner(options.json ?? false, async (context) =>
        (await commands()).memoryRecall(context, words, options),
      ),
    );
  command('forget', 'delete one entry')
    .argument('<key>')
    .action((key: string, options: Json & OwnerOptions) =>
      runner(options.json ?? false, async (context) =>
        (await commands()).memoryForget(context, key, options),
      ),
    );
  command('erase', 'erase all that is remembered of a user, and what the user has said')
    .option('--keep-conversations', 'only what is remembered')
    .option('-y, --yes', 'do not ask')
    .action((options: Json & OwnerOptions & { keepConversations?: boolean; yes?: boolean }) =>
      runner(options.json ?? false, async (context) =>
        (await commands()).memoryErase(context, options),
      ),
    );
}

function addSkills(program: Command, runner: Runner): void {
  const skills = program.command('skills').description('skills of the configuration');
  const commands = () => import('./commands/skills.js');
  const command = adder(skills);
  command('list', 'list skills, and the agents that have them', DEFAULT_VERB).action(
    ({ json = false }: Json) =>
      runner(json, async (context) => (await commands()).skillsList(context)),
  );
  command('show', 'show what a model is given when it loads a skill')
    .argument('<skill>', 'name, or name@version')
    .action((name: string, { json = false }: Json) =>
      runner(json, async (context) => (await commands()).skillsShow(context, name)),
    );
  command('check', 'check the skills of a folder, or those of the configuration')
    .argument('[folder]')
    .action((folder: string | undefined, { json = false }: Json) =>
      runner(json, async (context) => (await commands()).skillsCheck(context, folder)),
    );
}

function sessionName(value: string): string {
  if (isSessionName(value)) return value;
  throw new UsageError(invalidSessionName(value));
}
