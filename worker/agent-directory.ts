/**
 * Agents by name and version: those of the configuration, those that were made at run time, and
 * every version that a session may still run, from the store.
 */
import type { AgentDirectory } from '../activities/deps.js';
import { agentText, type Agent, type AgentReference } from '../src/contracts/agent.js';
import type { ResolvedConfig } from '../src/contracts/config.js';
import { PerduraError } from '../src/contracts/failures.js';
import { didYouMean } from '../src/contracts/near-names.js';
import type { LLMClient, Provider } from '../src/contracts/llm.js';
import { createLLMClient } from '../src/llm/openai-client.js';
import { versionOf, type AgentVersion } from '../src/store/agent-definitions.js';
import type { AgentDefinitions } from '../src/store/stores.js';

/** Versions that are kept in memory. */
const MOST_KEPT = 1_000;

export interface DirectoryParts {
  readonly config: ResolvedConfig;
  readonly definitions: Pick<AgentDefinitions, 'keep' | 'made' | 'read'>;
  /** Whether this worker has a tool of that name, of those that are named one by one. */
  readonly hasTool: (name: string) => boolean;
}

export function agentDirectory(parts: DirectoryParts): AgentDirectory {
  return new Directory(parts);
}

class Directory implements AgentDirectory {
  readonly #parts: DirectoryParts;
  /** Of the configuration, by name. */
  readonly #configured: ReadonlyMap<string, AgentVersion>;
  /** By tenant, name and version; in the order of use, the oldest first. */
  readonly #known = new Map<string, Agent>();
  /** Versions that the store is known to have. */
  readonly #kept = new Set<string>();
  /** As they are called here: one object for each definition, by which its tools are found. */
  readonly #callable = new WeakMap<Agent, Agent>();

  constructor(parts: DirectoryParts) {
    this.#parts = parts;
    this.#configured = new Map(
      parts.config.agents.map((definition) => [
        definition.name,
        { definition, version: versionOf(definition) },
      ]),
    );
  }

  async newest(name: string, tenant: string): Promise<AgentVersion> {
    const found = this.#configured.get(name) ?? (await this.#parts.definitions.made(tenant, name));
    if (!found) throw this.#unknown(name);
    return found;
  }

  async keep(tenant: string, found: AgentVersion): Promise<void> {
    const key = keyOf(tenant, found.definition.name, found.version);
    if (this.#kept.has(key)) return;
    await this.#parts.definitions.keep(tenant, found);
    if (this.#kept.size >= MOST_KEPT) this.#kept.clear();
    this.#kept.add(key);
  }

  async get(reference: AgentReference, tenant: string): Promise<Agent> {
    const { agent: name, version } = reference;
    if (version === undefined) return this.#asCalled((await this.newest(name, tenant)).definition);
    const configured = this.#configured.get(name);
    if (configured?.version === version) return this.#asCalled(configured.definition);
    const key = keyOf(tenant, name, version);
    const definition =
      this.#known.get(key) ?? (await this.#parts.definitions.read(tenant, name, version));
    if (!definition) {
      throw new PerduraError(
        'Agent.Unknown',
        `There is no version ${version} of the agent "${name}" in the store.`,
      );
    }
    this.#known.delete(key);
    this.#known.set(key, definition);
    if (this.#known.size > MOST_KEPT) this.#known.delete(this.#known.keys().next().value!);
    return this.#asCalled(definition);
  }

  async callable(reference: AgentReference, tenant: string): Promise<Agent> {
    const agent = await this.get(reference, tenant);
    const missing = this.#missing(agent);
    // What the configuration declares was checked when it was read.
    if (missing.length === 0) return agent;
    throw new PerduraError(
      'Agent.Incomplete',
      `The agent ${agentText(reference)} needs what this worker does not have: ${missing.join(', ')}.`,
    );
  }

  readonly description = (name: string): string | undefined =>
    this.#configured.get(name)?.definition.description;

  #missing({ provider, tools, mcp }: Agent): string[] {
    const { config, hasTool } = this.#parts;
    const has = (of: object, name: string) => name === '*' || Object.hasOwn(of, name);
    return [
      ...(Object.hasOwn(config.providers, provider) ? [] : [`the provider "${provider}"`]),
      ...tools.filter((name) => name !== '*' && !hasTool(name)).map((name) => `the tool "${name}"`),
      ...mcp.filter((name) => !has(config.mcp, name)).map((name) => `the MCP server "${name}"`),
    ];
  }

  /** With the model that its provider answers as, where it has one of its own. */
  #asCalled(definition: Agent): Agent {
    const { config } = this.#parts;
    const model = Object.hasOwn(config.providers, definition.provider)
      ? config.providers[definition.provider]!.model
      : undefined;
    if (model === undefined || model === definition.model) return definition;
    let called = this.#callable.get(definition);
    if (!called) this.#callable.set(definition, (called = { ...definition, model }));
    return called;
  }

  #unknown(name: string): PerduraError {
    const known = [...this.#configured.keys()].join(', ');
    return new PerduraError(
      'Agent.Unknown',
      `There is no agent "${name}" in ${this.#parts.config.file ?? 'the configuration'} as the worker read it when it started, nor was one made at run time.${didYouMean(name, [...this.#configured.keys()])} The configuration had: ${known}. If it has changed since, restart the worker or \`perdura dev\`.`,
    );
  }
}

/** No part has a line break: names and versions have rules. */
function keyOf(tenant: string, name: string, version: string): string {
  return `${tenant}\n${name}\n${version}`;
}

/** One client per provider, made with the worker: its package is loaded before the first call. */
export function providers(config: ResolvedConfig) {
  const made = new Map<string, { client: LLMClient; provider: Provider }>(
    Object.entries(config.providers).map(([name, provider]) => [
      name,
      { client: createLLMClient(provider), provider },
    ]),
  );
  return (name: string): { client: LLMClient; provider: Provider } => {
    const entry = made.get(name);
    if (entry) return entry;
    throw new PerduraError(
      'Config.Invalid',
      `There is no provider "${name}" in ${config.file ?? 'the configuration'}; there are: ${[...made.keys()].join(', ')}.`,
    );
  };
}
