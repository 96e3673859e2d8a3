import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tool } from '../../../src/contracts/define-tool.js';
import { PerduraError } from '../../../src/contracts/failures.js';
import { ToolContent, type JsonToolDeclaration } from '../../../src/contracts/tool.js';
import { markNotStarted } from '../../../src/tools/not-started.js';
import { ToolExecutor, type RunToolOptions } from '../../../src/tools/tool-executor.js';
import { placeOf } from '../../support/mcp.js';

const executor = new ToolExecutor();
const call = (name = 'act', args = '{}') => ({ id: 'call_1', name, arguments: args });
const idle = () => new AbortController().signal;

function run(
  declaration: Partial<JsonToolDeclaration>,
  options: Partial<RunToolOptions> = {},
  attempt = 1,
) {
  const made = tool({ name: 'act', description: 'Acts.', execute: () => 'ok', ...declaration });
  return executor.run(call(), made, placeOf(attempt), { signal: idle(), ...options });
}
const never = () => new Promise<never>(() => {});
const unavailable = () => new PerduraError('Mcp.Unavailable', 'the server died');
const throwing = (make: () => Error) => () => {
  throw make();
};

describe('ToolExecutor: output', () => {
  it.each([
    ['text', 'hello', 'hello'],
    ['nothing', undefined, '(no output)'],
    ['empty text', '', '(no output)'],
    ['null', null, 'null'],
    ['an object', { a: [1, null] }, '{"a":[1,null]}'],
    ['a BigInt', { n: 12345678901234567890n }, '{"n":"12345678901234567890"}'],
    ['a Map and a Set', { m: new Map([['k', 1]]), s: new Set([2]) }, '{"m":{"k":1},"s":[2]}'],
    ['bytes', { b: Buffer.from('hi') }, '{"b":"aGk="}'],
    [
      'an error as a value',
      { e: new TypeError('no') },
      '{"e":{"name":"TypeError","message":"no"}}',
    ],
  ])('tool output: %s → text for the model', async (_, output, text) => {
    const outcome = await run({ execute: () => output });
    expect(outcome.parts).toEqual([{ type: 'text', text }]);
    expect(outcome.failure).toBeUndefined();
    expect(outcome.ms).toBeGreaterThanOrEqual(0);
  });

  it('tool output: content parts → as they are; a broken image → a placeholder', async () => {
    const image = { type: 'image', mediaType: 'image/png', data: 'iVBORw0KGgo=' } as const;
    const outcome = await run({
      execute: () => new ToolContent([image, { ...image, data: 'no base64!' }]),
    });
    expect(outcome.parts[0]).toEqual(image);
    expect(outcome.parts[1]).toMatchObject({ type: 'text', text: /not valid/ });
  });

  it('tool output: ToolContent with isError → parts and Tool.Failed', async () => {
    const parts = [{ type: 'text', text: 'disk full' }] as const;
    const outcome = await run({ execute: () => new ToolContent(parts, true) });
    expect(outcome).toMatchObject({
      parts,
      failure: { type: 'Tool.Failed', message: 'disk full' },
    });
  });

  it.each([
    [
      'a cycle',
      () => {
        const a: Record<string, unknown> = {};
        a['a'] = a;
        return a;
      },
    ],
    ['a function', () => () => 1],
    [
      'a getter that throws',
      () => ({
        get a() {
          throw new Error('boom');
        },
      }),
    ],
  ])('tool output: %s → Tool.Failed that names the tool’s mistake', async (_, make) => {
    const outcome = await run({ execute: make });
    expect(outcome.failure?.type).toBe('Tool.Failed');
    expect(outcome.failure?.message).toMatch(/"act" ran, but: The tool returned/);
  });

  it('tool output: NUL and lone surrogates anywhere → U+FFFD, so that PostgreSQL keeps it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), fc.boolean(), async (text, fails) => {
        const nasty = `${text}\u0000\ud800x`;
        const outcome = await run({
          execute: () => {
            if (fails) throw new Error(nasty);
            return nasty;
          },
        });
        expect(JSON.stringify(outcome)).not.toMatch(/\\u0000|\\ud8/);
      }),
    );
  });

  it('F19 tool output: over the limit of artifacts → Artifact.TooLarge with the beginning, not a retry', async () => {
    const outcome = await run(
      { execute: () => 'x'.repeat(2_000_000) },
      { maxOutputBytes: 1_000_000 },
    );
    expect(outcome.failure?.type).toBe('Artifact.TooLarge');
    expect(JSON.stringify(outcome.parts).length).toBeLessThan(6_000);
    expect(JSON.stringify(outcome.parts)).toContain('xxxx');
  });
});

