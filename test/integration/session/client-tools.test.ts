/** Tools that the holder of a session runs (`run: 'client'`): served, answered, refused, too late. */
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import type { ClientTools, ServedTools } from '../../../src/client/client-tools.js';
import type { Session } from '../../../src/client/session.js';
import { tool } from '../../../src/contracts/define-tool.js';
import type { StreamItem } from '../../../src/contracts/events.js';
import { replayHistory } from '../../../src/testing/replay.js';
import { startTestStack, type TestStack } from '../../../src/testing/test-stack.js';
import { CACHED_WORKFLOWS } from '../../support/cached-workflows.js';
import { DatabaseProxy } from '../../support/database-proxy.js';
import type { Harness } from '../../support/harness.js';
import { eventually, historiesOf } from '../../support/observe.js';

const parameters = {
  type: 'object',
  properties: { what: { type: 'string' } },
  required: ['what'],
} as const;
const client = (name: string, timeoutMs?: number) =>
  tool({
    name,
    description: 'Runs where the user is.',
    run: 'client',
    parameters,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });

type Waiting = Extract<StreamItem, { type: 'tool.waiting' }>;

describe('client tools', () => {
  let proxy: DatabaseProxy;
  let stack: TestStack;
  const serving: ServedTools[] = [];

  beforeAll(async () => {
    proxy = await DatabaseProxy.before(inject('databaseUrl'));
    stack = await startTestStack({
      config: { tools: [client('look'), client('pick'), client('hurry', 300)] },
      temporalAddress: inject('temporalAddress'),
      databaseUrl: proxy.url,
      worker: CACHED_WORKFLOWS,
    });
    // `call a b: x` calls these tools with x, then says what it was told.
    stack.model.reply(/^/, ({ messages, lastUserText }) => {
      const told = messages.slice(messages.findLastIndex(({ role }) => role !== 'tool') + 1);
      if (told.length > 0) return `told: ${told.map(({ text }) => text).join(' | ')}`;
      const [, names, what] = /^call (.*): (.*)$/.exec(lastUserText) ?? [];
      if (names === undefined) return `re: ${lastUserText}`;
      return { toolCalls: names.split(' ').map((name) => ({ name, arguments: { what } })) };
    });
  });
  afterEach(async () => {
    proxy.pass();
    await Promise.all(serving.splice(0).map((served) => served.stop()));
  });
  afterAll(async () => {
    await stack.stop();
    await proxy.close();
  });

  const serve = (session: Session, tools: ClientTools, errors: unknown[] = []) => {
    const served = session.serve(tools, { onError: (error) => void errors.push(error) });
    serving.push(served);
    return served;
  };
  const waits = async (session: Session, name = 'look'): Promise<Waiting> => {
    for await (const item of session.events()) {
      if (item.type === 'tool.waiting' && item.name === name) return item;
    }
    throw new Error('the stream ended');
  };
  const asking = async (text: string) => {
    const session = await stack.runtime.start();
    const answer = session.ask(text);
    answer.catch(() => undefined);
    return { session, answer };
  };
  const replayed = async (session: Session) => {
    const h = { runtime: stack.runtime } as Harness;
    for (const events of await historiesOf(h, session.workflowId)) {
      await replayHistory({ events }, { workflowId: session.workflowId });
    }
  };

  it('P12 serve: calls of several tools → each function runs once with its arguments, the model is told', async () => {
    const session = await stack.runtime.start();
    const ran: unknown[] = [];
    serve(session, {
      look: (args, { key, turn, step }) => {
        ran.push([args, key, turn, step]);
        return { seen: (args as { what: string }).what };
      },
      pick: async ({ what }: { what: string }) => Promise.resolve(`picked ${what}`),
    });
    expect((await session.ask('call look pick look: x')).text).toBe(
      'told: {"seen":"x"} | picked x | {"seen":"x"}',
    );
    expect((await session.ask('call pick: y')).text).toBe('told: picked y');
    expect(ran).toEqual([
      [{ what: 'x' }, 'c2.0', 1, 1],
      [{ what: 'x' }, 'c2.2', 1, 1],
    ]);
    await replayed(session);
  });

  it('P12 serve: begun while a call waits → it is run; one that was answered before is not', async () => {
    const { session, answer } = await asking('call look pick: x');
    const { key, by } = await waits(session);
    expect(by).toBe('client');
    await session.answer(key, 'answered by hand');
    await eventually(async () =>
      (await session.transcript()).some(({ message }) => message.role === 'tool'),
    );
    const ran: string[] = [];
    serve(session, {
      look: () => void ran.push('look'),
      pick: () => ran.push('pick') && 'picked',
    });
    expect((await answer).text).toBe('told: answered by hand | picked');
    expect(ran).toEqual(['pick']);
  });

  it('P12 serve: a function under a name that is nearly that of the tool → told, and the call waits', async () => {
    const errors: unknown[] = [];
    const { session, answer } = await asking('call look: x');
    serve(session, { lok: () => 'never' }, errors);
    await eventually(() => errors.length > 0);
    expect(errors[0]).toMatchObject({
      type: 'Tool.Unknown',
      message: 'A call of "look" waits, and "lok" is served. Serve it under the name of the tool.',
    });
    await session.answer((await waits(session)).key, 'by hand');
    expect((await answer).text).toBe('told: by hand');
  });

  it('P12 serve: arguments of more than 512 characters → the function gets all of them', async () => {
    const session = await stack.runtime.start();
    const long = 'ü'.repeat(3_000);
    serve(session, { look: (args) => (args as { what: string }).what.length });
    expect((await session.ask(`call look: ${long}`)).text).toBe('told: 3000');
    const [{ key }] = [await waits(session)];
    expect(JSON.parse((await session.readCall(key)).arguments)).toEqual({ what: long });
    await expect(session.readCall('c99.0')).rejects.toMatchObject({ type: 'Call.NotOpen' });
  });

  it('P12 serve: what a function throws → the refusal that the model sees', async () => {
    const session = await stack.runtime.start();
    serve(session, {
      look: () => {
        throw new Error('The window is closed.');
      },
    });
    expect((await session.ask('call look: x')).text).toBe('told: The window is closed.');
  });

  it('P12 serve: a result that is too large → refused with the reason, the model is told', async () => {
    const session = await stack.runtime.start();
    const errors: unknown[] = [];
    serve(session, { look: () => 'x'.repeat(3_000_000) }, errors);
    expect((await session.ask('call look: x')).text).toMatch(/^told: .*bytes/);
    expect(errors.length).toBeGreaterThan(0);
  });

  it('P12 serve: lone surrogates and nothing at all as a result → well-formed, null', async () => {
    const session = await stack.runtime.start();
    serve(session, { look: () => 'half \ud83d of it', pick: () => undefined });
    expect((await session.ask('call look pick: x')).text).toBe('told: half \ufffd of it | null');
    await replayed(session);
  });

  it('P12 serve: by two clients at once → one answer counts, the turn goes on once', async () => {
    const session = await stack.runtime.start();
    const errors: unknown[] = [];
    for (const name of ['one', 'two']) serve(session, { look: () => name }, errors);
    expect((await session.ask('call look: x')).text).toMatch(/^told: (one|two)$/);
    const results = (await session.transcript()).filter(({ message }) => message.role === 'tool');
    expect(results).toHaveLength(1);
    await Promise.all(serving.map((served) => served.stop()));
    expect(errors).toEqual([]);
  });

  it('P12 serve: the store is away for a while → goes on where it was, each function runs once', async () => {
    const session = await stack.runtime.start();
    const ran: string[] = [];
    serve(session, { look: ({ what }: { what: string }) => ran.push(what) && what });
    expect((await session.ask('call look: before')).text).toBe('told: before');
    proxy.refuse();
    await eventually(() => proxy.refused > 0);
    proxy.pass();
    expect((await session.ask('call look: after')).text).toBe('told: after');
    expect(ran).toEqual(['before', 'after']);
  });

  it('P12 serve: stopped while a function runs → its signal is aborted, the call waits for the next client', async () => {
    const { session, answer } = await asking('call look: x');
    let aborted = false;
    let began: () => void = () => undefined;
    const running = new Promise<void>((resolve) => (began = resolve));
    const first = serve(session, {
      look: (_args, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            aborted = true;
            reject(new Error('stopped'));
          });
          began();
        }),
    });
    await running;
    await first.stop();
    expect(aborted).toBe(true);
    serve(session, { look: () => 'by the next' });
    expect((await answer).text).toBe('told: by the next');
  });

  it('P12 serve: the turn is interrupted while a function runs → its signal is aborted', async () => {
    const { session, answer } = await asking('call look: x');
    const ended = new Promise<void>((resolve) => {
      serve(session, {
        look: (_args, { signal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => {
              resolve();
              reject(new Error('over'));
            });
          }),
      });
    });
    await waits(session);
    await eventually(async () => (await session.status()).waiting?.length === 1);
    await session.interrupt();
    await expect(answer).rejects.toMatchObject({ type: 'Turn.Interrupted' });
    await ended;
  });

  it('P12 call: too late → Call.NotOpen says what became of it: answered, refused, not in time, turn interrupted, rolled back', async () => {
    const late = async (session: Session, key: string) =>
      session.answer(key, 'late').then(
        () => 'taken',
        (error: { type: string; message: string }) => `${error.type}: ${error.message}`,
      );
    const { session, answer } = await asking('call look pick hurry: x');
    const look = await waits(session);
    const pick = await waits(session, 'pick');
    await session.answer(look.key, 'seen');
    await session.refuse(pick.key, 'I had rather not.');
    expect((await answer).text).toBe(
      'told: seen | I had rather not. | Nobody answered "hurry" in time.',
    );
    expect(await late(session, look.key)).toContain(
      'Call.NotOpen: The call "c2.0" has been answered',
    );
    expect(await late(session, pick.key)).toContain('"c2.1" has been refused');
    expect(await late(session, 'c2.2')).toContain('"c2.2" was not answered in time');
    expect(await late(session, 'c77.0')).toContain('No call "c77.0" waits');

    const stopped = async (stop: (session: Session) => Promise<unknown>) => {
      const { session } = await asking('call look: x');
      const { key } = await waits(session);
      await eventually(async () => (await session.status()).waiting?.length === 1);
      await stop(session);
      return late(session, key);
    };
    expect(await stopped((session) => session.interrupt())).toContain('which was interrupted');
    expect(await stopped((session) => session.ask('stop', { whileWorking: 'rollback' }))).toContain(
      'which was rolled back',
    );
    await replayed(session);
  });

  it('P12 P5 rollback: while a call waits → the next call has another key, a late answer reaches none', async () => {
    const { session } = await asking('call look: x');
    const first = await waits(session);
    const answer = session.ask('call look: y', { whileWorking: 'rollback' });
    const second = await eventually(async () => {
      const { waiting = [] } = await session.status();
      return waiting.find(({ key }) => key !== first.key);
    });
    await expect(session.answer(first.key, 'late')).rejects.toMatchObject({
      type: 'Call.NotOpen',
    });
    await session.answer(second.key, 'in time');
    expect((await answer).text).toBe('told: in time');
    const results = (await session.transcript()).filter(({ message }) => message.role === 'tool');
    expect(results).toHaveLength(1);
    await replayed(session);
  });

  it('P12 tool: run `client` with an `execute` → Config.Invalid', () => {
    expect(() =>
      tool({ name: 'x', description: 'x', run: 'client', execute: () => 'x' } as never),
    ).toThrow(/run "client" and an "execute"/);
  });
});
