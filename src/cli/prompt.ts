/** Where the messages of a chat come from: a person at a terminal, or lines from a pipe. */
import { clearScreenDown, createInterface, cursorTo, moveCursor } from 'node:readline';
import type { Interface } from 'node:readline';
import type { CommandContext } from './context.js';
import { RowsAbove } from './render/rows-above.js';
import type { Piece } from './render/screen.js';

/** Lines that come this close together were pasted, and are one message. ms. */
const PASTE_MS = 30;

/** Where pieces of a conversation go. */
export interface Outlet {
  write(pieces: readonly Piece[]): void;
  /** The prompt is open: what is written appears above the line being typed. */
  readonly asking: boolean;
}

/** Gives messages one after the other. */
export interface Prompt extends Outlet {
  /** Undefined when there are no more, or as soon as `stop` is aborted. */
  next(stop: AbortSignal): Promise<string | undefined>;
}

/** `onInterrupt` is asked at Ctrl-C on an empty line; true when there was something to interrupt. */
export function createPrompt(context: CommandContext, onInterrupt: () => boolean): Prompt {
  const { stdin, stdout } = context.terminal.streams;
  const person = stdin.isTTY === true && stdout.isTTY === true && !context.terminal.json;
  return person ? new PersonPrompt(context, onInterrupt) : linesOf(context);
}

function linesOf({ terminal }: CommandContext): Prompt {
  const lines = createInterface({ input: terminal.streams.stdin, crlfDelay: Infinity });
  const iterator = lines[Symbol.asyncIterator]();
  return {
    asking: false,
    write: (pieces) => terminal.write(pieces),
    async next(stop) {
      const stopped = new Promise<undefined>((resolve) => {
        if (stop.aborted) resolve(undefined);
        stop.addEventListener('abort', () => resolve(undefined), { once: true });
      });
      const next = await Promise.race([iterator.next(), stopped]);
      return next === undefined || next.done === true ? undefined : next.value;
    },
  };
}

/**
 * A line editor that is open only while it asks: in between the terminal is in its ordinary
 * mode, in which Ctrl-C is a signal and reaches the turn.
 */
class PersonPrompt implements Prompt {
  readonly #context: CommandContext;
  readonly #onInterrupt: () => boolean;
  #history: string[] = [];
  #open: { readonly editor: Interface; readonly above: RowsAbove } | undefined;

  constructor(context: CommandContext, onInterrupt: () => boolean) {
    this.#context = context;
    this.#onInterrupt = onInterrupt;
  }

  get asking(): boolean {
    return this.#open !== undefined;
  }

  write(pieces: readonly Piece[]): void {
    const { terminal } = this.#context;
    if (!this.#open) return terminal.write(pieces);
    const { stdout, stderr } = terminal.streams;
    // Notes that go to a file do not disturb the screen.
    const here = pieces.filter(({ to }) => to === 'answer' || stderr.isTTY === true);
    terminal.write(pieces.filter((piece) => !here.includes(piece)));
    const text = here.map((piece) => piece.text).join('');
    if (text === '') return;
    const { editor, above } = this.#open;
    const { rows: down } = editor.getCursorPos();
    const { up, rows } = above.add(text);
    moveCursor(stdout, 0, -(down + up));
    cursorTo(stdout, 0);
    clearScreenDown(stdout);
    stdout.write(rows);
    // The editor goes up as many rows as its cursor had been below its first one.
    stdout.write('\n'.repeat(down));
    editor.prompt(true);
  }

  async next(stop: AbortSignal): Promise<string | undefined> {
    const { stdin, stdout } = this.#context.terminal.streams;
    const { terminal } = this.#context;
    if (stop.aborted) return undefined;
    const editor = createInterface({
      input: stdin,
      output: stdout,
      terminal: true,
      history: [...this.#history],
      prompt: terminal.style.bold('> '),
    });
    this.#open = { editor, above: new RowsAbove(stdout.columns ?? 80) };
    const lines: string[] = [];
    let warned = false;
    let end = () => {};
    const answer = await new Promise<string | undefined>((resolve) => {
      let pasted: NodeJS.Timeout | undefined;
      end = () => resolve(undefined);
      stop.addEventListener('abort', end);
      editor.on('line', (line) => {
        lines.push(line);
        clearTimeout(pasted);
        // Pasted text whose last line is not ended yet waits for Enter.
        pasted = setTimeout(() => editor.line === '' && resolve(lines.join('\n')), PASTE_MS);
      });
      editor.on('history', (history) => (this.#history = history));
      editor.on('SIGINT', () => {
        if (editor.line === '' && this.#onInterrupt()) return;
        if (editor.line === '' && warned) return resolve(undefined);
        warned = editor.line === '';
        // Typed text is what the first Ctrl-C takes away.
        editor.write(null, { ctrl: true, name: 'e' });
        editor.write(null, { ctrl: true, name: 'u' });
        if (warned) stdout.write(`\n${terminal.style.dim('(Ctrl-C again leaves)')}\n`);
        editor.prompt();
      });
      // Ctrl-D, or the terminal is gone.
      editor.on('close', () => resolve(lines.length > 0 ? lines.join('\n') : undefined));
      editor.prompt();
    });
    stop.removeEventListener('abort', end);
    this.#open = undefined;
    editor.close();
    if (answer === undefined) stdout.write('\n');
    return answer;
  }
}
