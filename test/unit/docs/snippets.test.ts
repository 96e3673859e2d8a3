/** The programs in the documentation compile against the package as users import it. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const PAGES = [
  'README.md',
  'docs/sdk.md',
  'docs/control.md',
  'docs/agent-loops.md',
  'docs/testing.md',
  'docs/agents.md',
  'docs/agents/agents.md',
  'docs/agents/plan.md',
];

/** Code by the name of a file that is not there, beside the package's own. */
const snippets = new Map<string, string>(
  PAGES.flatMap((page) =>
    [...readFileSync(`${ROOT}${page}`, 'utf8').matchAll(/^```ts\n(.*?)^```$/gms)].map(
      ([, code = ''], i) => [`${ROOT}${page.replace(/\W/g, '-')}-${i + 1}.ts`, code] as const,
    ),
  ),
);

describe('documentation', () => {
  it('every page has programs', () => {
    expect(snippets.size).toBeGreaterThan(PAGES.length);
  });

  it('programs → compile, strictly', () => {
    const { config } = ts.readConfigFile(`${ROOT}tsconfig.json`, (path) => ts.sys.readFile(path));
    const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
    const host = ts.createCompilerHost({ ...options, noEmit: true });
    const { getSourceFile, fileExists, readFile } = host;
    host.fileExists = (name) => snippets.has(name) || fileExists(name);
    host.readFile = (name) => snippets.get(name) ?? readFile(name);
    host.getSourceFile = (name, language, ...rest) => {
      const code = snippets.get(name);
      return code === undefined
        ? getSourceFile(name, language, ...rest)
        : ts.createSourceFile(name, code, language);
    };
    const program = ts.createProgram([...snippets.keys()], { ...options, noEmit: true }, host);
    const told = [...snippets.keys()].flatMap((name) => {
      const file = program.getSourceFile(name);
      return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
    });
    expect(
      told.map(
        ({ file, messageText }) =>
          `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
      ),
    ).toEqual([]);
  });
});
