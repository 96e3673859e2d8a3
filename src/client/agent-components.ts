/**
 * Named pieces of agents, registered once and injected into the agents that a factory makes: tools,
 * memory, and how the agent's workflow runs.
 */
import type { AgentDeclaration } from '../config/define-config.js';
import { kindOf } from '../config/schema-words.js';
import type { Problem } from '../config/problems.js';
import { PerduraError } from '../contracts/failures.js';
import { didYouMean } from '../contracts/near-names.js';
import type { Tool } from '../contracts/tool.js';

type Fields = Partial<Omit<AgentDeclaration, 'name'>>;

/** A piece of an agent. */
export type AgentComponent =
  | {
      readonly kind: 'tools';
      /** Names, or tools themselves: those are registered where the factory has a registry. */
      readonly tools?: readonly (string | Tool)[];
      /** Names of MCP servers. */
      readonly mcp?: readonly string[];
    }
  /** What the agent keeps in mind: `contextWindow`, and the fields of its memory. */
  | { readonly kind: 'memory'; readonly settings: Fields }
  /** How its turns run: `limits`, `policy`, `handoffs`, `unread`, `responseFormat`. */
  | { readonly kind: 'workflow'; readonly settings: Fields };

/** Where tools that a component brings are put. A `ToolRegistry` of a worker in this process fits. */
export interface ToolHost {
  get(name: string): Tool | undefined;
  register(tool: Tool): unknown;
}

const FIELDS = {
  memory: ['contextWindow', 'memory', 'remember', 'recall', 'skills', 'context'],
  workflow: ['limits', 'policy', 'handoffs', 'unread', 'responseFormat', 'onMessage', 'planner'],
} as const;

export class AgentComponents {
  readonly #host: ToolHost | undefined;
  readonly #all = new Map<string, AgentComponent>();

  constructor(host?: ToolHost) {
    this.#host = host;
  }

  /** Throws `Config.Invalid` for a name that is taken, and for what cannot be a component. */
  register(name: string, component: AgentComponent): this {
    if (this.#all.has(name)) {
      throw invalid(
        `There is already a component "${name}". Remove it first, or choose another name.`,
      );
    }
    const { kind } = component;
    if (kind === 'tools') this.#registerTools(name, component.tools ?? []);
    else if (kind === 'memory' || kind === 'workflow') {
      const allowed: readonly string[] = FIELDS[kind];
      const { settings } = component as { settings?: unknown };
      if (typeof settings !== 'object' || settings === null) {
        throw invalid(`Component "${name}": settings must be an object, not ${kindOf(settings)}.`);
      }
      const wrong = Object.keys(settings).filter((field) => !allowed.includes(field));
      if (wrong.length > 0) {
        throw invalid(
          `Component "${name}": settings.${wrong[0]} does not belong to a component of the kind "${kind}". It may have ${allowed.join(', ')}.`,
        );
      }
    } else {
      throw invalid(`Component "${name}": kind must be "tools", "memory" or "workflow".`);
    }
    this.#all.set(name, component);
    return this;
  }

  /** Whether there was such a component. Agents that were made with it stay as they are. */
  remove(name: string): boolean {
    return this.#all.delete(name);
  }

  get(name: string): AgentComponent | undefined {
    return this.#all.get(name);
  }

  list(): readonly { readonly name: string; readonly component: AgentComponent }[] {
    return [...this.#all].map(([name, component]) => ({ name, component }));
  }

  /** The declaration with these components in it. What it states itself counts. */
  inject(
    declared: Fields,
    names: readonly string[],
    where: string,
  ): { readonly fields: Fields; readonly problems: Problem[] } {
    const problems: Problem[] = [];
    let fields: Fields = {};
    const tools = new Set<string>();
    const mcp = new Set<string>();
    names.forEach((name, i) => {
      const component = this.#all.get(name);
      if (!component) {
        const near = didYouMean(name, [...this.#all.keys()]) || ' Register it first.';
        const text = `there is no component "${String(name).slice(0, 80)}".${near}`;
        problems.push({ where: `${where}.components[${i}]`, text });
      } else if (component.kind === 'tools') {
        for (const each of component.tools ?? [])
          tools.add(typeof each === 'string' ? each : each.name);
        for (const server of component.mcp ?? []) mcp.add(server);
      } else {
        fields = merged(fields, component.settings);
      }
    });
    fields = merged(fields, declared);
    if (tools.size > 0) fields = { ...fields, tools: [...(declared.tools ?? []), ...tools] };
    if (mcp.size > 0) fields = { ...fields, mcp: [...(declared.mcp ?? []), ...mcp] };
    return { fields, problems };
  }

  #registerTools(component: string, tools: readonly (string | Tool)[]): void {
    for (const tool of tools) {
      if (typeof tool === 'string') continue;
      if (!this.#host) {
        throw invalid(
          `Component "${component}" brings the tool "${tool.name}" itself, and this factory has no registry to put it in. Name it, or give the factory the registry of a worker of this process.`,
        );
      }
      if (this.#host.get(tool.name) !== tool) this.#host.register(tool);
    }
  }
}

/** `over` over `under`; of `limits` and `policy` field by field. */
function merged(under: Fields, over: Fields): Fields {
  return {
    ...under,
    ...over,
    ...(under.limits && over.limits ? { limits: { ...under.limits, ...over.limits } } : {}),
    ...(under.policy && over.policy ? { policy: { ...under.policy, ...over.policy } } : {}),
  };
}

function invalid(message: string): PerduraError {
  return new PerduraError('Config.Invalid', message);
}
