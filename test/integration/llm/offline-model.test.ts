/** The offline model plays whole turns, over real HTTP, with the real client and both APIs. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLLMClient } from '../../../src/llm/openai-client.js';
import type { ModelRequest, ModelTool, Provider } from '../../../src/contracts/llm.js';
import type { TranscriptMessage } from '../../../src/contracts/message.js';
import { startOfflineModel } from '../../../src/testing/offline-model.js';
import type { OfflineModel } from '../../../src/testing/offline-model.js';

let model: OfflineModel;
beforeAll(async () => {
  model = await startOfflineModel({ instant: true });
});
afterAll(() => model.stop());

/** Answers of `@modelcontextprotocol/server-filesystem`, word for word. */
const FILES: Record<string, string> = {
  '/data/notes/apollo.md': '# Apollo\n\nThe rocket flew. It landed.\n',
  '/data/notes/gemini.txt': 'Two crew. Ten flights in all, each of them crewed.',
};
const TOOLS: Record<string, (path: string) => string> = {
  files__list_allowed_directories: () => 'Allowed directories:\n/data/notes',
  files__list_directory: () => '[FILE] apollo.md\n[FILE] gemini.txt\n[FILE] logo.png\n[DIR] old',
  files__read_text_file: (path) => FILES[path] ?? 'Error: ENOENT: no such file',
  everything__echo: (message) => `Echo: ${message}`,
  calculator: (expression) => `${expression} is 391`,
};
const key = (name: string) =>
  name === 'calculator' ? 'expression' : name === 'everything__echo' ? 'message' : 'path';
const tools: ModelTool[] = Object.keys(TOOLS).map((name) => ({
  name,
  description: name,
  parameters: { type: 'object', properties: { [key(name)]: { type: 'string' } } },
}));

/** A turn: asks, runs the tools that are called, asks again, until there is a text. */
async function turn(api: Provider['api'], question: string, more: Partial<ModelRequest> = {}) {
  const client = createLLMClient({ api, baseUrl: model.baseUrl, apiKey: 'x', stallTimeoutMs: 5e3 });
  const messages: TranscriptMessage[] = [{ role: 'user', id: 'u', text: question }];
  const called: string[][] = [];
  for (let step = 0; step < 8; step++) {
    const answer = await client.complete(
      {
        model: 'offline',
        instructions: 'Help.',
        messages,
        tools,
        toolChoice: 'auto',
        temperature: 0.7,
        maxTokens: 500,
        ...more,
      },
      { signal: new AbortController().signal, stallTimeoutMs: 5_000 },
    );
    if (answer.toolCalls.length === 0) return { text: answer.text, called };
    called.push(answer.toolCalls.map((call) => call.name));
    messages.push({ role: 'assistant', id: `a${step}`, ...answer });
    for (const { id, name, arguments: args } of answer.toolCalls) {
      const value = String((JSON.parse(args) as Record<string, unknown>)[key(name)]);
      const text = TOOLS[name]!(value);
      messages.push({ role: 'tool', callId: id, name, content: [{ type: 'text', text }] });
    }
  }
  throw new Error('no end of tool calls');
}

describe.each(['chat', 'responses'] as const)('offline model, %s', (api) => {
  it('small talk → says that it is scripted, echoes the question, names tools', async () => {
    const { text } = await turn(api, 'Hello there, who are you?');
    expect(text).toMatch(/^\(scripted offline model\) You said: “Hello there, who are you\?”/);
    expect(text).toContain('files__list_directory');
  });

  it('a question about files → lists, reads in parallel, answers from what it read', async () => {
    const { text, called } = await turn(api, 'Read the files in the folder: which is the largest?');
    expect(called).toEqual([
      ['files__list_allowed_directories'],
      ['files__list_directory'],
      ['files__read_text_file', 'files__read_text_file'],
    ]);
    expect(text).toContain('3 files: apollo.md, gemini.txt, logo.png, and 1 folder');
    expect(text).toContain('- apollo.md: 3 lines, 7 words. It begins: “Apollo”');
    expect(text).toContain('- gemini.txt: 1 line, 10 words. It begins: “Two crew.”');
    expect(text).toContain('The largest that I read is gemini.txt, with 50 characters.');
  });

  it('what files say about something → reads them, and quotes the lines', async () => {
    const { text, called } = await turn(api, 'Which file mentions two crew?');
    expect(called.at(-1)).toEqual(['files__read_text_file', 'files__read_text_file']);
    expect(text).toMatch(/About “two crew”:\n- gemini\.txt, line 1: “Two crew\./);
    const { text: none } = await turn(api, 'What do the files say about Mars, in short?');
    expect(none).toContain('None of what I read mentions “Mars”.');
  });

  it('a question that names one file → reads that one', async () => {
    const { called } = await turn(api, 'Summarise the document about apollo');
    expect(called.at(-1)).toEqual(['files__read_text_file']);
  });

  it('which files are there → only lists', async () => {
    const { text, called } = await turn(api, 'Which files are in the folder?');
    expect(called).toHaveLength(2);
    expect(text).toContain('apollo.md, gemini.txt, logo.png');
  });

  it('a command → that tool, with that JSON; then what it answered', async () => {
    const { text, called } = await turn(api, 'use tool echo with {"message": "a } b"}');
    expect(called).toEqual([['everything__echo']]);
    expect(text).toContain('Echo: a } b');
  });

  it('a sum → the calculator; without tools → by itself', async () => {
    expect(await turn(api, 'what is 17*23')).toMatchObject({ called: [['calculator']] });
    const { text } = await turn(api, 'what is 17*23', { tools: [] });
    expect(text).toContain('17 * 23 = 391');
  });

  it('tools that must not be called → a text', async () => {
    expect((await turn(api, 'what is 17*23', { toolChoice: 'none' })).called).toEqual([]);
  });

  it('a response format → JSON of it', async () => {
    const schema = { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] };
    const { text } = await turn(api, 'hello', { responseFormat: { name: 'r', schema } });
    expect(JSON.parse(text)).toEqual({ a: 0 });
  });

  it('a compaction → a summary of the messages', async () => {
    const { text } = await turn(api, 'My name is Ann.', {
      instructions: 'Summarise the conversation for yourself.',
    });
    expect(text).toContain('The user: My name is Ann.');
  });

  it('the same request twice → the same answer', async () => {
    const [a, b] = [await turn(api, 'read the files'), await turn(api, 'read the files')];
    expect(a).toEqual(b);
  });
});

describe('offline model, as a process', () => {
  const main = fileURLToPath(
    new URL('../../../src/testing/offline-model-main.ts', import.meta.url),
  );
  const start = () =>
    spawn(process.execPath, ['--import', 'tsx', main], { stdio: ['pipe', 'pipe', 'inherit'] });

  it.each(['SIGTERM', 'its standard input ends'])(
    '%s → says its address, then ends',
    async (how) => {
      const child = start();
      const [line] = (await once(child.stdout, 'data')) as [Buffer];
      const { baseUrl } = JSON.parse(line.toString()) as { baseUrl: string };
      expect(baseUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/v1$/);
      if (how === 'SIGTERM') child.kill('SIGTERM');
      else child.stdin.end();
      expect(await once(child, 'exit')).toEqual([0, null]);
    },
  );
});