describe('ToolExecutor: what the model did wrong', () => {
  it('F15 tool: unknown name → Tool.Unknown with near names', async () => {
    const names = ['get_weather', 'send_mail'];
    const options = { signal: idle(), names };
    const near = await executor.run(call('getWeather'), undefined, placeOf(), options);
    expect(near.failure?.type).toBe('Tool.Unknown');
    expect(near.failure?.message).toMatch(/Did you mean get_weather\?/);
    const far = await executor.run(call('zzzzzzzz'), undefined, placeOf(), options);
    expect(far.failure?.message).toMatch(/The tools are: get_weather, send_mail\./);
  });

  it('F15 tool: malformed arguments → Tool.InvalidArguments, the tool does not run', async () => {
    let ran = false;
    const made = tool({ name: 'act', description: 'Acts.', execute: () => (ran = true) });
    const outcome = await executor.run(call('act', '{'), made, placeOf(), { signal: idle() });
    expect(outcome.failure?.type).toBe('Tool.InvalidArguments');
    expect(ran).toBe(false);
  });
});

describe('ToolExecutor: what the tool did wrong', () => {
  it('tool: throws → Tool.Failed with its message, bounded, without a stack', async () => {
    const outcome = await run({ execute: throwing(() => new Error(`no\n${'x'.repeat(9_000)}`)) });
    expect(outcome.failure?.type).toBe('Tool.Failed');
    expect(outcome.failure?.message).toMatch(/^no\nxxx/);
    expect(outcome.failure?.message).not.toMatch(/ {4}at /);
    expect(outcome.failure?.message.length).toBe(2_000);
  });

  it.each([
    ['text', 'bad', 'bad'],
    ['undefined', undefined, 'undefined'],
    ['an object', { code: 7 }, '{"code":7}'],
  ])('tool: throws %s → Tool.Failed all the same', async (_, thrown, message) => {
    const outcome = await run({
      execute: () => {
        throw thrown;
      },
    });
    expect(outcome.failure).toEqual({ type: 'Tool.Failed', message });
  });

  it('tool: ignores its deadline → Tool.Timeout without waiting for it, signal aborted', async () => {
    let signal: AbortSignal | undefined;
    const outcome = await run({
      timeoutMs: 20,
      effect: 'read',
      execute: (_, context) => {
        signal = context.signal;
        return never();
      },
    });
    expect(outcome.failure).toEqual({
      type: 'Tool.Timeout',
      message: '"act" did not answer within 20 ms and was stopped.',
    });
    expect(signal?.aborted).toBe(true);
  });

  it('tool: obeys its signal with an error of its own → still Tool.Timeout', async () => {
    const outcome = await run({
      timeoutMs: 20,
      execute: (_, { signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(new Error('aborted by me')));
        }),
    });
    expect(outcome.failure?.type).toBe('Tool.Timeout');
    expect(outcome.failure?.message).toMatch(/may have taken effect/);
  });

  it('tool: a deadline longer than Node’s timers → does not fire at once', async () => {
    const outcome = await run({ timeoutMs: 10 ** 12, execute: async () => 'slow' });
    expect(outcome.failure).toBeUndefined();
  });

  it('F20 tool: interrupted in the middle → Tool.Interrupted at once, the late result is dropped', async () => {
    const control = new AbortController();
    let finish: (value: string) => void = () => {};
    const outcome = run(
      {
        execute: () => {
          control.abort();
          return new Promise((resolve) => {
            finish = resolve;
          });
        },
      },
      { signal: control.signal },
    );
    const { failure, parts } = await outcome;
    expect(failure?.type).toBe('Tool.Interrupted');
    finish('late');
    expect(parts).toEqual([{ type: 'text', text: failure?.message }]);
  });

  it('F20 tool: interrupted before it began → does not run', async () => {
    const outcome = await run({ execute: never }, { signal: AbortSignal.abort() });
    expect(outcome.failure?.message).toMatch(/before "act" began/);
  });

  it('F20 tool: rejects after it was interrupted → nobody is bothered by an unhandled rejection', async () => {
    const control = new AbortController();
    const rejections: unknown[] = [];
    const note = (error: unknown) => rejections.push(error);
    process.on('unhandledRejection', note);
    let fail: (error: Error) => void = () => {};
    await run(
      {
        execute: () => {
          control.abort();
          return new Promise((_, reject) => {
            fail = reject;
          });
        },
      },
      { signal: control.signal },
    );
    fail(new Error('late'));
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', note);
    expect(rejections).toEqual([]);
  });
});

