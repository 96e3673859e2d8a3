/**
 * Templates of agents: their shape, their inheritance, and what becomes of their variables. Pure: no
 * store is asked here. Whether what comes out is an agent is checked as for any other declaration.
 */
import { z } from 'zod';
import { didYouMean } from '../contracts/near-names.js';
import type { AgentDeclaration } from './define-config.js';
import { pathText, type Path, type Problem } from './problems.js';
import { closed, kindOf, problemsOf, shown, text } from './schema-words.js';

/** A variable of a template, which stands in its texts as `{{name}}`. */
export interface TemplateVariable {
  readonly description?: string | undefined;
  /** Without one the variable must be given. */
  readonly default?: string | undefined;
}

/** An agent with gaps. */
export interface AgentTemplate {
  /** What agents of it are for. */
  readonly description?: string | undefined;
  /**
   * Another template. This one's fields and variables come over its own; lists take its place, and
   * `{{parent}}` in the instructions stands for its instructions.
   */
  readonly extends?: string | undefined;
  readonly variables?: Readonly<Record<string, TemplateVariable>> | undefined;
  /** Any part of a declaration but the name. */
  readonly agent: Partial<Omit<AgentDeclaration, 'name'>>;
}

/** Longest row of templates that extend each other. */
const DEEPEST = 10;
const MOST_VALUE_UNITS = 100_000;
const GAP = /\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}/g;
const PARENT = 'parent';

const templateSchema = closed({
  description: text('what agents of it are for').optional(),
  extends: text('the name of a template').optional(),
  variables: z
    .record(
      z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, {
        error: 'is not a valid name of a variable. Use A-Z, a-z, 0-9 and "_".',
      }),
      closed({
        description: text('what it stands for').optional(),
        default: z
          .string({ error: ({ input }) => `must be text, not ${shown(input)}.` })
          .optional(),
      }),
      { error: ({ input }) => `must be an object of variables by name, not ${kindOf(input)}.` },
    )
    .optional(),
  agent: z
    .record(z.string(), z.unknown(), {
      error: ({ input }) => `must be an object: the fields of an agent, not ${kindOf(input)}.`,
    })
    .refine((agent) => !('name' in agent), {
      error: 'has a name. Each agent that is made of it gets a name of its own.',
    }),
});

/** What is wrong with the shape of a template. */
export function templateProblems(template: unknown, where: string): Problem[] {
  const { error } = templateSchema.safeParse(template);
  return error
    ? problemsOf(error).map(({ path, text: what }) => ({ where: at(where, path), text: what }))
    : [];
}

/** A template with all that it inherits, and nothing to inherit any more. */
export type WholeTemplate = Omit<AgentTemplate, 'extends'> & {
  readonly variables: Readonly<Record<string, TemplateVariable>>;
};

/** Puts a template together with those that it extends, of which `find` knows. */
export function wholeTemplate(
  name: string,
  find: (name: string) => AgentTemplate | undefined,
  known: readonly string[],
): { readonly template: WholeTemplate } | { readonly problem: Problem } {
  const row: { name: string; template: AgentTemplate }[] = [];
  for (let next: string | undefined = name; next !== undefined;) {
    const where = row.length === 0 ? 'template' : `template "${row.at(-1)!.name}": extends`;
    const template = find(next);
    if (!template) {
      const near = didYouMean(next, known) || ` There are: ${known.join(', ')}.`;
      return { problem: { where, text: `there is no template "${next.slice(0, 80)}".${near}` } };
    }
    if (row.some((earlier) => earlier.name === next)) {
      const circle = [...row.map((each) => each.name), next].join(' → ');
      return { problem: { where, text: `goes in a circle: ${circle}. Break it.` } };
    }
    row.push({ name: next, template });
    if (row.length > DEEPEST) {
      return { problem: { where, text: `more than ${DEEPEST} templates extend each other.` } };
    }
    next = template.extends;
  }
  let whole: WholeTemplate = { variables: {}, agent: {} };
  for (const { template } of row.toReversed()) {
    const { instructions } = template.agent;
    const inherited = whole.agent.instructions ?? '';
    whole = {
      ...((template.description ?? whole.description) === undefined
        ? {}
        : { description: template.description ?? whole.description }),
      variables: { ...whole.variables, ...template.variables },
      agent: {
        ...whole.agent,
        ...template.agent,
        ...(typeof instructions === 'string'
          ? {
              instructions: instructions.replace(GAP, (gap, of: string) =>
                of === PARENT ? inherited : gap,
              ),
            }
          : {}),
      },
    };
  }
  return { template: whole };
}

/** Fills the gaps of a template. Values are not looked at for gaps of their own. */
export function fillTemplate(
  { agent, variables }: WholeTemplate,
  given: Readonly<Record<string, unknown>>,
  where: string,
): { readonly agent: Record<string, unknown>; readonly problems: Problem[] } {
  const problems: Problem[] = [];
  const names = Object.keys(variables);
  const values = new Map<string, string>();
  for (const [name, value] of Object.entries(given)) {
    const path = at(where, ['variables', name]);
    if (!names.includes(name)) {
      const near = didYouMean(name, names) || ` It has: ${names.join(', ') || 'none'}.`;
      problems.push({ where: path, text: `the template has no such variable.${near}` });
    } else if (!['string', 'number', 'boolean'].includes(typeof value)) {
      problems.push({ where: path, text: `must be text or a number, not ${kindOf(value)}.` });
    } else if (String(value).length > MOST_VALUE_UNITS) {
      problems.push({ where: path, text: `has more than ${MOST_VALUE_UNITS} characters.` });
    } else values.set(name, String(value));
  }
  const missing = new Set<string>();
  const fill = (value: unknown): unknown => {
    if (typeof value === 'string') {
      return value.replace(GAP, (gap, name: string) => {
        const filling = values.get(name) ?? variables[name]?.default;
        if (filling === undefined) missing.add(name);
        return filling ?? gap;
      });
    }
    if (Array.isArray(value)) return value.map(fill);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, fill(field)]));
  };
  const filled = fill(agent) as Record<string, unknown>;
  for (const name of missing) {
    const about = variables[name];
    const what = about?.description === undefined ? '' : ` (${about.description})`;
    problems.push({
      where: at(where, ['variables', name]),
      text: about
        ? `is missing${what}. Give it a value.`
        : `stands in the template as {{${name}}} and is not declared. Declare it under its "variables".`,
    });
  }
  return { agent: filled, problems };
}

function at(where: string, path: Path): string {
  const text = pathText(path);
  return text === '' ? where : `${where}.${text}`;
}
