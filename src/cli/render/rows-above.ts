/**
 * Text that arrives while the user types, as rows above the line being typed. The last row may
 * be unfinished: it is kept shorter than the terminal, so that it can be taken away by going
 * up one row, and written again with what has come. Writes nothing itself.
 */
import { stripVTControlCharacters } from 'node:util';

/** A sequence that styles, or one character. */
const PIECE = /\u001b\[[0-9;]*m|[^]/gu;

export class RowsAbove {
  readonly #columns: number;
  #unfinished = '';

  /** @param columns of the terminal */
  constructor(columns: number) {
    this.#columns = Math.max(20, columns);
  }

  /**
   * What to write, always whole rows, for text that has come; `up` is how many rows of before
   * it replaces, 0 or 1.
   */
  add(text: string): { readonly up: number; readonly rows: string } {
    const up = this.#unfinished === '' ? 0 : 1;
    const lines = `${this.#unfinished}${text}`.split('\n');
    let last = lines.pop() ?? '';
    for (;;) {
      const at = this.#breakOf(last);
      if (at === undefined) break;
      lines.push(last.slice(0, at).trimEnd());
      last = last.slice(at);
    }
    this.#unfinished = last;
    return { up, rows: [...lines, ...(last === '' ? [] : [last])].map((l) => `${l}\n`).join('') };
  }

  /** Where to break a line that is too long for a row, behind a space where there is one. */
  #breakOf(line: string): number | undefined {
    let width = 0;
    let space = 0;
    for (const { 0: piece, index } of line.matchAll(PIECE)) {
      width += widthOf(piece);
      if (piece === ' ') space = index + 1;
      if (width >= this.#columns) return space > 0 ? space : index;
    }
    return undefined;
  }
}

/** Columns, rather too many than too few: what is beyond the alphabets is often two wide. */
function widthOf(piece: string): number {
  if (stripVTControlCharacters(piece) === '') return 0;
  return piece.codePointAt(0)! >= 0x1100 ? 2 : 1;
}
