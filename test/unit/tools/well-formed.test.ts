/** Every string of a tool, its result and its failure: what PostgreSQL and Temporal take. */
import { describe, expect, it } from 'vitest';
import { tool } from '../../../src/contracts/define-tool.js';
import { ToolContent, type RawContentPart } from '../../../src/contracts/tool.js';
import { judgeTools } from '../../../src/mcp/tool-catalogue.js';
import { contentOf, promptContent, resourceContent } from '../../../src/mcp/mcp-results.js';
import { planCalls } from '../../../src/tools/plan-calls.js';
import { clipText, thrownMessage } from '../../../src/tools/text.js';
import { ToolExecutor } from '../../../src/tools/tool-executor.js';
import { InMemoryPins, placeOf } from '../../support/mcp.js';

const NASTY = [
  ['a lone high surrogate', 'a\ud83d'],
  ['a lone low surrogate', '\udc00b'],
  ['NUL', 'a\u0000b'],
  ['U+FFFF', 'a\uffffb'],
  ['pairs at every cut', `x${'😀'.repeat(40_000)}`],
  ['1 MB of combining marks', '\u0301'.repeat(500_000)],
] as const;

/** Neither NUL nor half a pair, in any string or key. */
function expectWellFormed(value: unknown): void {
  const bad = stringsOf(value).filter((text) => /\u0000|\p{Surrogate}/u.test(text));
  expect(bad).toEqual([]);
}

function stringsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => [key, ...stringsOf(member)]);
}

const call = { id: 'call_1', name: 'act', arguments: '{}' };
const signal = new AbortController().signal;

async function run(output: () => unknown, heard: string[] = []) {
  const made = tool({
    name: 'act',
    description: 'Acts.',
    execute: (_, { progress }) => {
      if (heard.length === 0) return output();
      progress(heard.pop()!);
      return output();
    },
  });
  return new ToolExecutor().run(call, made, placeOf(), {
    signal,
    progress: (message) => heard.push(message),
  });
}

