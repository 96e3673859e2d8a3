/** A sub-agent answers in the shape that the declaration of its asker states. */
import type { Agent } from '../../src/contracts/agent.js';
import { subAgentTool } from '../../src/contracts/delegation.js';
import type { RunReference } from '../../src/contracts/run-reference.js';
import type { JsonSchema } from '../../src/contracts/tool-kinds.js';
import type { AgentDirectory } from '../deps.js';

/** Made once: what is kept for an agent is found by identity. */
const asked = new WeakMap<Agent, WeakMap<JsonSchema, Agent>>();

/**
 * The agent, with the `responseFormat` of the task that its session works on. Without one where the
 * declaration has no `output` any more: the session goes on as it would by itself.
 */
export function askedAgent(
  agents: AgentDirectory,
  agent: Agent,
  run: RunReference | undefined,
): Agent {
  const output = run?.asked && outputOf(agents, run.asked);
  if (!output) return agent;
  const known = asked.get(agent)?.get(output);
  if (known) return known;
  const made = { ...agent, responseFormat: { name: run.asked.tool, schema: output } };
  if (!asked.has(agent)) asked.set(agent, new WeakMap());
  asked.get(agent)!.set(output, made);
  return made;
}

function outputOf(
  agents: AgentDirectory,
  { agent, tool }: NonNullable<RunReference['asked']>,
): JsonSchema | undefined {
  try {
    return agents.get(agent).agents?.find((sub) => subAgentTool(sub) === tool)?.output;
  } catch {
    return undefined;
  }
}
