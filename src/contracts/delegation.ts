/**
 * Delegation: an agent gives a task to another agent, which works on it in a session of its own and
 * below the session that asked. The words of it, and the rules of who may. Pure: the sandbox
 * imports it.
 */
import type { AgentReference } from './agent.js';
import type { FailureInfo } from './failures.js';
import { fnv1a64 } from './ids.js';
import type { RuntimePolicy } from './policy.js';
import type { OnParentEnd } from './session.js';
import type { JsonSchema } from './tool-kinds.js';

/** A sub-agent of an agent: the model gets a tool for it. */
export interface SubAgent {
  /** Name of the agent that does the work. */
  readonly agent: string;
  /** Name of the tool. Default: the agent's. */
  readonly name?: string;
  /** For the model. Default: the description of the agent. */
  readonly description?: string;
  /** JSON Schema of the arguments. Default: `{ task: string }`. */
  readonly input?: JsonSchema;
  /** JSON Schema of the answer, which is then JSON, over the agent's own `responseFormat`. */
  readonly output?: JsonSchema;
  /** The call returns at once; the answer comes as a message. Default false. */
  readonly detached?: boolean;
  /** Default `end`. */
  readonly onParentEnd?: OnParentEnd;
  /** Longest time of a task, ms; then the sub-agent is stopped. Default: none. */
  readonly timeoutMs?: number;
}

/** Name of the tool of a sub-agent. */
export function subAgentTool({ name, agent }: Pick<SubAgent, 'name' | 'agent'>): string {
  return name ?? agent;
}

/** The tool that starts a detached sub-agent of the model's choice. */
export const SPAWN_AGENT = 'spawn_agent';
/** The tool that waits for detached sub-agents. */
export const WAIT_FOR = 'wait_for';

/** What `wait_for` waits for unless the model says how long, ms. */
export const DEFAULT_WAIT_MS = 600_000;

/** Longest task, UTF-16 units: it stands in the histories of both sessions. */
export const MOST_TASK_UNITS = 64 * 1024;
/** Of all tasks of one answer: they come in one payload, which may have 2 MiB. */
export const MOST_TASKS_UNITS = 256 * 1024;
/** Longest answer that is told as a message, UTF-16 units. */
export const MOST_TOLD_UNITS = 32 * 1024;

/** The declaration under which a session works: whose sub-agent it is, and by which tool. */
export interface AskedBy extends AgentReference {
  readonly tool: string;
}

/** A task that an answer of the model gives to a sub-agent, as its activity has planned it. */
export interface PlannedTask {
  readonly agent: string;
  /** Name of the session that works on it: the same for every attempt at this call. */
  readonly session: string;
  /** The message. Absent where it is too long for a task. */
  readonly text?: string;
  readonly detached?: true;
  /** Absent: `end`. */
  readonly onParentEnd?: Exclude<OnParentEnd, 'end'>;
  /** Set where the declaration states the shape of the answer. */
  readonly asked?: AskedBy;
}

/** A call of `wait_for`. */
export interface PlannedWait {
  /** Absent: all that are at work. */
  readonly sessions?: readonly string[];
  /** The first of them is enough. */
  readonly any?: true;
}

/** The rules that hold for the tasks of an answer. */
export type DelegationRules = Pick<
  RuntimePolicy,
  'maxDepth' | 'maxChildren' | 'maxDescendants' | 'allowCycles'
>;

/** A run above a session in its tree. */
export interface Ancestor {
  /** As `runName` has it. */
  readonly run: string;
  /** The agent that delegated. Absent for a workflow of an application. */
  readonly agent?: string;
}

/** What a session is told that works for another one. */
export interface ChildInput {
  /** The runs above it, the root of the tree first; the last one is its parent. */
  readonly ancestors: readonly Ancestor[];
  /** It ends when it has answered what it was asked. */
  readonly once?: true;
  readonly asked?: AskedBy;
  /** Most sessions below the root of its tree. Absent: any. */
  readonly maxDescendants?: number;
  /**
   * It runs for whom its parent runs: the store copies that context. Not by value, so that a child
   * that starts after an erasure brings nothing back.
   */
  readonly context?: true;
}

/** A session that works for this one. It is carried to the next run. */
export interface Child {
  readonly session: string;
  readonly agent: string;
  /** The call that waits for its answer. Absent for one that is detached. */
  readonly call?: string;
  /** Absent: `end`. */
  readonly onParentEnd?: Exclude<OnParentEnd, 'end'>;
}

/** How a sub-agent ended its task. */
export type ChildEnd =
  | { readonly session: string; readonly agent: string; readonly text: string }
  | { readonly session: string; readonly agent: string; readonly failure: FailureInfo };

/** Id of the message that gives a task to this session: it has no other that is answered. */
export function taskId(session: string): string {
  return `task-${fnv1a64(session)}`;
}

const END = 'done-';

/** Id of the message that tells how a detached sub-agent ended. */
export function endId(session: string): string {
  return `${END}${session}`;
}

/** The session whose end the message with this id tells; `undefined` for any other message. */
export function endedSession(id: string): string | undefined {
  return id.startsWith(END) ? id.slice(END.length) : undefined;
}

/** Name of the session for a task: readable, and unique by the key of its call. */
export function childSession(agent: string, key: string): string {
  const readable = agent.replace(/^[^A-Za-z0-9]+/, '').slice(0, 48) || 'agent';
  return `${readable}-${key.slice(0, 16)}`;
}

/** Levels above a session that were delegated through. */
export function depthOf(ancestors: readonly Ancestor[]): number {
  return ancestors.filter(({ agent }) => agent !== undefined).length;
}

/** Why a session may not give this task to a sub-agent, or `undefined`. In words for its model. */
export function refusedTask(
  asker: {
    readonly agent: string;
    readonly ancestors: readonly Ancestor[];
    /** Sub-agents that it has at work. */
    readonly atWork: number;
  },
  agent: string,
  rules: DelegationRules,
): FailureInfo | undefined {
  const { ancestors, atWork } = asker;
  const depth = depthOf(ancestors);
  if (depth >= rules.maxDepth) {
    return {
      type: 'Delegation.TooDeep',
      message: `This agent is ${depth} level${depth === 1 ? '' : 's'} below the first one, and ${rules.maxDepth} are allowed: it may not delegate any further. Do the task yourself, with the tools that you have.`,
    };
  }
  const chain = [...ancestors.flatMap(({ agent: above }) => above ?? []), asker.agent];
  if (!rules.allowCycles && chain.includes(agent)) {
    return {
      type: 'Delegation.Cycle',
      message: `"${agent}" is waiting for this very work (${[...chain, agent].join(' → ')}): an agent may not delegate to one above it. Do the task yourself, or ask another agent.`,
    };
  }
  if (atWork >= rules.maxChildren) {
    return {
      type: 'Delegation.TooMany',
      message: `${atWork} sub-agents are at work for this agent, and ${rules.maxChildren} may be. Give this task again when one of them has answered.`,
    };
  }
  return undefined;
}
