/** Where the messages of a chat come from: a person at a terminal, or lines from a pipe. */
import { createInterface } from 'node:readline';
import type { Context } from './context.js';

/** Lines that come this close together were pasted, and are one message. ms. */
const PASTE_MS = 30;

/** Gives messages one after the other; undefined when there are no more. */
export interface Prompt {
  next(): Promise<string | undefined>;
}

export function createPrompt(context: Context): Prompt {
  const { stdin, stdout } = context.terminal.streams;
  const person = stdin.isTTY === true && stdout.isTTY === true && !context.terminal.json;
  return person ? new PersonPrompt(context) : linesOf(context);
}

function linesOf({ terminal }: Context): Prompt {
  const lines = createInterface({ input: terminal.streams.stdin, crlfDelay: Infinity });
  const iterator = lines[Symbol.asyncIterator]();
  return {
    async next() {
      const next = await iterator.next();
      return next.done === true ? undefined : next.value;
    },
  };
}

/**
 * A line editor that is open only while it asks: in between the terminal is in its ordinary
 * mode, in which Ctrl-C is a signal and reaches the turn.
 */
class PersonPrompt implements Prompt {
  readonly #context: Context;
  #history: string[] = [];

  constructor(context: Context) {
    this.#context = context;
  }

  async next(): Promise<string | undefined> {
    const { stdin, stdout } = this.#context.terminal.streams;
    const { terminal } = this.#context;
    const editor = createInterface({
      input: stdin,
      output: stdout,
      terminal: true,
      history: [...this.#history],
      prompt: terminal.style.bold('> '),
    });
    const lines: string[] = [];
    let warned = false;
    const answer = await new Promise<string | undefined>((resolve) => {
      let pasted: NodeJS.Timeout | undefined;
      editor.on('line', (line) => {
        lines.push(line);
        clearTimeout(pasted);
        // Pasted text whose last line is not ended yet waits for Enter.
        pasted = setTimeout(() => editor.line === '' && resolve(lines.join('\n')), PASTE_MS);
      });
      editor.on('history', (history) => (this.#history = history));
      editor.on('SIGINT', () => {
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
    editor.close();
    if (answer === undefined) stdout.write('\n');
    return answer;
  }
}
