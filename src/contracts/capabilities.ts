/**
 * What an agent can do, as a graph: each capability with what it needs and yields, its risk, cost
 * and health, and whether the policy allows it. Data and pure queries, so that it can be kept, sent
 * and shown; it is built in `src/planner`. Two capabilities are joined where one yields a value, by
 * name and type, that the other needs.
 */
import type { JsonSchema, ToolEffect } from './tool-kinds.js';

export type CapabilityKind = 'tool' | 'mcp' | 'skill' | 'agent';

/** One thing that an agent can do. */
export interface Capability {
  /** Unique in the graph; what a plan, or a model, calls. */
  readonly name: string;
  readonly kind: CapabilityKind;
  /** Where it is from: `code`, or the name of the MCP server, the skill or the agent. */
  readonly source: string;
  readonly description: string;
  /** Of the arguments, an object at the top. */
  readonly needs: JsonSchema;
  /** Of the output. Absent: text of which nothing is known. */
  readonly yields?: JsonSchema;
  readonly effect: ToolEffect;
  readonly risk: 'low' | 'high';
  /** A person approves each call before it runs. */
  readonly approval?: true;
  /** What its author says that a call takes. Absent: unknown. */
  readonly cost?: { readonly usd?: number; readonly ms?: number };
  readonly health: { readonly state: 'ok' } | { readonly state: 'away'; readonly reason: string };
  /** Why the policy forbids it. Absent: it is allowed. */
  readonly forbidden?: string;
}

/** A value that one capability yields and another one needs. */
export interface CapabilityEdge {
  readonly from: string;
  readonly to: string;
  /** Name of the value. */
  readonly value: string;
}

/** What cannot be had now, and with it everything that it would contribute. */
export interface CapabilityGap {
  /** Name of an MCP server. */
  readonly source: string;
  readonly reason: string;
}

/** The graph as JSON. */
export interface CapabilityGraphData {
  readonly agent: string;
  readonly capabilities: readonly Capability[];
  /** Absent for none. */
  readonly gaps?: readonly CapabilityGap[];
}

export class CapabilityGraph {
  readonly agent: string;
  readonly capabilities: readonly Capability[];
  readonly gaps: readonly CapabilityGap[];
  readonly #byName: ReadonlyMap<string, Capability>;

  /** Of capabilities with the same name the first counts. */
  constructor({ agent, capabilities, gaps = [] }: CapabilityGraphData) {
    this.agent = agent;
    const byName = new Map<string, Capability>();
    for (const each of capabilities) if (!byName.has(each.name)) byName.set(each.name, each);
    this.#byName = byName;
    this.capabilities = [...byName.values()];
    this.gaps = gaps;
  }

  get(name: string): Capability | undefined {
    return this.#byName.get(name);
  }

  /** What may be called now: allowed by the policy, and there. */
  usable(): readonly Capability[] {
    return this.capabilities.filter((each) => this.obstacle(each.name) === undefined);
  }

  /** Why this cannot be called now, as a sentence; `undefined` when it can. */
  obstacle(name: string): string | undefined {
    const capability = this.#byName.get(name);
    if (!capability) return `There is no "${name.slice(0, 100)}".`;
    const { forbidden, health } = capability;
    if (forbidden !== undefined) return forbidden;
    return health.state === 'away' ? `"${name}" is not available: ${health.reason}` : undefined;
  }

  /** The capabilities that yield a value of this name. */
  making(value: string): readonly Capability[] {
    return this.capabilities.filter((each) => yieldsOf(each).has(value));
  }

  /** The capabilities that need a value of this name. */
  needing(value: string): readonly Capability[] {
    return this.capabilities.filter((each) => needsOf(each).has(value));
  }

  /** Which capability feeds which. */
  edges(): readonly CapabilityEdge[] {
    return this.capabilities.flatMap((from) =>
      this.capabilities.flatMap((to) => {
        if (from === to) return [];
        const needed = needsOf(to);
        return [...yieldsOf(from)].flatMap(([value, types]) => {
          const wanted = needed.get(value);
          return wanted && compatible(types, wanted)
            ? [{ from: from.name, to: to.name, value }]
            : [];
        });
      }),
    );
  }

  /**
   * The usable capabilities to call, in order, so that the value `want` (or the capability of that
   * name) is had, starting from the values `have`. `undefined` when there is no way; empty when
   * `want` is among `have`. Each capability is called when all that it requires is there.
   */
  path(want: string, have: readonly string[] = []): readonly Capability[] | undefined {
    if (have.includes(want)) return [];
    const known = new Set(have);
    const made = new Map<string, Capability>();
    const order: Capability[] = [];
    const usable = this.usable();
    const reached = () => known.has(want) || order.some(({ name }) => name === want);
    for (let grew = true; grew && !reached();) {
      grew = false;
      for (const each of usable) {
        if (order.includes(each) || reached()) continue;
        if (![...needsOf(each).keys()].every((value) => known.has(value))) continue;
        order.push(each);
        grew = true;
        for (const value of yieldsOf(each).keys()) {
          if (known.has(value)) continue;
          known.add(value);
          made.set(value, each);
        }
      }
    }
    if (!reached()) return undefined;
    const goal = made.get(want) ?? this.#byName.get(want)!;
    const wanted = new Set<Capability>();
    const follow = (each: Capability): void => {
      if (wanted.has(each)) return;
      wanted.add(each);
      for (const value of needsOf(each).keys()) {
        const maker = made.get(value);
        if (maker) follow(maker);
      }
    };
    follow(goal);
    return order.filter((each) => wanted.has(each));
  }

  toJSON(): CapabilityGraphData {
    const { agent, capabilities, gaps } = this;
    return { agent, capabilities, ...(gaps.length > 0 ? { gaps } : {}) };
  }
}

/** Types by name of value; an empty set of types is any. */
type Values = ReadonlyMap<string, ReadonlySet<string>>;

/** The values that it requires: the required properties of its arguments. */
function needsOf({ needs }: Capability): Values {
  const properties = record(needs['properties']);
  const required = Array.isArray(needs['required']) ? needs['required'].map(String) : [];
  return new Map(required.map((name) => [name, typesOf(record(properties[name]))]));
}

/** The values that it yields: the properties of an object, or one value by its title. */
function yieldsOf({ yields }: Capability): Values {
  if (yields === undefined) return new Map();
  const values = Object.entries(record(yields['properties'])).map(
    ([name, schema]) => [name, typesOf(record(schema))] as const,
  );
  const title = yields['title'];
  return new Map(typeof title === 'string' ? [[title, typesOf(yields)], ...values] : values);
}

/** The types that a schema names; none for a schema that does not say. */
export function typesOf(schema: JsonSchema): ReadonlySet<string> {
  const { type } = schema as { type?: unknown };
  const all = Array.isArray(type) ? type : type === undefined ? [] : [type];
  return new Set(all.map(String));
}

/** Whether a value of one of these types may be taken for one of those; nothing known is any. */
export function compatible(given: ReadonlySet<string>, wanted: ReadonlySet<string>): boolean {
  if (given.size === 0 || wanted.size === 0) return true;
  return [...given].some(
    (type) => wanted.has(type) || (type === 'integer' && wanted.has('number')),
  );
}

function record(value: unknown): JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonSchema)
    : {};
}
