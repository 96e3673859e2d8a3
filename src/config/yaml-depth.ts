/**
 * How deep a YAML text is nested, before anything parses it: parsing 1,000 nested "[" twice
 * ends Node 20 in a way that no `catch` sees. Uses the lexer alone, which is a loop.
 */
import { Lexer } from 'yaml';

/** Deepest nesting: of brackets, and of columns at which a block begins. */
export const MAX_DEPTH = 64;

/** Offset where the nesting exceeds {@link MAX_DEPTH}. */
export function tooDeepAt(source: string): number | undefined {
  const columns: number[] = [];
  let [offset, lineStart, flow] = [0, 0, 0];
  let opensBlock = true;
  for (const token of new Lexer().lex(source)) {
    // Of the lexer's own marks, which are not in the text: document, flow end, scalar.
    if (token === '\u0002' || token === '\u0018' || token === '\u001f') continue;
    if (token === '[' || token === '{') flow++;
    else if (token === ']' || token === '}') flow = Math.max(0, flow - 1);
    else if (flow === 0 && opensBlock && token.trim() !== '' && !token.startsWith('#')) {
      const column = offset - lineStart;
      while ((columns.at(-1) ?? -1) >= column) columns.pop();
      columns.push(column);
    }
    if (columns.length + flow > MAX_DEPTH) return offset;
    const newline = token.lastIndexOf('\n');
    if (newline >= 0) lineStart = offset + newline + 1;
    // A block opens at the beginning of a line, and after "- ", "? " and ": ".
    if (token.trim() !== '') opensBlock = /^[-?:]$/.test(token);
    if (newline >= 0) opensBlock = true;
    offset += token.length;
  }
  return undefined;
}