describe('ToolExecutor: infrastructure', () => {
  it.each(['read', 'idempotent', 'keyed'] as const)(
    'F18 tool: %s and its server is lost → thrown for another attempt, told to the model on the last',
    async (effect) => {
      const lost = { effect, execute: throwing(unavailable) };
      await expect(run(lost)).rejects.toMatchObject({ type: 'Mcp.Unavailable' });
      await expect(run(lost, {}, 2)).rejects.toMatchObject({ type: 'Mcp.Unavailable' });
      expect((await run(lost, {}, 3)).failure?.type).toBe('Mcp.Unavailable');
      expect((await run(lost, { maximumAttempts: 1 })).failure?.type).toBe('Mcp.Unavailable');
    },
  );

  it('F18 tool: once and its server is lost in the call → Tool.OutcomeUnknown, nothing thrown', async () => {
    const outcome = await run({ execute: throwing(unavailable) });
    expect(outcome.failure?.type).toBe('Tool.OutcomeUnknown');
    expect(outcome.failure?.message).toMatch(/^OUTCOME_UNKNOWN/);
  });

  it('F18 tool: once and its server was never reached → said so, the outcome is known', async () => {
    const outcome = await run({ execute: throwing(() => markNotStarted(unavailable())) });
    expect(outcome.failure?.type).toBe('Mcp.Unavailable');
  });

  it('F18 tool: once on a second attempt → not run again, Tool.OutcomeUnknown', async () => {
    let runs = 0;
    const once = { execute: () => ++runs };
    expect((await run(once, {}, 2)).failure?.type).toBe('Tool.OutcomeUnknown');
    expect((await run(once, { mayHaveRun: true }, 1)).failure?.type).toBe('Tool.OutcomeUnknown');
    expect(runs).toBe(0);
    expect((await run(once, { mayHaveRun: false }, 2)).failure).toBeUndefined();
    expect(runs).toBe(1);
  });

  it('tool: the store is down → thrown on every attempt, since nothing could be told either', async () => {
    const down = throwing(() => new PerduraError('Store.Unavailable', 'down'));
    await expect(run({ effect: 'read', execute: down }, {}, 3)).rejects.toMatchObject({
      type: 'Store.Unavailable',
    });
  });

  it('worker shutdown in a call → a read tool moves to another worker, a once tool is unknown', async () => {
    const shutDown = async (effect: 'read' | 'once') => {
      const control = new AbortController();
      const execute = () => {
        control.abort(new Error('WORKER_SHUTDOWN'));
        return never();
      };
      return run({ effect, execute }, { shutdown: control.signal });
    };
    await expect(shutDown('read')).rejects.toThrow('WORKER_SHUTDOWN');
    expect((await shutDown('once')).failure?.type).toBe('Tool.OutcomeUnknown');
  });
});

describe('ToolExecutor: context', () => {
  it('tool context: call id, key, progress → bounded, silent after the end', async () => {
    const heard: [string, number | undefined][] = [];
    let late: (message: string) => void = () => {};
    await run(
      {
        execute: (_, context) => {
          late = context.progress;
          expect(context.callId).toBe('call_1');
          expect(context.idempotencyKey).toHaveLength(32);
          context.progress('x'.repeat(5_000), 7);
          context.progress('half', 0.5);
          context.progress('odd', Number.NaN);
        },
      },
      { progress: (message, fraction) => heard.push([message, fraction]) },
    );
    late('too late');
    expect(heard.map(([message, fraction]) => [message.length, fraction])).toEqual([
      [1_024, 1],
      [4, 0.5],
      [3, undefined],
    ]);
  });
});
