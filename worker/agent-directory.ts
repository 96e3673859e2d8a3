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

/** One client per provider, made when it is first used. */
export function providers(config: ResolvedConfig) {
  const made = new Map<string, { client: LLMClient; provider: Provider }>();
  return (name: string): { client: LLMClient; provider: Provider } => {
    let entry = made.get(name);
    if (!entry) {
      const provider = config.providers[name];
      if (!provider) {
        throw new PerduraError(
          'Config.Invalid',
          `There is no provider "${name}" in ${config.file ?? 'the configuration'}; there are: ${Object.keys(config.providers).join(', ')}.`,
        );
      }
      entry = { client: createLLMClient(provider), provider };
      made.set(name, entry);
    }
    return entry;
  };
}
