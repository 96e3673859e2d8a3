/**
 * Sub-agents as tools: what a model calls to give a task to another agent. Nothing runs here. A
 * call is made by the workflow, which starts the session that does the work (`run: 'agent'`).
 */
import type { Agent } from '../contracts/agent.js';
import {
  DEFAULT_WAIT_MS,
  MOST_TASK_UNITS,
  SPAWN_AGENT,
  subAgentTool,
  WAIT_FOR,
  type PlannedTask,
  type SubAgent,
} from '../contracts/delegation.js';
import { PerduraError } from '../contracts/failures.js';
import { wellFormed } from '../contracts/message.js';
import { mayDelegate, policyOf } from '../contracts/policy.js';
import type { JsonSchema, Tool } from '../contracts/tool.js';

/** A sub-agent's arguments unless its declaration has others. */
const TASK: JsonSchema = {
  type: 'object',
  properties: {
    task: {
      type: 'string',
      minLength: 1,
      description: 'The whole task. The agent knows nothing of this conversation.',
    },
  },
  required: ['task'],
  additionalProperties: false,
};

/** Most sessions that one `wait_for` names. */
const MOST_WAITED = 100;
/** Longest wait, ms: a week. */
const MOST_WAIT_MS = 604_800_000;

/**
 * The tools by which an agent delegates, as its policy lets it. `describe` has the description of an
 * agent, where it is known.
 */
export function agentTools(
  agent: Agent,
  describe: (name: string) => string | undefined,
): readonly Tool[] {
  const policy = policyOf(agent);
  const subAgents = (agent.agents ?? []).filter((sub) => mayDelegate(policy, sub.agent));
  if (subAgents.length === 0) return [];
  const spawns = agent.tools.includes(SPAWN_AGENT);
  const waits = spawns || agent.tools.includes(WAIT_FOR);
  const detached = subAgents.some((sub) => sub.detached);
  return [
    ...subAgents.map((sub) => subAgentAsTool(agent.name, sub, describe(sub.agent))),
    ...(spawns ? [spawnTool(agent.name, subAgents, describe)] : []),
    ...(waits || detached ? [waitTool()] : []),
  ];
}

function subAgentAsTool(asker: string, sub: SubAgent, described: string | undefined): Tool {
  const name = subAgentTool(sub);
  const what = sub.description ?? described ?? `Gives a task to the agent "${sub.agent}".`;
  const how = sub.detached
    ? ' Answers at once with the name of its session; the result comes later as a message, or by wait_for.'
    : '';
  return {
    ...DELEGATING,
    name,
    description: `${what}${how}`,
    parameters: sub.input ?? TASK,
    timeoutMs: sub.detached ? 0 : (sub.timeoutMs ?? 0),
    delegate: (args, sessionOf) => ({
      task: taskOf(sub, textOf(sub, args), sessionOf(sub.agent), { agent: asker, tool: name }),
    }),
  };
}

function spawnTool(
  asker: string,
  subAgents: readonly SubAgent[],
  describe: (name: string) => string | undefined,
): Tool {
  const names = [...new Set(subAgents.map(subAgentTool))];
  const lines = subAgents.map((sub) => {
    const what = sub.description ?? describe(sub.agent);
    return `- ${subAgentTool(sub)}${what ? `: ${what}` : ''}`;
  });
  return {
    ...DELEGATING,
    name: SPAWN_AGENT,
    description: `Starts an agent that works on a task by itself. Answers at once with the name of its session; the result comes later as a message, or by wait_for. The agents:\n${lines.join('\n')}`,
    parameters: {
      type: 'object',
      properties: {
        agent: { type: 'string', enum: names },
        task: {
          type: 'string',
          minLength: 1,
          description:
            'The whole task: the agent knows nothing of this conversation. JSON where the agent takes typed arguments.',
        },
      },
      required: ['agent', 'task'],
      additionalProperties: false,
    },
    delegate: (args, sessionOf) => {
      const { agent, task } = args as { agent: string; task: string };
      const sub = subAgents.find((each) => subAgentTool(each) === agent)!;
      const asked = { agent: asker, tool: agent };
      return { task: taskOf({ ...sub, detached: true }, task, sessionOf(sub.agent), asked) };
    },
  };
}

function waitTool(): Tool {
  return {
    ...DELEGATING,
    name: WAIT_FOR,
    description:
      'Waits for agents that were started before, and answers with their results. Failed ones are listed with the reason. Without "sessions": all that are at work.',
    effect: 'read',
    parameters: {
      type: 'object',
      properties: {
        sessions: {
          type: 'array',
          items: { type: 'string', maxLength: 80 },
          minItems: 1,
          maxItems: MOST_WAITED,
          description: 'Names of the sessions, as the tools that started them have answered.',
        },
        mode: {
          type: 'string',
          enum: ['all', 'any'],
          description: '"any" ends the wait with the first result. Default "all".',
        },
        timeoutSeconds: {
          type: 'number',
          minimum: 0,
          maximum: MOST_WAIT_MS / 1_000,
          description: `Default ${DEFAULT_WAIT_MS / 1_000}. What is not done then is listed as pending, and goes on.`,
        },
      },
      additionalProperties: false,
    },
    delegate: (args) => {
      const { sessions, mode, timeoutSeconds } = args as {
        sessions?: readonly string[];
        mode?: 'all' | 'any';
        timeoutSeconds?: number;
      };
      const ms = timeoutSeconds === undefined ? DEFAULT_WAIT_MS : timeoutSeconds * 1_000;
      return {
        wait: {
          ...(sessions ? { sessions: [...new Set(sessions.map(wellFormed))] } : {}),
          ...(mode === 'any' ? { any: true as const } : {}),
        },
        ms: Math.max(1, Math.round(ms)),
      };
    },
  };
}

/** What all of them have in common. A retry never starts a second session: its name is the call's. */
const DELEGATING = {
  effect: 'keyed',
  run: 'agent',
  timeoutMs: 0,
  retry: { maximumAttempts: 1, initialIntervalMs: 500 },
  highRisk: false,
  source: { kind: 'code' },
  execute: () => {
    throw new PerduraError('Tool.Failed', 'A sub-agent is started by the workflow, not run.');
  },
} as const satisfies Partial<Tool>;

function textOf(sub: SubAgent, args: unknown): string {
  // Typed arguments are shown to the agent as the JSON that they are.
  return sub.input ? JSON.stringify(args) : (args as { task: string }).task;
}

function taskOf(
  sub: SubAgent,
  text: string,
  session: string,
  asked: { readonly agent: string; readonly tool: string },
): PlannedTask {
  return {
    agent: sub.agent,
    session,
    ...(text.length <= MOST_TASK_UNITS ? { text: wellFormed(text) } : {}),
    ...(sub.detached ? { detached: true } : {}),
    ...(sub.onParentEnd === undefined || sub.onParentEnd === 'end'
      ? {}
      : { ends: sub.onParentEnd }),
    ...(sub.output ? { asked } : {}),
  };
}
