/**
 * The checks of an agent's declaration, from code and from YAML alike, and its completion
 * with the defaults. Knows no files; the names that it refers to are checked in references.ts.
 */
import { isOpenAIReasoningModel } from '../contracts/model-traits.js';
import { z } from 'zod';
import {
  DEFAULT_LIMITS,
  MOST_HANDOFF_NAME,
  type Agent,
  type AgentLimits,
  type Handoff,
  type HandoffFilter,
} from '../contracts/agent.js';
import { schemaProblem } from '../contracts/json-schema.js';
import { memoryOptions, MOST_RECALLED, type MemoryDeclaration } from '../contracts/memory.js';
import { isPoolName, MOST_PRIORITY, type PoolReference } from '../contracts/pool.js';
import { mergePolicies, type PolicyDeclaration } from '../contracts/policy.js';
import { showContextProblem } from '../contracts/runtime-context.js';
import { didYouMean } from '../contracts/near-names.js';
import { MESSAGE_TOOLS, type MessageTool } from '../contracts/mail.js';
import { WHILE_WORKING } from '../contracts/while-working.js';
import type { AgentDeclaration, HandoffDeclaration, PoolDeclaration } from './define-config.js';
import { flag, policySchema } from './policy-schema.js';
import { completeSubAgents, subAgentsSchema } from './sub-agent-schema.js';
import { between, closed, list, oneOf, shown, text, texts, whole } from './schema-words.js';

const HANDOFF_FILTERS = ['all', 'no-tools', 'summary'] as const;
const KiB = 1024;
const MiB = 1024 * KiB;
const NAME = /^[A-Za-z0-9_-]{1,64}$/;

const name = (what: string) =>
  text(what).regex(NAME, {
    error: ({ input }) =>
      `${shown(input)} is not a valid name. Use 1 to 64 of A-Z, a-z, 0-9, "_" and "-".`,
  });

/** Text on purpose: an inline server would be a command from a file that names no code. */
const serverName = z.string({
  error: ({ input }) =>
    typeof input === 'object' && input !== null
      ? 'must be the name of an MCP server. Declare the server itself under "mcp" in perdura.config.ts.'
      : `must be the name of an MCP server, not ${shown(input)}.`,
});

const limits = closed({
  maxSteps: whole(1, 1_000, 'model calls').optional(),
  stepsPerActivity: whole(1, 100, 'model calls').optional(),
  maxTurnMs: whole(1_000, 30 * 24 * 3_600_000, 'milliseconds').optional(),
  maxTurnCostUsd: between(0.0001, 100_000, 'US dollars').optional(),
  maxRepairs: whole(0, 100, 'steps').optional(),
  // Temporal ends at 2 MiB a payload; see AgentLimits.
  maxMessageBytes: whole(1, MiB, 'bytes').optional(),
  maxToolOutputBytes: whole(KiB, MiB, 'bytes').optional(),
  maxArtifactBytes: whole(KiB, 256 * MiB, 'bytes').optional(),
});

const responseFormat = closed({
  name: name('what the answer is'),
  schema: z
    .record(z.string(), z.unknown(), { error: 'must be a JSON Schema: an object.' })
    .superRefine((schema, context) => {
      const problem = schemaProblem(schema);
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
    }),
});

const memoryFields = closed({
  scope: oneOf(['user', 'agent']).optional(),
  recallAtStart: whole(0, MOST_RECALLED, 'entries').optional(),
});

const memory = z.unknown().superRefine((value, context) => {
  if (typeof value === 'boolean') return;
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isObject) {
    const message = `must be true, false, or an object with scope and recallAtStart, not ${shown(value)}.`;
    context.addIssue({ code: 'custom', message });
    return;
  }
  for (const { path, message } of memoryFields.safeParse(value).error?.issues ?? []) {
    context.addIssue({ code: 'custom', path: [...path], message });
  }
}) as z.ZodType<MemoryDeclaration>;

