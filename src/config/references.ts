/** Whether the parts of a configuration fit together: duplicate names and unknown references. */
import type { Tool } from '../contracts/tool.js';
import type { DeclaredAgent } from './agent-yaml.js';
import type { AgentDeclaration } from './define-config.js';
import { handoffTool } from '../contracts/agent.js';
import { SPAWN_AGENT, subAgentTool, WAIT_FOR } from '../contracts/delegation.js';
import { didYouMean } from '../contracts/near-names.js';
import { MEMORY_TOOLS } from '../contracts/memory.js';
import { chooseSkill, SKILL_TOOLS, type Skill } from '../contracts/skill.js';
import type { Problem } from './problems.js';

/** The tool that every agent has; see `src/tools/artifact-tool.ts`. */
const ALWAYS_THERE = 'read_artifact';
/** The tools of a workspace, which every worker has; see `src/tools/workspace`. */
export const WORKSPACE_TOOLS = [
  'list_files',
  'read_file',
  'search_files',
  'write_file',
  'analyze_data',
] as const;
/** Tools of Perdura that an agent may name. */
const OURS: readonly string[] = [ALWAYS_THERE, SPAWN_AGENT, WAIT_FOR];

/** The names that agents may refer to. */
export interface KnownNames {
  readonly tools: readonly string[];
  readonly servers: readonly string[];
  readonly providers: readonly string[];
  readonly skills: readonly Skill[];
  /** Absent: agents may name any pool, which may be made at run time. */
  readonly pools?: readonly string[];
  /** Agents may refer to some that are not listed: they are made at run time. Default false. */
  readonly anyAgent?: boolean;
}

/** Duplicate agents, and references to what is not declared. */
export function agentProblems(agents: readonly DeclaredAgent[], known: KnownNames): Problem[] {
  const problems: Problem[] = [];
  const first = new Map<string, DeclaredAgent>();
  const names = agents.map(({ declaration }) => declaration.name);
  for (const agent of agents) {
    const { declaration, where } = agent;
    const { name, tools = [], mcp = [], skills = [], provider = 'default' } = declaration;
    const other = first.get(name);
    if (other) {
      const text = `there is already an agent "${name}" at ${other.where(['name'])}. Rename one.`;
      problems.push({ where: where(['name']), text });
    }
    first.set(name, other ?? agent);
    const given = givenTools(declaration);
    for (const tool of known.tools.filter((each) => given.includes(each))) {
      if (declaration.tools && !tools.includes('*') && !tools.includes(tool)) continue;
      const text = `Agent "${name}" is given a tool "${tool}" by Perdura, and the configuration has another one of that name. Rename yours.`;
      problems.push({ where: where(['tools']), text });
    }
    tools.forEach((tool, i) => {
      if (given.includes(tool) || WORKSPACE_TOOLS.includes(tool as never)) return;
      if (tool === '*' || OURS.includes(tool) || known.tools.includes(tool)) return;
      problems.push({ where: where(['tools', i]), text: unknownTool(name, tool, known) });
    });
    mcp.forEach((server, i) => {
      if (server === '*' || known.servers.includes(server)) return;
      const text = unknown(
        `Agent "${name}" refers to the unknown MCP server`,
        server,
        known.servers,
        'mcp',
      );
      problems.push({ where: where(['mcp', i]), text });
    });
    skills.forEach((skill, i) => {
      if (skill === '*' || chooseSkill(known.skills, skill)) return;
      const skillNames = known.skills.map((each) => each.name);
      const versions = known.skills.filter((each) => each.name === skill.split('@')[0]);
      const text =
        versions.length > 0
          ? `Agent "${name}" refers to the skill "${skill.slice(0, 80)}". Known versions: ${versions.map(({ version }) => version).join(', ')}.`
          : unknown(`Agent "${name}" refers to the unknown skill`, skill, skillNames, 'skills');
      problems.push({ where: where(['skills', i]), text });
    });
    const handoffTools = (declaration.handoffs ?? []).map((handoff) =>
      handoffTool(typeof handoff === 'string' ? handoff : handoff.agent),
    );
    declaration.handoffs?.forEach((handoff, i) => {
      const to = typeof handoff === 'string' ? handoff : handoff.agent;
      const place = where(['handoffs', i]);
      const earlier = declaration.handoffs!.findIndex(
        (other) => (typeof other === 'string' ? other : other.agent) === to,
      );
      if (earlier < i) problems.push({ where: place, text: `"${to}" is listed twice. Keep one.` });
      if (to === name) {
        problems.push({ where: place, text: `Agent "${name}" cannot hand over to itself.` });
      } else if (!known.anyAgent && !names.includes(to)) {
        const text = unknown(
          `Agent "${name}" hands over to the unknown agent`,
          to,
          names,
          'agents',
        );
        problems.push({ where: place, text });
      }
    });
    declaration.agents?.forEach((each, i) => {
      const sub = typeof each === 'string' ? { agent: each } : each;
      const place = where(typeof each === 'string' ? ['agents', i] : ['agents', i, 'agent']);
      if (!known.anyAgent && !names.includes(sub.agent)) {
        const text = unknown(
          `Agent "${name}" refers to the unknown agent`,
          sub.agent,
          names,
          'agents',
        );
        problems.push({ where: place, text });
      }
      const tool = subAgentTool({ agent: sub.agent, ...(sub.name ? { name: sub.name } : {}) });
      const taken =
        OURS.includes(tool) ||
        given.includes(tool) ||
        handoffTools.includes(tool) ||
        (offers(declaration.tools, tool) && known.tools.includes(tool));
      if (!taken) return;
      const text = `the tool of the sub-agent would be named "${tool}", as another tool of "${name}" is. Give it another "name".`;
      problems.push({ where: place, text });
    });
    const pool = typeof declaration.pool === 'object' ? declaration.pool.name : declaration.pool;
    if (pool !== undefined && known.pools && !known.pools.includes(pool)) {
      const text = unknown(
        `Agent "${name}" refers to the unknown pool`,
        pool,
        known.pools,
        'pools',
      );
      problems.push({ where: where(['pool']), text });
    }
    if (!known.providers.includes(provider)) {
      const text = unknown(
        `Agent "${name}" refers to the unknown provider`,
        provider,
        known.providers,
        'providers',
      );
      problems.push({ where: where(['provider']), text });
    }
  }
  return problems;
}

