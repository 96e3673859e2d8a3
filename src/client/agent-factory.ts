/**
 * Makes agents at run time: from a declaration, from a template, many at once. What it makes is kept
 * in the store, so that every worker of the tenant knows it, also after a restart.
 *
 *     const factory = runtime.factory();
 *     await factory.createFromTemplate('analyst', { name: 'sales', variables: { domain: 'sales' } });
 *     const session = await runtime.start({ agent: 'sales' });
 */
import { agentSchema, completeAgent } from '../config/agent-schema.js';
import { DEFAULT_MODEL } from '../config/default-agent.js';
import type { AgentDeclaration } from '../config/define-config.js';
import { readSettings } from '../config/environment.js';
import { pathText, throwProblems, type Path, type Problem } from '../config/problems.js';
import { READY_TEMPLATES } from '../config/ready-templates.js';
import { agentProblems } from '../config/references.js';
import { problemsOf, shown } from '../config/schema-words.js';
import {
  fillTemplate,
  templateProblems,
  wholeTemplate,
  type AgentTemplate,
} from '../config/template-schema.js';
import type { ResolvedConfig } from '../contracts/config.js';
import { PerduraError } from '../contracts/failures.js';
import { versionOf, type MadeAgent, type MakeAgent } from '../store/agent-definitions.js';
import type { AgentDefinitions, AgentTemplates } from '../store/stores.js';
import { AgentComponents, type ToolHost } from './agent-components.js';

/** What every way of making an agent takes. */
interface MakeOptions {
  /** Names of registered components; what the declaration states itself counts. */
  readonly components?: readonly string[];
  /** In place of the agent of that name. Sessions that run it go on with their version. Default false. */
  readonly replace?: boolean;
}

/** A declaration of an agent, and how it is made. */
export interface CreateAgentOptions extends AgentDeclaration, MakeOptions {}

export interface CreateFromTemplateOptions extends MakeOptions {
  /** Of the agent. */
  readonly name: string;
  /** For the gaps of the template. */
  readonly variables?: Readonly<Record<string, string | number | boolean>>;
  /** Over the fields of the template. */
  readonly overrides?: Partial<Omit<AgentDeclaration, 'name'>>;
}

/** One agent of a batch. */
export type BatchItem =
  CreateAgentOptions | (CreateFromTemplateOptions & { readonly template: string });

export interface FactoryOptions {
  /** The configuration of the workers: names of tools, servers and agents are checked against it. */
  readonly config?: ResolvedConfig;
  /** Registry of a worker of this process, for components that bring tools of their own. */
  readonly registry?: ToolHost;
  /** For declarations that name none. Default OPENAI_MODEL, or else `gpt-5-mini`. */
  readonly model?: string;
}

/** A template, and where it comes from. */
export interface KnownTemplate extends AgentTemplate {
  readonly name: string;
  /** It comes with Perdura. */
  readonly ready?: true;
}

export interface FactoryParts extends FactoryOptions {
  readonly tenant: string;
  readonly definitions: AgentDefinitions;
  readonly templates: AgentTemplates;
}

const TEMPLATE_NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** Made by `runtime.factory()`. */
export class AgentFactory {
  readonly templates: TemplateRegistry;
  readonly components: AgentComponents;
  readonly #parts: FactoryParts;

  constructor(parts: FactoryParts) {
    this.#parts = parts;
    this.templates = new TemplateRegistry(parts);
    this.components = new AgentComponents(parts.registry);
  }

  /**
   * Makes an agent. Rejects with `Agent.Invalid`, which names every wrong field and its remedy, and for
   * a name that another definition has.
   */
  async create(options: CreateAgentOptions): Promise<MadeAgent> {
    return (await this.#make([options], false))[0]!;
  }

  /** Makes an agent of a template. Rejects as `create`; the problem may be a variable. */
  async createFromTemplate(
    template: string,
    options: CreateFromTemplateOptions,
  ): Promise<MadeAgent> {
    return (await this.#make([{ ...options, template }], false))[0]!;
  }

  /** Makes all of them or none. Rejects with the problems of all, each by its place in the list. */
  createBatch(items: readonly BatchItem[]): Promise<MadeAgent[]> {
    return this.#make(items, true);
  }

  /** Agents made at run time, by name. */
  list(): Promise<MadeAgent[]> {
    return this.#parts.definitions.allMade(this.#parts.tenant);
  }

  get(name: string): Promise<MadeAgent | undefined> {
    return this.#parts.definitions.made(this.#parts.tenant, name);
  }

  /** Whether there was such an agent. Sessions that run it go on; no new one can be started. */
  remove(name: string): Promise<boolean> {
    return this.#parts.definitions.remove(this.#parts.tenant, name);
  }

  async #make(items: readonly BatchItem[], many: boolean): Promise<MadeAgent[]> {
    const templates = items.some((item) => 'template' in item)
      ? await this.templates.all()
      : new Map<string, AgentTemplate>();
    const problems: Problem[] = [];
    const first = new Map<string, number>();
    const made = items.map((item, i): MakeAgent | undefined => {
      const where = many ? `agents[${i}]` : 'agent';
      const { found, wrong } = this.#check(item, where, templates);
      problems.push(...wrong);
      if (!found) return undefined;
      const other = first.get(found.definition.name);
      first.set(found.definition.name, other ?? i);
      if (other !== undefined) {
        const text = `agents[${other}] has the same name. Rename one.`;
        problems.push({ where: `${where}.name`, text });
      }
      return found;
    });
    throwProblems('Agent.Invalid', problems);
    const { tenant, definitions } = this.#parts;
    const all = made as MakeAgent[];
    const taken = await definitions.makeAll(tenant, all);
    if (taken !== undefined) {
      throw new PerduraError(
        'Agent.Invalid',
        `There is already an agent "${taken}" with another definition. Choose another name, or replace it (replace: true, on the command line --replace).`,
      );
    }
    const known = new Map((await definitions.allMade(tenant)).map((agent) => [agent.agent, agent]));
    return all.map(({ definition }) => known.get(definition.name)!);
  }

  #check(
    item: BatchItem,
    where: string,
    templates: ReadonlyMap<string, AgentTemplate>,
  ): { found?: MakeAgent; wrong: readonly Problem[] } {
    if (typeof item !== 'object' || item === null) {
      return { wrong: [{ where, text: `must be an object, not ${shown(item)}.` }] };
    }
    const { components = [], replace = false, ...rest } = item;
    const declared =
      'template' in rest ? fromTemplate(rest, where, templates) : { fields: rest, wrong: [] };
    const { fields, problems } = this.components.inject(declared.fields, components, where);
    const before = [...declared.wrong, ...problems];
    if (before.length > 0) return { wrong: before };
    const parsed = agentSchema.safeParse(fields);
    if (!parsed.success) {
      return {
        wrong: problemsOf(parsed.error).map(({ path, text }) => ({ where: at(where, path), text })),
      };
    }
    const declaration = parsed.data;
    const wrong = this.#references(declaration, where);
    if (wrong.length > 0) return { wrong };
    const { model = readSettings().openai.model ?? DEFAULT_MODEL } = this.#parts;
    const definition = completeAgent(declaration, { model, policy: undefined });
    const template = 'template' in rest ? { template: rest.template } : {};
    return {
      found: { definition, version: versionOf(definition), replace, ...template },
      wrong: [],
    };
  }