const showContext = list(
  z.string({ error: 'must be a path such as user.name.' }).superRefine((path, context) => {
    const problem = showContextProblem(path);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  }),
  'paths such as user.name',
);
const messages = z.unknown().superRefine((value, context) => {
  const ok =
    typeof value === 'boolean' ||
    (Array.isArray(value) && value.every((name) => MESSAGE_TOOLS.includes(name as MessageTool)));
  if (ok) return;
  const wrong = Array.isArray(value)
    ? (value as unknown[]).find((name) => !MESSAGE_TOOLS.includes(name as MessageTool))
    : value;
  const hint = typeof wrong === 'string' ? didYouMean(wrong, MESSAGE_TOOLS) : '';
  const message = `must be true, false, or a list of ${MESSAGE_TOOLS.join(', ')}, not ${shown(wrong)}.${hint}`;
  context.addIssue({ code: 'custom', message });
}) as z.ZodType<boolean | readonly MessageTool[]>;

const agentName = name('the agent that takes over').max(MOST_HANDOFF_NAME, {
  error: `must have at most ${MOST_HANDOFF_NAME} characters, because the tool that hands over is named after it.`,
});

const turns = closed({ turns: whole(1, 1_000, 'turns') });

const handoffFilter = z.unknown().superRefine((value, context) => {
  if (typeof value === 'object' && value !== null) {
    for (const { path, message } of turns.safeParse(value).error?.issues ?? []) {
      context.addIssue({ code: 'custom', path: [...path], message });
    }
  } else if (!HANDOFF_FILTERS.includes(value as never)) {
    const message = `must be ${HANDOFF_FILTERS.map((each) => `"${each}"`).join(', ')} or { turns: <number> }, not ${shown(value)}.`;
    context.addIssue({ code: 'custom', message });
  }
}) as z.ZodType<HandoffFilter>;

const fullHandoff = closed({
  agent: agentName,
  description: text('when to hand over').optional(),
  filter: handoffFilter.optional(),
  reason: z
    .literal(true, { error: ({ input }) => `must be true or left out, not ${shown(input)}.` })
    .optional(),
});

/** By its kind, so that an error speaks of the form that was meant. */
const handoff = z.custom<string | HandoffDeclaration>().superRefine((value, context) => {
  const schema = typeof value === 'string' ? agentName : fullHandoff;
  for (const { path, message } of schema.safeParse(value).error?.issues ?? []) {
    context.addIssue({ code: 'custom', path: [...path], message });
  }
});

const poolName = z.string().refine(isPoolName, {
  error: ({ input }) =>
    `must be the name of a pool, 1 to 64 of A-Z, a-z, 0-9, "_" and "-", not ${shown(input)}.`,
});

const fullPool = closed({
  name: poolName,
  priority: whole(-MOST_PRIORITY, MOST_PRIORITY, 'minutes of waiting').optional(),
});

/** As for handoffs. */
const pool = z.custom<string | PoolDeclaration>().superRefine((value, context) => {
  const schema = typeof value === 'object' && value !== null ? fullPool : poolName;
  for (const { path, message } of schema.safeParse(value).error?.issues ?? []) {
    context.addIssue({ code: 'custom', path: [...path], message });
  }
});

/** An agent's declaration. */
export const agentSchema = closed({
  name: name('what the agent is called'),
  description: text('what the agent is for').optional(),
  instructions: text('what the agent is to do, its system prompt'),
  provider: text('the name of a provider').optional(),
  model: text('the name of a model, such as gpt-5-mini').optional(),
  temperature: between(0, 2, 'null or a number').nullable().optional(),
  maxTokens: whole(1, 1_000_000, 'tokens').optional(),
  contextWindow: whole(1_000, 100_000_000, 'tokens').optional(),
  responseFormat: responseFormat.optional(),
  tools: list(z.string({ error: 'must be the name of a tool.' }), 'names of tools').optional(),
  mcp: list(serverName, 'names of MCP servers').optional(),
  messages: messages.optional(),
  handoffs: list(handoff, 'handoffs').optional(),
  agents: subAgentsSchema.optional(),
  unread: oneOf(['all', 'one']).optional(),
  whileWorking: oneOf(WHILE_WORKING).optional(),
  limits: limits.optional(),
  policy: policySchema.optional(),
  pool: pool.optional(),
  memory: memory.optional(),
  skills: list(z.string({ error: 'must be the name of a skill.' }), 'names of skills').optional(),
  showContext: showContext.optional(),
  planner: flag.optional(),
  metadata: texts('text').optional(),
}).superRefine((agent, context) => {
  const fits = (path: string[], ok: boolean, message: string) => {
    if (!ok) context.addIssue({ code: 'custom', path, message });
  };
  const { contextWindow, maxTokens = DEFAULT_MAX_TOKENS } = agent;
  fits(
    ['contextWindow'],
    contextWindow === undefined || contextWindow > maxTokens,
    `must be larger than maxTokens (${maxTokens}), so that a question fits beside the answer.`,
  );
  const { maxToolOutputBytes, maxArtifactBytes } = completeLimits(agent.limits);
  fits(
    ['limits', 'maxArtifactBytes'],
    maxArtifactBytes >= maxToolOutputBytes,
    `must be at least maxToolOutputBytes (${maxToolOutputBytes}), because longer output becomes an artifact.`,
  );
}) satisfies z.ZodType<AgentDeclaration>;

