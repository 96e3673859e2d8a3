/** A sub-agent answers in the shape that the declaration of its asker states. */
import type { Agent } from '../../src/contracts/agent.js';
import { subAgentTool, type AskedBy } from '../../src/contracts/delegation.js';
import { PerduraError } from '../../src/contracts/failures.js';
import type { RunReference } from '../../src/contracts/run-reference.js';
import type { JsonSchema } from '../../src/contracts/tool-kinds.js';
import type { AgentDirectory } from '../deps.js';

/** Made once: what is kept for an agent is found by identity. */
const asked = new WeakMap<Agent, WeakMap<JsonSchema, Agent>>();

/**
 * The agent, with the `responseFormat` of the task that its session works on. Without one where the
 * declaration has no `output` any more: the session goes on as it would by itself.
 */
export async function askedAgent(
  agents: AgentDirectory,
  agent: Agent,
  run: RunReference | undefined,
): Promise<Agent> {
  const output = run?.asked && (await outputOf(agents, run.asked, run.tenant));
  if (!output) return agent;
  const known = asked.get(agent)?.get(output);
  if (known) return known;
  const made = { ...agent, responseFormat: { name: run.asked.tool, schema: output } };
  if (!asked.has(agent)) asked.set(agent, new WeakMap());
  asked.get(agent)!.set(output, made);
  return made;
}

async function outputOf(
  agents: AgentDirectory,
  { agent, version, tool }: AskedBy,
  tenant: string,
): Promise<JsonSchema | undefined> {
  const reference = { agent, ...(version === undefined ? {} : { version }) };
  const asker = await agents.get(reference, tenant).catch((error: unknown) => {
    if (error instanceof PerduraError && error.type === 'Agent.Unknown') return undefined;
    throw error;
  });
  return asker?.agents?.find((sub) => subAgentTool(sub) === tool)?.output;
}
