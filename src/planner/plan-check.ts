/**
 * Whether a plan may run: its order, what its steps use, and their arguments, against the
 * capability graph and the policy. Looked at when a plan is handed in, and again for each step
 * before it runs, with the arguments that it then has.
 */
import { compatible, typesOf, type CapabilityGraph } from '../contracts/capabilities.js';
import type { JsonSchema } from '../contracts/tool-kinds.js';
import { pointerParts, referencesIn, type PlanReference } from '../contracts/plan-arguments.js';
import { orderProblems, type Plan, type PlanStep } from '../contracts/plan-form.js';
import type { PlanProgress } from '../contracts/plan.js';
import type { RuntimePolicy } from '../contracts/policy.js';
import { nearNames } from '../contracts/near-names.js';
import type { Tool } from '../contracts/tool.js';
import { checkArguments, partlyKnownProblems } from '../tools/argument-check.js';

export interface PlanWorld {
  readonly graph: CapabilityGraph;
  readonly tools: ReadonlyMap<string, Tool>;
  readonly policy: RuntimePolicy;
}

/** What is wrong with a plan, in sentences for the model that made it; none when it may run. */
export function planProblems(plan: Plan, progress: PlanProgress, world: PlanWorld): string[] {
  const order = orderProblems(plan, progress, world.policy);
  const uses = new Map([
    ...[...progress.done.values()].map(({ id, message }) => [id, message.name] as const),
    ...plan.steps.map(({ id, use }) => [id, use] as const),
  ]);
  return [...order, ...plan.steps.flatMap((step) => stepProblems(step, uses, world))];
}

/** What stands in the way of a step, before its references are known. */
function stepProblems(
  step: PlanStep,
  uses: ReadonlyMap<string, string>,
  world: PlanWorld,
): string[] {
  const at = `Step "${step.id}"`;
  const tool = world.tools.get(step.use);
  const obstacle = obstacleOf(step.use, world);
  if (obstacle !== undefined || !tool) return [`${at}: ${obstacle ?? 'it cannot be called.'}`];
  const { found } = referencesIn(step.args);
  if (found.length === 0) {
    const checked = checkArguments(tool, JSON.stringify(step.args));
    return checked.ok ? [] : [`${at}: ${checked.failure.message}`];
  }
  const unknown = [...new Set(found.map(({ at }) => at))];
  const problems = partlyKnownProblems(tool, withNulls(step.args), unknown);
  return [
    ...(problems.length > 0
      ? [`${at}: The arguments of "${step.use}" do not fit its schema: ${problems.join(' ')}`]
      : []),
    ...found
      .flatMap((reference) => typeProblem(reference, tool, uses, world))
      .map((p) => `${at}: ${p}`),
  ];
}

/** Why a capability cannot be called, with names that may have been meant. */
export function obstacleOf(name: string, { graph }: Pick<PlanWorld, 'graph'>): string | undefined {
  const obstacle = graph.obstacle(name);
  if (obstacle === undefined || graph.get(name)) return obstacle;
  const names = graph.usable().map((each) => each.name);
  const near = nearNames(name, names);
  return near.length > 0
    ? `${obstacle} Did you mean ${near.join(' or ')}?`
    : `${obstacle} You can use: ${names.slice(0, 20).join(', ')}.`;
}

/** Whether a place of the arguments takes text and nothing else. */
export function takesText(tool: Tool, at: string): boolean {
  const types = typesOf(schemaAt(tool.parameters, at) ?? {});
  return types.size === 1 && types.has('string');
}

/** A value of a type that cannot be what the place takes. */
function typeProblem(
  { from, path, at, asText }: PlanReference,
  tool: Tool,
  uses: ReadonlyMap<string, string>,
  { graph }: PlanWorld,
): string[] {
  const yields = graph.get(uses.get(from) ?? '')?.yields;
  if (asText || yields === undefined) return [];
  const given = path === undefined ? yields : schemaAt(yields, path);
  if (!given) {
    return isClosed(yields) ? [`The output of step "${from}" has nothing at ${path ?? ''}.`] : [];
  }
  const wanted = typesOf(schemaAt(tool.parameters, at) ?? {});
  if (compatible(typesOf(given), wanted)) return [];
  // An output that is no text is written as text where nothing else is taken.
  if (path === undefined && takesText(tool, at)) return [];
  return [
    `${at} takes ${[...wanted].join(' or ')}, and step "${from}" yields ${[...typesOf(given)].join(' or ')} there.`,
  ];
}

/** An object whose properties are all named. */
function isClosed(schema: JsonSchema): boolean {
  return schema['additionalProperties'] === false;
}

/** The schema of a part of what a schema describes, as far as it names its parts. */
function schemaAt(schema: JsonSchema, pointer: string): JsonSchema | undefined {
  let node: JsonSchema | undefined = schema;
  for (const part of pointerParts(pointer)) {
    const { $ref } = (node ?? {}) as { $ref?: unknown };
    if (typeof $ref === 'string' && $ref.startsWith('#/')) node = dig(schema, $ref.slice(1));
    node = partOf(node, part);
    if (!node) return undefined;
  }
  return node;
}

function partOf(node: JsonSchema | undefined, part: string): JsonSchema | undefined {
  const properties = record(node?.['properties']);
  if (properties && Object.hasOwn(properties, part)) return record(properties[part]);
  const items: unknown = node?.['items'];
  if (/^\d+$/.test(part) && items !== undefined) return record(items);
  return record(node?.['additionalProperties']);
}

function dig(schema: JsonSchema, pointer: string): JsonSchema | undefined {
  return pointerParts(pointer).reduce<JsonSchema | undefined>(
    (node, part) => (node && Object.hasOwn(node, part) ? record(node[part]) : undefined),
    schema,
  );
}

function record(value: unknown): JsonSchema | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonSchema)
    : undefined;
}

/** Every reference as `null`; a joined text is a text whatever it is made of. */
function withNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withNulls);
  const node = record(value);
  if (!node) return value;
  if (Object.hasOwn(node, '$from')) return null;
  if (Object.hasOwn(node, '$text')) return '';
  return Object.fromEntries(Object.entries(node).map(([key, member]) => [key, withNulls(member)]));
}
