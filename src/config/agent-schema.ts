/**
 * The checks of an agent's declaration, from code and from YAML alike, and its completion
 * with the defaults. Knows no files; the names that it refers to are checked in references.ts.
 */
import { isOpenAIReasoningModel } from '../contracts/model-traits.js';
import { z } from 'zod';
import { DEFAULT_LIMITS, type Agent, type AgentLimits } from '../contracts/agent.js';
import { schemaProblem } from '../contracts/json-schema.js';
import { WHILE_WORKING } from '../contracts/while-working.js';
import type { AgentDeclaration } from './define-config.js';
import { between, closed, list, oneOf, shown, text, texts, whole } from './schema-words.js';

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
  unread: oneOf(['all', 'one']).optional(),
  whileWorking: oneOf(WHILE_WORKING).optional(),
  limits: limits.optional(),
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

/** The declaration with all defaults; `model` is the default one. */
export function completeAgent(declared: AgentDeclaration, defaults: { model: string }): Agent {
  const { description, contextWindow, responseFormat, whileWorking, metadata } = declared;
  const model = declared.model ?? defaults.model;
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
    unread: declared.unread ?? 'all',
    ...(whileWorking === undefined ? {} : { whileWorking }),
    limits: completeLimits(declared.limits),
    ...(metadata === undefined ? {} : { metadata }),
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
