/** The capability graph of an agent, of what a worker has for it: tools, MCP tools, skills, agents. */
import { CapabilityGraph, type Capability, type CapabilityGap } from '../contracts/capabilities.js';
import { NO_ARGUMENTS } from '../contracts/json-schema.js';
import { mayDelegate, needsApproval, policyOf, type WithPolicy } from '../contracts/policy.js';
import type { Tool } from '../contracts/tool.js';
import { declaredTool } from '../tools/approval-guard.js';

/** A skill, as far as it is a capability. */
export interface CapabilitySkill {
  readonly name: string;
  readonly description: string;
}

/** An agent to which work can be delegated, where it is not among the tools. */
export interface AgentSource {
  readonly name: string;
  readonly description?: string;
}

export interface GraphSources {
  readonly agent: WithPolicy & { readonly name: string };
  readonly tools: Iterable<Tool>;
  readonly skills?: readonly CapabilitySkill[];
  readonly agents?: readonly AgentSource[];
  /** MCP servers that cannot be reached now. */
  readonly unavailable?: readonly { readonly server: string; readonly reason: string }[];
}

/** Builds the graph. Calls nothing: what it says of health is what the worker knows already. */
export function buildCapabilityGraph(sources: GraphSources): CapabilityGraph {
  const { agent, tools, skills = [], agents = [], unavailable = [] } = sources;
  const policy = policyOf(agent);
  const capabilities: Capability[] = [];
  for (const tool of tools) {
    const waits = needsApproval(policy, tool);
    capabilities.push({
      name: tool.name,
      kind: tool.source.kind === 'mcp' ? 'mcp' : 'tool',
      source: tool.source.kind === 'mcp' ? tool.source.server : tool.source.kind,
      description: tool.description,
      needs: tool.parameters,
      ...(tool.yields === undefined ? {} : { yields: tool.yields }),
      effect: declaredTool(tool).effect,
      risk: tool.highRisk || waits ? 'high' : 'low',
      ...(waits ? { approval: true } : {}),
      ...(tool.cost === undefined ? {} : { cost: tool.cost }),
      health: { state: 'ok' },
    });
  }
  for (const { name, description } of skills) {
    capabilities.push({
      ...OF_TEXT,
      name,
      kind: 'skill',
      source: name,
      description,
      effect: 'read',
    });
  }
  for (const { name, description = '' } of agents) {
    capabilities.push({
      ...OF_TEXT,
      name,
      kind: 'agent',
      source: name,
      description,
      effect: 'once',
      ...(mayDelegate(policy, name)
        ? {}
        : { forbidden: `The policy does not let "${agent.name}" delegate to "${name}".` }),
    });
  }
  const gaps = unavailable.map(({ server, reason }): CapabilityGap => ({ source: server, reason }));
  return new CapabilityGraph({ agent: agent.name, capabilities, gaps });
}

const OF_TEXT = { needs: NO_ARGUMENTS, risk: 'low', health: { state: 'ok' } } as const;
