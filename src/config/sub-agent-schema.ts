/**
 * The checks of `agents` in an agent's declaration: the agents to which it may delegate. Schemas
 * may be zod's; an agent carries JSON Schema, which can be stored.
 */
import { z } from 'zod';
import { isToolName } from '../contracts/define-tool.js';
import { subAgentTool, type SubAgent } from '../contracts/delegation.js';
import { schemaProblem, wellFormedJson } from '../contracts/json-schema.js';
import type { JsonSchema } from '../contracts/tool-kinds.js';
import { closed, kindOf, list, oneOf, shown, text, whole } from './schema-words.js';

/** JSON Schema, or a zod object. */
export type DeclaredSchema = JsonSchema | z.ZodObject;

/** A sub-agent as it is declared; see `SubAgent` for the defaults. */
export type SubAgentDeclaration = {
  readonly [K in Exclude<keyof SubAgent, 'agent' | 'input' | 'output'>]?: SubAgent[K] | undefined;
} & {
  readonly agent: string;
  readonly input?: DeclaredSchema | undefined;
  readonly output?: DeclaredSchema | undefined;
};

const flag = z.boolean({ error: ({ input }) => `must be true or false, not ${shown(input)}.` });

const toolName = text('the name of a tool').refine(isToolName, {
  error: ({ input }) =>
    `${shown(input)} is not a valid tool name. Use 1 to 64 of A-Z, a-z, 0-9, "_" and "-".`,
});

const schema = (io: 'input' | 'output') =>
  z.custom<DeclaredSchema>().superRefine((value, context) => {
    const add = (message: string) => context.addIssue({ code: 'custom', message });
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return add(`must be a JSON Schema or a zod object, not ${kindOf(value)}.`);
    }
    try {
      const problem = schemaProblem(jsonSchemaOf(value, io));
      if (problem !== undefined) add(problem);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      add(`cannot be converted to JSON Schema (${reason}). Use types that JSON has.`);
    }
  });

const declared = closed({
  agent: text('the name of an agent'),
  name: toolName.optional(),
  description: text('what it is to be asked for').optional(),
  input: schema('input').optional(),
  output: schema('output').optional(),
  detached: flag.optional(),
  onParentEnd: oneOf(['end', 'keep', 'grandparent']).optional(),
  timeoutMs: whole(1, 30 * 24 * 3_600_000, 'milliseconds').optional(),
});

/** By its kind, so that an error speaks of what was meant. */
const subAgent = z.custom<string | SubAgentDeclaration>().superRefine((value: unknown, context) => {
  const short = typeof value === 'string';
  const { error } = declared.safeParse(short ? { agent: value } : value);
  for (const { path, message } of error?.issues ?? []) {
    context.addIssue({ code: 'custom', path: short ? [] : [...path], message });
  }
});

/** `agents` of a declaration. */
export const subAgentsSchema = list(subAgent, 'sub-agents').superRefine((subAgents, context) => {
  const first = new Map<string, number>();
  subAgents.forEach((each, i) => {
    const name = typeof each === 'string' ? each : each && subAgentTool(named(each));
    const before = first.get(name);
    if (before === undefined) return void first.set(name, i);
    const message = `has the tool name "${name}", as agents[${before}] has. Give one of them another "name".`;
    context.addIssue({ code: 'custom', path: [i], message });
  });
});

/** As an agent carries them: complete, with JSON Schema. */
export function completeSubAgents(
  subAgents: readonly (string | SubAgentDeclaration)[],
): readonly SubAgent[] {
  return subAgents.map((each) => {
    if (typeof each === 'string') return { agent: each };
    const { input, output, ...rest } = each;
    const given = Object.entries(rest).filter(([, value]) => value !== undefined);
    return {
      ...(Object.fromEntries(given) as unknown as SubAgent),
      ...(input === undefined ? {} : { input: jsonSchemaOf(input, 'input') }),
      ...(output === undefined ? {} : { output: jsonSchemaOf(output, 'output') }),
    };
  });
}

/** Of what the model writes: a zod schema by the side that is meant. */
function jsonSchemaOf(given: DeclaredSchema, io: 'input' | 'output'): JsonSchema {
  // By its mark, not by `instanceof`: the application may bring its own copy of zod.
  if (!('_zod' in given)) return wellFormedJson(given);
  const { $schema: _, ...rest } = z.toJSONSchema(given as z.ZodObject, { io });
  return wellFormedJson(rest);
}

function named({ name, agent }: SubAgentDeclaration): { name?: string; agent: string } {
  return { agent, ...(name === undefined ? {} : { name }) };
}
