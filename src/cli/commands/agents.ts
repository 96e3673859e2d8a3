/** `perdura agents` and `perdura templates`: definitions, their versions, and what sessions run. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { AgentRuntime } from '../../client/agent-runtime.js';
import type { KnownTemplate } from '../../client/agent-factory.js';
import type { AgentTemplate } from '../../config/template-schema.js';
import { loadConfig } from '../../config/load-config.js';
import type { Agent } from '../../contracts/agent.js';
import { PerduraError } from '../../contracts/failures.js';
import { versionOf } from '../../store/agent-definitions.js';
import { EXIT, UsageError, type CommandContext } from '../context.js';
import { withRuntime } from '../open-runtime.js';
import { patient } from '../patience.js';
import { agentsText, definitionText, templatesText, versionsText } from '../render/agents.js';

/** An agent that new sessions can have. */
export interface ListedAgent {
  readonly agent: string;
  readonly version: string;
  /** Where it is declared. */
  readonly from: 'configuration' | 'run time';
  readonly definition: Agent;
  readonly template?: string;
}

export async function listAgents(context: CommandContext): Promise<number> {
  const { terminal } = context;
  const agents = await withRuntime(context, (runtime) => knownAgents(context, runtime));
  terminal.printJson(agents);
  terminal.print(agentsText(agents, terminal.style));
  return EXIT.ok;
}

export async function showAgent(
  context: CommandContext,
  name: string,
  { definition: version }: { definition?: string | undefined },
): Promise<number> {
  const { terminal } = context;
  const { agents, versions } = await withRuntime(context, async (runtime) => ({
    agents: await knownAgents(context, runtime),
    versions: await runtime.agentVersions(name),
  }));
  const found = agents.find(({ agent }) => agent === name);
  const shown =
    version === undefined
      ? (found ?? versions[0])
      : [...(found ? [found] : []), ...versions].find((each) => each.version === version);
  if (!shown) {
    const which = version === undefined ? '' : ` in the version ${version}`;
    throw new PerduraError(
      'Agent.Unknown',
      `There is no agent "${name}"${which}. \`perdura agents list\` and \`perdura agents versions ${name}\` show what there is.`,
    );
  }
  terminal.printJson({ agent: name, version: shown.version, definition: shown.definition });
  terminal.print(definitionText(shown, terminal.style));
  return EXIT.ok;
}

export async function agentVersions(context: CommandContext, name: string): Promise<number> {
  const { terminal } = context;
  const { agents, versions } = await withRuntime(context, async (runtime) => ({
    agents: await knownAgents(context, runtime),
    versions: await runtime.agentVersions(name),
  }));
  const newest = agents.find(({ agent }) => agent === name)?.version;
  terminal.printJson(versions.map((each) => ({ ...each, newest: each.version === newest })));
  terminal.print(versionsText(versions, newest, terminal.style, Date.now()));
  return EXIT.ok;
}

export async function moveSession(
  context: CommandContext,
  name: string,
  { agent, definition: version }: { agent?: string | undefined; definition?: string | undefined },
): Promise<number> {
  const { terminal } = context;
  const moved = await withRuntime(context, async (runtime) =>
    patient(
      context,
      (await runtime.find(name)).move({
        ...(agent === undefined ? {} : { agent }),
        ...(version === undefined ? {} : { version }),
      }),
    ),
  );
  terminal.printJson({ session: name, ...moved });
  const to = `${moved.agent} (${moved.version})`;
  terminal.print(
    moved.applied
      ? `${name} runs ${to} from its next turn on.\n`
      : `${name} goes to ${to} when the turn under way has ended.\n`,
  );
  return EXIT.ok;
}

export async function listTemplates(context: CommandContext): Promise<number> {
  const { terminal } = context;
  const templates = await withRuntime(context, (runtime) => runtime.factory().templates.list());
  terminal.printJson(templates);
  terminal.print(templatesText(templates, terminal.style));
  return EXIT.ok;
}

