/**
 * The end of what is on the screen: whether a line is unfinished, and a last line that
 * changes in place. Collects what is to be written; writes nothing.
 */

/** The answer goes to standard output, everything else to standard error. */
export interface Piece {
  readonly to: 'answer' | 'note';
  readonly text: string;
}

/** Back to the beginning of the line, and erase it (ECMA-48 EL). */
const ERASE_LINE = '\r\u001b[2K';

export class Screen {
  #pieces: Piece[] = [];
  #midLine = false;
  #changing = false;

  /** What has come together since the last call. */
  take(): readonly Piece[] {
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  /** A part of the answer, which may end in the middle of a line. */
  say(text: string): void {
    if (text === '') return;
    this.erase();
    this.#pieces.push({ to: 'answer', text });
    this.#midLine = !text.endsWith('\n');
  }

  /** A line about the answer. */
  note(line: string): void {
    this.newLine();
    this.erase();
    this.#pieces.push({ to: 'note', text: `${line}\n` });
  }

  /** A line that the next one replaces, whatever it is. */
  change(line: string): void {
    this.newLine();
    this.#pieces.push({ to: 'note', text: `${this.#changing ? ERASE_LINE : ''}${line}` });
    this.#changing = true;
  }

  /** Ends an unfinished line of the answer. */
  newLine(): void {
    if (this.#midLine) this.#pieces.push({ to: 'answer', text: '\n' });
    this.#midLine = false;
  }

  /** Takes the changing line away. */
  erase(): void {
    if (this.#changing) this.#pieces.push({ to: 'note', text: ERASE_LINE });
    this.#changing = false;
  }
}
