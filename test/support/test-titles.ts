/** The titles of all tests, read from the sources: what a list of requirements can refer to. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

export interface TestTitle {
  /** Relative to the repository. */
  readonly file: string;
  /** As written: of a template, with `${…}`; of an `each`, with its `%s`. */
  readonly title: string;
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export function testTitles(): TestTitle[] {
  return readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .flatMap((name) => {
      const file = `test/${name}`;
      const text = readFileSync(join(ROOT, file), 'utf8');
      return titlesIn(ts.createSourceFile(file, text, ts.ScriptTarget.Latest)).map((title) => ({
        file,
        title,
      }));
    });
}

function titlesIn(source: ts.SourceFile): string[] {
  const titles: string[] = [];
  const visit = (node: ts.Node): void => {
    const title = ts.isCallExpression(node) && isTest(node, source) ? node.arguments[0] : undefined;
    if (title && (ts.isStringLiteralLike(title) || ts.isTemplateExpression(title))) {
      titles.push(
        title
          .getText(source)
          .slice(1, -1)
          .replace(/\\(['"`])/g, '$1'),
      );
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return titles;
}

/** `it(…)`, `test(…)`, `it.each(…)(…)`, `it.runIf(…)(…)`; skipped ones do not count. */
function isTest(call: ts.CallExpression, source: ts.SourceFile): boolean {
  const callee = call.expression.getText(source);
  return /^(it|test)(\.|$|\()/.test(callee) && !/^(it|test)\.(skip|todo)\b/.test(callee);
}