const DEFAULT_MAX_TOKENS = 4096;
const DEFAULT_TEMPERATURE = 0.7;

/**
 * The declaration with all defaults; `model` and `policy` are those of the configuration. A policy
 * is not completed here: one that nobody states is absent, and a new rule changes no definition.
 */
export function completeAgent(
  declared: AgentDeclaration,
  defaults: { model: string; policy?: PolicyDeclaration | undefined },
): Agent {
  const { description, contextWindow, responseFormat, whileWorking, metadata } = declared;
  const { skills, showContext } = declared;
  const memory = memoryOptions(declared.memory);
  const model = declared.model ?? defaults.model;
  const policy = mergePolicies(defaults.policy, declared.policy);
  return {
    name: declared.name,
    ...(description === undefined ? {} : { description }),
    instructions: declared.instructions,
    provider: declared.provider ?? 'default',
    model,
    temperature:
      declared.temperature === undefined ? defaultTemperature(model) : declared.temperature,
    maxTokens: declared.maxTokens ?? DEFAULT_MAX_TOKENS,
    ...(contextWindow === undefined ? {} : { contextWindow }),
    ...(responseFormat === undefined ? {} : { responseFormat }),
    tools: declared.tools ?? ['*'],
    mcp: declared.mcp ?? [],
    ...(declared.messages === undefined ? {} : { messages: declared.messages }),
    ...(declared.handoffs === undefined || declared.handoffs.length === 0
      ? {}
      : { handoffs: declared.handoffs.map(completeHandoff) }),
    ...(declared.agents && declared.agents.length > 0
      ? { agents: completeSubAgents(declared.agents) }
      : {}),
    unread: declared.unread ?? 'all',
    ...(whileWorking === undefined ? {} : { whileWorking }),
    limits: completeLimits(declared.limits),
    ...(policy === undefined ? {} : { policy }),
    ...(declared.pool === undefined ? {} : { pool: completePool(declared.pool) }),
    ...(memory === undefined ? {} : { memory }),
    ...(skills === undefined || skills.length === 0 ? {} : { skills }),
    ...(showContext === undefined || showContext.length === 0 ? {} : { showContext }),
    ...(declared.planner ? { planner: true } : {}),
    ...(metadata === undefined ? {} : { metadata }),
  };
}

function completePool(declared: string | PoolDeclaration): PoolReference {
  if (typeof declared === 'string') return { name: declared };
  const { name: pool, priority = 0 } = declared;
  return { name: pool, ...(priority === 0 ? {} : { priority }) };
}

function completeHandoff(declared: string | HandoffDeclaration): Handoff {
  if (typeof declared === 'string') return { agent: declared };
  const { agent, description, filter, reason } = declared;
  return {
    agent,
    ...(description === undefined ? {} : { description }),
    ...(filter === undefined ? {} : { filter }),
    ...(reason === undefined ? {} : { reason }),
  };
}

function completeLimits(declared: AgentDeclaration['limits'] = {}): AgentLimits {
  const given = Object.entries(declared).filter(([, value]) => value !== undefined);
  return { ...DEFAULT_LIMITS, ...Object.fromEntries(given) };
}

/** OpenAI's reasoning models refuse any temperature but their own. */
function defaultTemperature(model: string): number | null {
  return isOpenAIReasoningModel(model) ? null : DEFAULT_TEMPERATURE;
}
