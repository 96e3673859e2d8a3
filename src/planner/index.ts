/** Planning: what an agent can do as a graph, and plans on it. Knows no session and no Temporal. */
export { buildCapabilityGraph } from './build-graph.js';
export type { AgentSource, GraphSources, CapabilitySkill } from './build-graph.js';
export { PlannerAgent, type AcceptedPlan, type PlannerAgentOptions } from './planner-agent.js';
