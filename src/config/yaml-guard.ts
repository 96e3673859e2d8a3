/**
 * What a YAML text may be, before and after it is parsed: its author may be hostile.
 * Knows nothing of agents.
 */
import { isScalar, LineCounter, parseAllDocuments, visit, type Document } from 'yaml';
import type { Problem } from './problems.js';
import { MAX_DEPTH, tooDeepAt } from './yaml-depth.js';

/** Longest text, UTF-16 units. */
const MAX_LENGTH = 1024 * 1024;
/** Most values that aliases may stand for. */
const MAX_ALIASES = 100;
/** Keys that reach into JavaScript's objects instead of into the data. */
const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/** A document that is safe to walk, with its places. */
export interface YamlDocument {
  readonly document: Document.Parsed;
  readonly value: unknown;
}

export interface YamlFile {
  readonly documents: readonly YamlDocument[];
  readonly problems: readonly Problem[];
  /** `file:line:column`, both from 1, of an offset in the text. */
  at(offset: number): string;
}

/** Parses all documents of a text; empty ones are left out. Never throws. */
export function parseYaml(source: string, file: string): YamlFile {
  const lines = new LineCounter();
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${Math.max(1, line)}:${Math.max(1, col)}`;
  };
  const refused = (where: string, text: string): YamlFile => {
    return { documents: [], problems: [{ where, text }], at };
  };
  if (source.length > MAX_LENGTH) {
    return refused(file, 'is longer than 1 MiB. Split it into several files.');
  }
  const deep = tooDeepAt(source);
  if (deep !== undefined) {
    addLines(lines, source);
    return refused(at(deep), `is nested more than ${MAX_DEPTH} levels deep. Flatten it.`);
  }
  const parsed = parseAllDocuments(source, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: true,
    merge: false,
    logLevel: 'silent',
  });
  const documents: YamlDocument[] = [];
  const problems: Problem[] = [];
  for (const document of 'empty' in parsed ? [] : parsed) {
    const found = [...syntaxProblems(document, at), ...nodeProblems(document, at)];
    problems.push(...found);
    if (found.length > 0 || isEmpty(document)) continue;
    try {
      documents.push({ document, value: document.toJS({ maxAliasCount: MAX_ALIASES }) });
    } catch {
      const text = `its aliases ("*name") expand to more than ${MAX_ALIASES} values. Write them out.`;
      problems.push({ where: at(document.range[0]), text });
    }
  }
  return { documents, problems, at };
}

/** The parser does this as it goes; for a text that it never gets. */
function addLines(lines: LineCounter, source: string): void {
  lines.addNewLine(0);
  for (let i = source.indexOf('\n'); i >= 0; i = source.indexOf('\n', i + 1))
    lines.addNewLine(i + 1);
}

function* syntaxProblems(document: Document.Parsed, at: (offset: number) => string) {
  // A warning is an unknown tag, such as "!!js/function": never what was meant.
  for (const { pos, code, message } of [...document.errors, ...document.warnings]) {
    yield { where: at(pos[0]), text: SYNTAX[code] ?? `${message}.`.replace(/\.\.$/, '.') };
  }
}

const SYNTAX: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'duplicate key. Keep one.',
  TAG_RESOLVE_FAILED: 'unknown tag ("!…"). Remove it.',
  TAB_AS_INDENT: 'this line is indented with a tab. Use spaces.',
};

/** What the parser allows and we do not. */
function nodeProblems(document: Document.Parsed, at: (offset: number) => string): Problem[] {
  const problems: Problem[] = [];
  const add = (node: { range?: readonly number[] | null | undefined }, text: string) =>
    problems.push({ where: at(node.range?.[0] ?? 0), text });
  visit(document, {
    Pair(_, { key }) {
      if (!isScalar(key)) {
        add(key as object, 'a key must be plain text.');
      } else if (FORBIDDEN_KEYS.has(String(key.value))) {
        add(key, `the key "${String(key.value)}" is not allowed. Choose another name.`);
      }
    },
    Alias(_, alias, ancestors) {
      const target = alias.resolve(document);
      if (ancestors.some((node) => node === target)) {
        add(alias, `"*${alias.source}" refers to a value that contains it.`);
      }
    },
  });
  return problems;
}

function isEmpty({ contents }: Document.Parsed): boolean {
  return contents === null || (isScalar(contents) && contents.value === null);
}
