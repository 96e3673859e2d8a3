/**
 * `tool(…)`: a declaration becomes a {@link Tool}, complete with its defaults. Loads zod, so
 * the workflow sandbox must never import this file (`tool.ts` has the types alone).
 */
import { z } from 'zod';
import { PerduraError } from './failures.js';
import { wellFormed } from './message.js';
import { NO_ARGUMENTS, schemaProblem, wellFormedJson } from './json-schema.js';
import { isAnswered } from './tool-kinds.js';
import type {
  JsonSchema,
  JsonToolDeclaration,
  WaitingToolDeclaration,
  Tool,
  ToolEffect,
  ToolRetry,
  ToolRun,
  ZodToolDeclaration,
} from './tool.js';

/** Longest attempt of a tool unless declared, ms. */
export const DEFAULT_TOOL_TIMEOUT_MS: Readonly<Record<ToolRun, number>> = {
  activity: 60_000,
  local: 5_000,
  // Nobody knows how long a person takes.
  workflow: 0,
  agent: 0,
  client: 0,
  person: 0,
};
const DEFAULT_RETRY: Required<ToolRetry> = { maximumAttempts: 3, initialIntervalMs: 500 };
const TOOL_NAME = /^[A-Za-z0-9_-]{1,64}$/;
const EFFECTS: readonly ToolEffect[] = ['read', 'idempotent', 'keyed', 'once'];
const RUNS: readonly ToolRun[] = ['local', 'activity', 'workflow', 'client', 'person'];

/** Whether `name` may be the name of a tool: 1–64 of `A-Z a-z 0-9 _ -`. */
export function isToolName(name: string): boolean {
  return TOOL_NAME.test(name);
}

/**
 * Declares a tool.
 *
 *     const weather = tool({
 *       name: 'weather',
 *       description: 'The weather in a city.',
 *       effect: 'read',
 *       parameters: z.object({ city: z.string() }),
 *       execute: ({ city }) => lookUp(city),
 *     });
 *
 * Throws `Config.Invalid` with what is wrong, in which tool, and how to correct it. A `once` tool
 * has one attempt, whatever `retry` says.
 */
export function tool<S extends z.ZodObject>(declaration: ZodToolDeclaration<S>): Tool;
export function tool(declaration: JsonToolDeclaration): Tool;
export function tool(declaration: WaitingToolDeclaration): Tool;
export function tool(
  declaration: JsonToolDeclaration | ZodToolDeclaration<z.ZodObject> | WaitingToolDeclaration,
): Tool {
  const { name, description } = declaration;
  const execute = 'execute' in declaration ? declaration.execute : undefined;
  if (typeof name !== 'string' || !isToolName(name)) {
    throw invalid(
      `${JSON.stringify(name)} is not a valid tool name. Use 1 to 64 of A-Z, a-z, 0-9, "_" and "-".`,
    );
  }
  if (typeof description !== 'string' || description.trim() === '') {
    throw invalid(
      `The tool "${name}" has no description. Write one: the model chooses tools by it.`,
    );
  }
  const run = oneOf(name, 'run', RUNS, declaration.run ?? 'activity');
  if (isAnswered(run) && execute !== undefined) {
    throw invalid(
      `The tool "${name}" has run "${run}" and an "execute". A call of such a tool waits until it is answered; leave "execute" out.`,
    );
  }
  if (!isAnswered(run) && typeof execute !== 'function') {
    throw invalid(`The tool "${name}" has no "execute". Add a function (args, context) => ….`);
  }
  const effect = oneOf(name, 'effect', EFFECTS, declaration.effect ?? 'once');
  const retry = { ...DEFAULT_RETRY, ...declaration.retry };
  return {
    name,
    description: wellFormed(description),
    ...parametersOf(name, declaration.parameters),
    effect,
    run,
    timeoutMs: atLeast(
      name,
      'timeoutMs',
      isAnswered(run) ? 0 : 1,
      declaration.timeoutMs ?? DEFAULT_TOOL_TIMEOUT_MS[run],
    ),
    retry: {
      maximumAttempts:
        effect === 'once' ? 1 : atLeast(name, 'retry.maximumAttempts', 1, retry.maximumAttempts),
      initialIntervalMs: atLeast(name, 'retry.initialIntervalMs', 1, retry.initialIntervalMs),
    },
    highRisk: declaration.highRisk ?? false,
    source: { kind: 'code' },
    ...yieldsOf(name, declaration.yields),
    ...(declaration.cost === undefined ? {} : { cost: declaration.cost }),
    // Called on the declaration, so that `this` is what its author expects.
    execute: (args, context) => {
      if ('execute' in declaration) return declaration.execute(args, context);
      throw new PerduraError('Tool.Failed', `A call of "${name}" is answered, not run.`);
    },
  };
}

function parametersOf(
  name: string,
  parameters: JsonSchema | z.ZodObject | undefined,
): Pick<Tool, 'parameters' | 'parse'> {
  if (parameters === undefined) return { parameters: NO_ARGUMENTS };
  if (!isZod(parameters)) {
    if (typeof parameters === 'object' && parameters !== null && '_def' in parameters) {
      throw invalid(
        `The parameters of the tool "${name}" are a zod 3 schema. Import zod 4, or pass JSON Schema.`,
      );
    }
    return { parameters: checked(name, parameters) };
  }
  let schema: JsonSchema;
  try {
    // The input side: what the model must write, before defaults and transforms.
    const { $schema: _, ...rest } = z.toJSONSchema(parameters, { io: 'input' });
    schema = rest;
  } catch (error) {
    throw new PerduraError(
      'Config.Invalid',
      `The parameters of the tool "${name}" cannot be converted to JSON Schema (${messageOf(error)}). Use types that JSON has, for example z.iso.date() and a transform instead of z.date().`,
      { cause: error },
    );
  }
  return { parameters: checked(name, schema), parse: (args) => parameters.parse(args) };
}

function yieldsOf(name: string, yields: JsonSchema | z.ZodType | undefined): Pick<Tool, 'yields'> {
  if (yields === undefined) return {};
  if (!('_zod' in yields)) return { yields: wellFormedJson(yields) };
  try {
    const { $schema: _, ...rest } = z.toJSONSchema(yields as z.ZodType, { io: 'output' });
    return { yields: wellFormedJson(rest) };
  } catch (error) {
    throw new PerduraError(
      'Config.Invalid',
      `The "yields" of the tool "${name}" cannot be converted to JSON Schema (${messageOf(error)}). Use types that JSON has.`,
      { cause: error },
    );
  }
}

/** By its mark, not by `instanceof`: the application may bring its own copy of zod. */
function isZod(parameters: JsonSchema | z.ZodObject): parameters is z.ZodObject {
  return typeof parameters === 'object' && parameters !== null && '_zod' in parameters;
}

function checked(name: string, schema: JsonSchema): JsonSchema {
  const problem = schemaProblem(schema);
  if (problem !== undefined) {
    throw invalid(`The parameters of the tool "${name}" are not valid. ${problem}`);
  }
  return wellFormedJson(schema);
}

function oneOf<T extends string>(name: string, field: string, all: readonly T[], value: T): T {
  if (all.includes(value)) return value;
  throw invalid(
    `The tool "${name}" has an invalid ${field}: ${JSON.stringify(value)}. Use one of ${all.join(', ')}.`,
  );
}

function atLeast(name: string, field: string, least: number, value: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw invalid(
    `The tool "${name}" has an invalid ${field}: ${String(value)}. Use a whole number, at least ${least}.`,
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function invalid(message: string): PerduraError {
  return new PerduraError('Config.Invalid', message);
}
