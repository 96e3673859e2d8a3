/** Agents and providers of the configuration, by name. */
import { PerduraError } from '../src/contracts/failures.js';
import type { ResolvedConfig } from '../src/contracts/config.js';
import type { LLMClient, Provider } from '../src/contracts/llm.js';
import type { AgentDirectory } from '../activities/deps.js';
import { createLLMClient } from '../src/llm/openai-client.js';

export function agentDirectory({ agents, file }: ResolvedConfig): AgentDirectory {
  const byName = new Map(agents.map((agent) => [agent.name, agent]));
  return {
    get(name) {
      const agent = byName.get(name);
      if (agent) return agent;
      const known = [...byName.keys()].join(', ');
      throw new PerduraError(
        'Agent.Unknown',
        `There is no agent "${name}" in ${file ?? 'the configuration'}; there are: ${known}.`,
      );
    },
  };
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