describe.each(NASTY)('%s', (_, text) => {
  const parts: [string, RawContentPart][] = [
    ['text', { type: 'text', text }],
    ['uri', { type: 'resource', uri: text }],
    ['name', { type: 'resource', uri: 'u', name: text }],
    ['mediaType', { type: 'resource', uri: 'u', mediaType: text }],
    ['mediaType of an image', { type: 'image', mediaType: text, data: 'aGk=' }],
    ['data of an image', { type: 'image', mediaType: 'image/png', data: text }],
    ['unknown part', { type: text } as never],
  ];

  it.each(parts)('tool output: in %s → well-formed', async (field, part) => {
    const outcome = await run(() => new ToolContent([part]));
    expectWellFormed(outcome);
    expect(outcome.failure).toBeUndefined();
    if (field !== 'text') expect(JSON.stringify(outcome.parts).length).toBeLessThan(1_100_000);
  });

  it('tool output: as text, in JSON, as isError → well-formed', async () => {
    expectWellFormed(await run(() => text));
    expectWellFormed(await run(() => ({ [text]: [text] })));
    expectWellFormed(await run(() => new ToolContent([{ type: 'text', text }], true)));
  });

  it('tool failure: thrown as an error, as text, as an object → well-formed and bounded', async () => {
    for (const thrown of [
      new Error(text),
      text,
      { text },
      Object.assign(new Error('x'), { message: { text } }),
    ]) {
      const outcome = await run(() => {
        throw thrown;
      });
      expectWellFormed(outcome);
      expect(outcome.failure!.message.length).toBeLessThanOrEqual(2_000);
      expect(thrownMessage(thrown).length).toBeLessThanOrEqual(2_000);
    }
  });

  it('tool progress: → well-formed and bounded', async () => {
    const heard: string[] = [text];
    await run(() => 'ok', heard);
    expectWellFormed(heard);
    expect(heard[0]!.length).toBeLessThanOrEqual(1_024);
  });

  it('tool declaration: in its description and schema → well-formed', () => {
    const made = tool({
      name: 'act',
      description: `x${text}`,
      parameters: {
        type: 'object',
        properties: { [text]: { description: text, enum: [text, { [text]: text }] } },
      },
      execute: () => 'ok',
    });
    expectWellFormed([made.description, made.parameters]);
  });

  it('planned call: in the name that a model made up → cut, not in a pair', () => {
    const [planned] = planCalls(
      [{ ...call, name: text.replace(/\p{Surrogate}|\0/gu, '') }],
      new Map(),
      String,
    );
    expectWellFormed(planned);
    expect(planned!.name.length).toBeLessThanOrEqual(64);
  });

  it('mcp result: in every field → well-formed', async () => {
    const result = contentOf({
      content: [
        { type: 'text', text },
        { type: 'link', uri: text, name: text, mimeType: text },
        { type: 'resource', uri: text, mimeType: text, text },
        { type: 'resource', uri: text, mimeType: `image/${text}`, blob: text },
        { type: 'audio', data: text, mimeType: text },
        { type: 'image', data: text, mimeType: text },
        { type: 'other', value: { [text]: text } },
      ],
      isError: true,
    });
    for (const output of [
      result,
      contentOf({ content: [], structured: { [text]: text }, isError: false }),
      resourceContent([{ uri: text, mimeType: text, text }]),
      promptContent([{ role: text, content: { type: 'text', text } }]),
    ]) {
      expectWellFormed(await run(() => output));
    }
  });

  it('mcp tool: in its description, title and schema → offered, well-formed', async () => {
    const info = {
      name: 'act',
      title: text,
      description: text,
      inputSchema: { type: 'object', properties: { a: { title: text.slice(0, 100) } } },
      needsTask: false,
    };
    const { callable } = await judgeTools(
      'odd',
      { command: 'x' },
      [info],
      new InMemoryPins(),
      never,
    );
    const made = callable.get('odd__act')!;
    expectWellFormed([made.name, made.description, made.parameters]);
    expect(made.description.length).toBeLessThanOrEqual(8_192);
  });

  it('mcp tool: in its name → its name is mended or it is left out, the pins are not asked', async () => {
    const pins = new InMemoryPins();
    const asked: string[] = [];
    const pin = (server: string, name: string, digest: string) => {
      asked.push(name);
      return pins.pin(server, name, digest);
    };
    const info = { name: text, inputSchema: { type: 'object' }, needsTask: false };
    const load = (server: string) => pins.load(server);
    const accept = () => Promise.resolve();
    const { callable, blocked } = await judgeTools(
      'odd',
      { command: 'x' },
      [info],
      { load, pin, accept },
      never,
    );
    expectWellFormed([[...callable.keys()], blocked]);
    for (const name of asked) {
      expectWellFormed(name);
      expect(name.length).toBeLessThanOrEqual(256);
    }
  });
});

describe('cuts', () => {
  it('clipText: at every length → never longer, never half a pair', () => {
    const text = 'a😀b😀😀c';
    for (let max = 1; max <= text.length; max++) {
      const cut = clipText(text, max);
      expect(cut.length).toBeLessThanOrEqual(max);
      expectWellFormed(cut);
    }
  });

  it('mcp tool: data in its schema that is nested without end → left out, nothing overflows', async () => {
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i++) deep = [deep];
    const inputSchema = { type: 'object', default: deep };
    const info = { name: 'deep', inputSchema, needsTask: false };
    const { blocked } = await judgeTools(
      'odd',
      { command: 'x' },
      [info],
      new InMemoryPins(),
      never,
    );
    expect(blocked).toMatchObject([{ tool: 'deep', reason: 'unusable' }]);
  });
});

async function never(): Promise<never> {
  throw new Error('Nothing is called here.');
}
