/**
 * Parts of zod schemas whose messages say what is wrong and what would be right. No schema of a
 * particular thing is in here.
 */
import { z } from 'zod';
import { didYouMean } from '../contracts/near-names.js';
import type { Path } from './problems.js';

/** An object that has these keys and no others; a wrong key gets the nearest right one. */
export function closed<S extends z.core.$ZodLooseShape>(shape: S) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => unknownKey(key, known)).join(' ')
        : `must be an object with ${known.join(', ')}, not ${kindOf(issue.input)}.`,
  });
}

function unknownKey(key: string, known: readonly string[]): string {
  const near = didYouMean(key, known);
  return `unknown field "${key.slice(0, 80)}".${near || ` Known fields: ${known.join(', ')}.`}`;
}

/** Text that is not blank. */
export function text(what: string) {
  return z
    .string({ error: ({ input }) => missingOr(input, `must be text: ${what}`) })
    .refine((value) => value.trim() !== '', { error: `is empty. Write ${what}.` });
}

/** A whole number within bounds, both included. */
export function whole(least: number, most: number, unit: string) {
  const error = ({ input }: { input?: unknown }) =>
    `must be a whole number of ${unit} from ${grouped(least)} to ${grouped(most)}, not ${shown(input)}.`;
  return z.int({ error }).min(least, { error }).max(most, { error });
}

/** A number within bounds, both included. */
export function between(least: number, most: number, what = 'a number') {
  const error = ({ input }: { input?: unknown }) =>
    `must be ${what} from ${grouped(least)} to ${grouped(most)}, not ${shown(input)}.`;
  return z.number({ error }).min(least, { error }).max(most, { error });
}

export function oneOf<const V extends readonly string[]>(values: V) {
  return z.enum(values, {
    error: ({ input }) =>
      `must be ${values.map((value) => `"${value}"`).join(' or ')}, not ${shown(input)}.`,
  });
}

/** Text by name, such as headers: YAML reads `1` and `yes` as other things than text. */
export function texts(what: string) {
  return z.record(
    z.string(),
    z.string({ error: ({ input }) => `must be text, not ${shown(input)}. Put it in quotes.` }),
    { error: ({ input }) => `must be an object of ${what} by name, not ${kindOf(input)}.` },
  );
}

/** A list; `what` says what of. */
export function list<T extends z.ZodType>(item: T, what: string) {
  return z.array(item, {
    error: ({ input }) => `must be a list of ${what}, not ${kindOf(input)}.`,
  });
}

/** What zod found, in our words, where they are ours, with the place. */
export function problemsOf(error: z.ZodError): { path: Path; text: string; key?: string }[] {
  return error.issues.flatMap((issue) => {
    const path = issue.path.map((key) => (typeof key === 'number' ? key : String(key)));
    // An unknown key is itself the place, not the object around it.
    const key = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
    return [{ path, text: issue.message, ...(key === undefined ? {} : { key }) }];
  });
}

function missingOr(input: unknown, otherwise: string): string {
  return input === undefined
    ? `is missing; it ${otherwise}.`
    : `${otherwise}, not ${shown(input)}.`;
}

/** A value as a person may recognise it, cut. Never a long text, which may be a secret. */
export function shown(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return typeof value === 'string' && value.length <= 40 ? JSON.stringify(value) : kindOf(value);
}

export function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function grouped(value: number): string {
  return value.toLocaleString('en-US');
}
