/** The line editor of `perdura chat`, typed into as a person would, and read off a real screen. */
import { PassThrough } from 'node:stream';
import xterm from '@xterm/headless';
import { describe, expect, it, vi } from 'vitest';
import { Interrupts } from '../../../src/cli/context.js';
import { createPrompt } from '../../../src/cli/prompt.js';
import { Terminal, type Streams } from '../../../src/cli/terminal.js';
import type { Settings } from '../../../src/config/environment.js';

const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
const UP = '\u001b[A';

function setup(onInterrupt = () => false) {
  const screen = new xterm.Terminal({
    cols: 40,
    rows: 12,
    convertEol: true,
    allowProposedApi: true,
  });
  const keys = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => keys });
  const drawn = (name: string) =>
    Object.assign(new PassThrough(), { isTTY: true, columns: 40, rows: 12, name }).on(
      'data',
      (chunk: Buffer) => screen.write(chunk),
    );
  const streams = { stdin: keys, stdout: drawn('stdout'), stderr: drawn('stderr') } as Streams;
  const terminal = new Terminal(streams, { json: false, noColor: true });
  const context = { settings: {} as Settings, terminal, interrupts: new Interrupts() };
  const prompt = createPrompt(context, onInterrupt);
  const stop = new AbortController();
  /** Rows that are not empty, once what was written is on the screen. */
  const rows = async () => {
    await new Promise<void>((resolve) => screen.write('', resolve));
    const { active } = screen.buffer;
    return Array.from({ length: active.length }, (_, y) =>
      active.getLine(y)!.translateToString(true).trimEnd(),
    ).filter((row) => row !== '');
  };
  const shows = (...expected: string[]) =>
    vi.waitFor(async () => expect(await rows()).toEqual(expected));
  return {
    prompt,
    stop,
    shows,
    type: (text: string) => keys.write(text),
    ask: () => prompt.next(stop.signal),
  };
}

describe('a person at the prompt', () => {
  it('a line and Enter → a message', async () => {
    const { ask, type, shows } = setup();
    const message = ask();
    type('hello');
    await shows('> hello');
    type('\r');
    expect(await message).toBe('hello');
  });

  it('lines that come at once → one message', async () => {
    const { ask, type } = setup();
    const message = ask();
    type('one\rtwo\rthree\r');
    expect(await message).toBe('one\ntwo\nthree');
  });

  it('pasted lines, the last without its end → one message, when Enter ends it', async () => {
    const { ask, type, shows } = setup();
    const message = ask();
    type('one\rtwo');
    await shows('> one', 'two');
    type('\r');
    expect(await message).toBe('one\ntwo');
  });

  it('arrow up → the message before, also in the next question', async () => {
    const { ask, type } = setup();
    const first = ask();
    type('hello\r');
    await first;
    const second = ask();
    type(`${UP}!\r`);
    expect(await second).toBe('hello!');
  });

  it('text comes while a line is typed → above it, and nothing typed is lost', async () => {
    const { ask, prompt, type, shows } = setup();
    const message = ask();
    type('my que');
    await shows('> my que');
    prompt.write([{ to: 'answer', text: 'Ann: ' }]);
    prompt.write([{ to: 'answer', text: 'I was first\n' }]);
    prompt.write([{ to: 'note', text: '(paused)\n' }]);
    await shows('Ann: I was first', '(paused)', '> my que');
    type('stion\r');
    expect(await message).toBe('my question');
  });

  it('a typed line of several rows → what comes stands above all of it', async () => {
    const { ask, prompt, type, shows } = setup();
    void ask();
    type('x'.repeat(60));
    await shows(`> ${'x'.repeat(38)}`, 'x'.repeat(22));
    prompt.write([{ to: 'answer', text: 'Ann: hi\n' }]);
    await shows('Ann: hi', `> ${'x'.repeat(38)}`, 'x'.repeat(22));
  });

  it('nobody is asked → text goes where it always goes', async () => {
    const { prompt, shows } = setup();
    expect(prompt.asking).toBe(false);
    prompt.write([{ to: 'answer', text: 'words' }]);
    await shows('words');
  });
});

describe('leaving the prompt', () => {
  it('Ctrl-D on an empty line → no more messages', async () => {
    const { ask, type } = setup();
    const message = ask();
    type(CTRL_D);
    expect(await message).toBeUndefined();
  });

  it('Ctrl-C on typed text → takes the text away, and nothing else', async () => {
    const interrupted = vi.fn(() => true);
    const { ask, type, shows } = setup(interrupted);
    const message = ask();
    type('wrong');
    await shows('> wrong');
    type(CTRL_C);
    await shows('>');
    type('right\r');
    expect(await message).toBe('right');
    expect(interrupted).not.toHaveBeenCalled();
  });

  it('Ctrl-C on an empty line while another turn runs → interrupts it, and stays', async () => {
    const interrupted = vi.fn(() => true);
    const { ask, type } = setup(interrupted);
    const message = ask();
    type(CTRL_C);
    type(CTRL_C);
    await vi.waitFor(() => expect(interrupted).toHaveBeenCalledTimes(2));
    type('still here\r');
    expect(await message).toBe('still here');
  });

  it('Ctrl-C twice on an empty line, nothing to interrupt → says so, then leaves', async () => {
    const { ask, type, shows } = setup();
    const message = ask();
    await shows('>');
    type(CTRL_C);
    await shows('>', '(Ctrl-C again leaves)', '>');
    type(CTRL_C);
    expect(await message).toBeUndefined();
  });

  it('the session ends while a line is typed → no message', async () => {
    const { ask, stop, type, shows } = setup();
    const message = ask();
    type('half a');
    await shows('> half a');
    stop.abort();
    expect(await message).toBeUndefined();
    expect(await ask()).toBeUndefined();
  });
});
