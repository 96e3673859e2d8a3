/** The arguments of a plan's steps: references to the outputs of earlier steps, and what becomes of them. Pure. */

/**
 * Arguments of a step: JSON, in which an object `{"$from": "id"}` stands for the output of the step
 * `id`, `{"$from": "id", "path": "/a/0"}` for a part of it (a JSON Pointer), and
 * `{"$text": ["…", {"$from": "id"}]}` for texts and outputs joined. Nothing else is replaced.
 */
export type PlanArguments = Readonly<Record<string, unknown>>;

/** A reference within the arguments of a step. */
export interface PlanReference {
  readonly from: string;
  /** JSON Pointer into the output; absent: all of it. */
  readonly path?: string;
  /** JSON Pointer of the place within the arguments. */
  readonly at: string;
  /** Within a `$text`, where everything becomes text. */
  readonly asText: boolean;
}

/** The references in a value, and what is wrong with their form. */
export function referencesIn(args: unknown): {
  readonly found: readonly PlanReference[];
  readonly wrong: readonly string[];
} {
  const found: PlanReference[] = [];
  const wrong: string[] = [];
  const walk = (value: unknown, at: string, asText: boolean): void => {
    if (Array.isArray(value)) {
      value.forEach((item, i) => walk(item, `${at}/${i}`, asText));
      return;
    }
    if (!isRecord(value)) return;
    if (Object.hasOwn(value, '$from')) {
      const { $from, path, ...more } = value;
      if (typeof $from !== 'string') wrong.push(`"$from" at ${at} must be the id of a step.`);
      else if (path !== undefined && !isPointer(path)) {
        wrong.push(`"path" at ${at} must be a JSON Pointer such as "/items/0".`);
      } else if (Object.keys(more).length > 0) {
        wrong.push(`A reference at ${at} may have "$from" and "path", and nothing else.`);
      } else found.push({ from: $from, ...(path === undefined ? {} : { path }), at, asText });
      return;
    }
    if (Object.hasOwn(value, '$text')) {
      const { $text, ...more } = value;
      const texts =
        Array.isArray($text) && $text.every((p) => typeof p === 'string' || isReference(p));
      if (!texts || Object.keys(more).length > 0) {
        wrong.push(`"$text" at ${at} must be a list of texts and references, by itself.`);
      } else for (const part of $text as unknown[]) walk(part, at, true);
      return;
    }
    for (const [key, member] of Object.entries(value)) {
      walk(member, `${at}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`, asText);
    }
  };
  walk(args, '', false);
  return { found, wrong };
}

/**
 * The arguments with every reference replaced. `textOf` gives the output of a step; `wantsText`
 * says of a place whether it takes text, where an output that is JSON stays the text that it is.
 * Throws an `Error` whose message says which reference has nothing to refer to.
 */
export function resolveArguments(
  args: PlanArguments,
  textOf: (step: string) => string,
  wantsText: (at: string) => boolean,
): Record<string, unknown> {
  const output = (reference: Record<string, unknown>, asText: boolean): unknown => {
    const from = reference['$from'] as string;
    const path = reference['path'] as string | undefined;
    const text = textOf(from);
    if (path === undefined || path === '') return asText ? text : (jsonOf(text) ?? text);
    const value = at(jsonOf(text), path);
    if (value === undefined) {
      throw new Error(`The output of step "${from}" has nothing at ${path.slice(0, 100)}.`);
    }
    return asText && typeof value !== 'string' ? JSON.stringify(value) : value;
  };
  const walk = (value: unknown, place: string): unknown => {
    if (Array.isArray(value)) return value.map((item, i) => walk(item, `${place}/${i}`));
    if (!isRecord(value)) return value;
    if (Object.hasOwn(value, '$from')) return output(value, wantsText(place));
    if (Object.hasOwn(value, '$text')) {
      const parts = value['$text'] as readonly (string | Record<string, unknown>)[];
      return parts
        .map((part) => (typeof part === 'string' ? part : String(output(part, true))))
        .join('');
    }
    return Object.fromEntries(
      Object.entries(value).map(([key, member]) => [
        key,
        walk(member, `${place}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`),
      ]),
    );
  };
  return walk(args, '') as Record<string, unknown>;
}

function isReference(value: unknown): boolean {
  return isRecord(value) && Object.hasOwn(value, '$from');
}

/** The parts of a JSON Pointer. */
export function pointerParts(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function at(value: unknown, pointer: string): unknown {
  return pointerParts(pointer).reduce<unknown>(
    (node, key) =>
      typeof node === 'object' && node !== null && Object.hasOwn(node, key)
        ? (node as Record<string, unknown>)[key]
        : undefined,
    value,
  );
}

function isPointer(value: unknown): value is string {
  return (
    typeof value === 'string' && (value === '' || value.startsWith('/')) && value.length <= 500
  );
}

/** `undefined` for text that is no JSON. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