export async function showTemplate(context: CommandContext, name: string): Promise<number> {
  const { terminal } = context;
  const template = await withRuntime(context, (runtime) => templateOf(runtime.factory(), name));
  terminal.printJson(template);
  terminal.print(`${JSON.stringify(template, null, 2)}\n`);
  return EXIT.ok;
}

/** From a JSON file: `{ "extends": …, "variables": …, "agent": { … } }`. */
export async function registerTemplate(
  context: CommandContext,
  name: string,
  file: string,
): Promise<number> {
  const { terminal, settings } = context;
  const template = await readTemplate(resolve(settings.cwd, file));
  await withRuntime(context, (runtime) => runtime.factory().templates.register(name, template));
  terminal.printJson({ template: name, done: 'register' });
  terminal.print(`The template ${name} is registered.\n`);
  return EXIT.ok;
}

export async function removeTemplate(context: CommandContext, name: string): Promise<number> {
  const { terminal } = context;
  const removed = await withRuntime(context, (runtime) => runtime.factory().templates.remove(name));
  terminal.printJson({ template: name, removed });
  terminal.print(
    removed ? `The template ${name} is removed.\n` : `There is no registered template ${name}.\n`,
  );
  return EXIT.ok;
}

export async function createFromTemplate(
  context: CommandContext,
  template: string,
  name: string,
  options: { var?: readonly string[] | undefined; replace?: boolean | undefined },
): Promise<number> {
  const { terminal } = context;
  const variables = Object.fromEntries((options.var ?? []).map(variable));
  const made = await withRuntime(context, (runtime) =>
    runtime
      .factory()
      .createFromTemplate(template, { name, variables, replace: options.replace ?? false }),
  );
  terminal.printJson(made);
  terminal.print(
    terminal.asTyped(
      `The agent ${name} (${made.version}) is there. Talk to it with: perdura chat --agent ${name}\n`,
    ),
  );
  return EXIT.ok;
}

/** The agents of the configuration here, and those made at run time. */
export async function knownAgents(
  { settings }: Pick<CommandContext, 'settings'>,
  runtime: AgentRuntime,
): Promise<ListedAgent[]> {
  const { agents } = await loadConfig(settings);
  const made = await runtime.factory().list();
  const configured = agents.map((definition) => ({
    agent: definition.name,
    version: versionOf(definition),
    from: 'configuration' as const,
    definition,
  }));
  const names = new Set(configured.map(({ agent }) => agent));
  const others = made
    .filter(({ agent }) => !names.has(agent))
    .map(({ agent, version, definition, template }) => ({
      agent,
      version,
      from: 'run time' as const,
      definition,
      ...(template === undefined ? {} : { template }),
    }));
  return [...configured, ...others];
}

async function templateOf(
  { templates }: { templates: { get(name: string): Promise<KnownTemplate | undefined> } },
  name: string,
): Promise<KnownTemplate> {
  const template = await templates.get(name);
  if (template) return template;
  throw new PerduraError(
    'Config.Invalid',
    `There is no template "${name.slice(0, 80)}". \`perdura templates list\` shows those that there are.`,
    { saysRemedy: true },
  );
}

async function readTemplate(file: string): Promise<AgentTemplate> {
  const text = await readFile(file, 'utf8').catch(() => {
    throw new UsageError(`The file ${file} cannot be read.`);
  });
  try {
    return JSON.parse(text) as AgentTemplate;
  } catch (error) {
    throw new UsageError(
      `The file ${file} is not JSON: ${error instanceof Error ? error.message : ''}.`,
      { cause: error },
    );
  }
}

function variable(given: string): [string, string] {
  const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(given) ?? [];
  if (name !== undefined && value !== undefined) return [name, value];
  throw new UsageError(`--var is "${given}". Use --var name=value.`);
}