/** Names of the tools that an agent gets by its declaration. */
function givenTools({ memory, skills = [] }: AgentDeclaration): readonly string[] {
  return [...(memory ? MEMORY_TOOLS : []), ...(skills.length > 0 ? SKILL_TOOLS : [])];
}

/** Duplicate tools, and names that are reserved. */
export function toolProblems(
  tools: readonly Tool[],
  servers: readonly string[],
  file: string | undefined,
): Problem[] {
  const first = new Map<string, number>();
  return tools.flatMap(({ name }, i) => {
    const where = `${file}: tools[${i}]`;
    const other = first.get(name);
    first.set(name, other ?? i);
    if (other !== undefined) {
      return [{ where, text: `there is already a tool "${name}" at tools[${other}]. Rename one.` }];
    }
    const taken = OURS.includes(name) || servers.some((server) => name.startsWith(`${server}__`));
    if (!taken) return [];
    const owner = OURS.includes(name) ? 'Perdura' : 'an MCP server';
    return [{ where, text: `the tool name "${name}" belongs to ${owner}. Choose another.` }];
  });
}

/** Whether an agent that lists these tools has this one; without a list it has all. */
function offers(tools: readonly string[] | undefined, tool: string): boolean {
  return tools === undefined || tools.includes('*') || tools.includes(tool);
}

function unknownTool(agent: string, tool: string, { tools, servers }: KnownNames): string {
  const server = tool.split('__')[0]!;
  if (tool.includes('__') && servers.includes(server)) {
    return `Agent "${agent}" lists the tool "${tool}" of an MCP server. List the server instead, mcp: ["${server}"]; its "tools" in perdura.config.ts selects among its tools.`;
  }
  if (servers.includes(tool)) {
    return `Agent "${agent}" lists the MCP server "${tool}" as a tool. List it under "mcp".`;
  }
  return unknown(`Agent "${agent}" refers to the unknown tool`, tool, tools, 'tools');
}

function unknown(subject: string, name: string, known: readonly string[], section: string): string {
  const near = didYouMean(name, known);
  const there =
    near ||
    (known.length === 0
      ? ` Declare it under "${section}" in perdura.config.ts.`
      : ` Known: ${known.join(', ')}.`);
  return `${subject} "${name.slice(0, 80)}".${there}`;
}