  #references(declaration: AgentDeclaration, where: string): Problem[] {
    const { config } = this.#parts;
    const configured = config?.agents.map(({ name }) => name) ?? ['assistant'];
    if (configured.includes(declaration.name)) {
      const text = `the configuration has an agent "${declaration.name}", which counts. Choose another name.`;
      return [{ where: `${where}.name`, text }];
    }
    if (!config) return [];
    const known = {
      tools: config.tools.map(({ name }) => name),
      servers: Object.keys(config.mcp),
      providers: Object.keys(config.providers),
      skills: config.skills ?? [],
    };
    // Agents that are made may refer to each other, in whatever order they are made.
    return agentProblems([{ declaration, where: (path) => at(where, path) }], {
      ...known,
      anyAgent: true,
    });
  }
}

/** The templates of a tenant, and those that come with Perdura. */
export class TemplateRegistry {
  readonly #parts: Pick<FactoryParts, 'tenant' | 'templates'>;

  constructor(parts: Pick<FactoryParts, 'tenant' | 'templates'>) {
    this.#parts = parts;
  }

  /**
   * Keeps a template, in place of the one of that name. Rejects with `Config.Invalid`, which names every
   * wrong field, a template that is extended and is not there, and a circle.
   */
  async register(name: string, template: AgentTemplate): Promise<void> {
    const where = `template "${String(name).slice(0, 80)}"`;
    const problems: Problem[] = [];
    if (typeof name !== 'string' || !TEMPLATE_NAME.test(name)) {
      const text = 'is not a valid name. Use 1 to 64 of A-Z, a-z, 0-9, "_" and "-".';
      problems.push({ where, text });
    } else if (Object.hasOwn(READY_TEMPLATES, name)) {
      const text = `comes with Perdura. Choose another name, and extends: "${name}" to build on it.`;
      problems.push({ where, text });
    }
    problems.push(...templateProblems(template, where));
    throwProblems('Config.Invalid', problems);
    const all = new Map(await this.all()).set(name, template);
    const whole = wholeTemplate(name, (each) => all.get(each), [...all.keys()]);
    if ('problem' in whole) throwProblems('Config.Invalid', [whole.problem]);
    await this.#parts.templates.put(this.#parts.tenant, name, template);
  }

  /** Whether there was one. Those that come with Perdura stay. */
  remove(name: string): Promise<boolean> {
    return this.#parts.templates.remove(this.#parts.tenant, name);
  }

  async get(name: string): Promise<KnownTemplate | undefined> {
    return (await this.list()).find((template) => template.name === name);
  }

  /** Those that come with Perdura first, then the others, by name. */
  async list(): Promise<KnownTemplate[]> {
    return [...(await this.all())].map(([name, template]) => ({
      name,
      ...template,
      ...(Object.hasOwn(READY_TEMPLATES, name) ? { ready: true as const } : {}),
    }));
  }

  /** By name. */
  async all(): Promise<ReadonlyMap<string, AgentTemplate>> {
    const registered = await this.#parts.templates.list(this.#parts.tenant);
    return new Map([
      ...Object.entries(READY_TEMPLATES),
      ...registered.map(({ template, body }) => [template, body as AgentTemplate] as const),
    ]);
  }
}

function fromTemplate(
  item: CreateFromTemplateOptions & { readonly template: string },
  where: string,
  templates: ReadonlyMap<string, AgentTemplate>,
): { fields: AgentDeclaration; wrong: readonly Problem[] } {
  const { template: name, name: agent, variables = {}, overrides = {} } = item;
  const nothing = { name: agent, instructions: '' };
  const whole = wholeTemplate(name, (each) => templates.get(each), [...templates.keys()]);
  if ('problem' in whole) {
    const { where: place, text } = whole.problem;
    return { fields: nothing, wrong: [{ where: `${where}.${place}`, text }] };
  }
  const filled = fillTemplate(whole.template, variables, where);
  return {
    fields: { ...nothing, ...filled.agent, ...overrides, name: agent },
    wrong: filled.problems,
  };
}

function at(where: string, path: Path): string {
  const text = pathText(path);
  return text === '' ? where : `${where}.${text}`;
}
