import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { AgentRuntime } from '../../../src/client/agent-runtime.js';
import type { StreamItem } from '../../../src/contracts/events.js';
import { Harness } from '../../support/harness.js';
import { eventually, Reader } from '../../support/observe.js';

const text = (name: string) => Array.from({ length: 120 }, (_, i) => `${name}${i} é😀 `).join('');

describe('readers', () => {
  let h: Harness;
  beforeAll(async () => {
    h = await Harness.start();
  });
  afterAll(() => h.stop());

  const speak = (name: string, chunkDelayMs: number) =>
    h.model.enqueue({ text: text(name), chunkSize: 7, chunkDelayMs });

  it('F26 reader: gone in the middle of a stream, and back → no gap and no double, the pieces are exact', async () => {
    speak('a', 4).enqueue('second');
    const session = await h.runtime.start();
    const sent = session.send('x');
    const reader = new Reader();
    // Leaves after every few pieces and comes back with the last number it has.
    for (let visit = 0; ; visit++) {
      let pieces = 0;
      // What a reader has heard of a step is said again to it: it begins with offset 0.
      reader.heard.clear();
      for await (const item of session.events({ after: reader.last })) {
        reader.take(item);
        if (item.type === 'delta' && ++pieces > visit % 4) break;
        if (item.type === 'turn.completed') break;
      }
      if (reader.types().includes('turn.completed')) break;
    }
    await sent;
    expect(reader.shown.get('1.1')).toBe(text('a'));
    await session.ask('y');
    await reader.until(session, 'turn.completed', (item) => 'turn' in item && item.turn === 2);
    const numbers = reader.items.flatMap((item) => ('n' in item ? [item.n] : []));
    expect(numbers).toEqual(numbers.map((_, i) => i + 1));
  });

  it('F26 reader: comes while the model is in the middle of a pause → hears at once what was said before', async () => {
    h.model.enqueue({ text: text('b'), chunkSize: 50, hang: 5 });
    const session = await h.runtime.start();
    await session.send('x');
    const first = new Reader();
    await first.until(session, 'delta', () => (first.heard.get('1.1')?.length ?? 0) >= 100);
    const late = new Reader();
    // Back with the last number: nothing durable is new, and nobody speaks at the moment.
    late.last = first.last;
    await late.until(session, 'delta');
    expect(late.heard.get('1.1')!.length).toBeGreaterThanOrEqual(100);
    await session.interrupt();
  });

  it('F26 reader: many at once, one of them slow → each has the same text, exactly', async () => {
    speak('c', 3);
    const session = await h.runtime.start();
    const readers = Array.from({ length: 5 }, () => new Reader());
    const slow = new Reader();
    const slowly = (async () => {
      for await (const item of session.events()) {
        slow.take(item);
        // A reader that is slow, not a wait for something.
        if (slow.items.length % 5 === 0) await new Promise((r) => setTimeout(r, 60));
        if (item.type === 'turn.completed') return;
      }
    })();
    const reading = readers.map((reader) => reader.until(session, 'turn.completed'));
    await session.send('x');
    await Promise.all([slowly, ...reading]);
    for (const reader of [...readers, slow]) {
      expect(reader.shown.get('1.1')).toBe(text('c'));
      expect(text('c').startsWith(reader.heard.get('1.1') ?? '')).toBe(true);
    }
  });

  it('F26 reader: so slow that its buffer overflows → bounded, and complete all the same', async () => {
    h.model.enqueue(
      { text: 'z'.repeat(60_000), chunkSize: 20 },
      { text: 'y'.repeat(60_000), chunkSize: 20, chunkDelayMs: 1 },
    );
    const session = await h.runtime.start();
    const reader = new Reader();
    const stream = session.events();
    const sent = session.ask('x').then(() => session.ask('y'));
    reader.take((await stream.next()).value as StreamItem);
    await sent;
    for await (const item of stream) {
      reader.take(item);
      if (item.type === 'turn.completed' && item.turn === 2) break;
    }
    expect(reader.shown.get('1.1')).toBe('z'.repeat(60_000));
    expect(reader.shown.get('2.1')).toBe('y'.repeat(60_000));
  });

  it('F26 reader: text of control characters, that PostgreSQL could not notify in one piece → heard whole', async () => {
    const odd = '\u0001\u0002"\\\n'.repeat(4_000);
    h.model.enqueue({ text: odd, chunkSize: 15_000, chunkDelayMs: 150 });
    const session = await h.runtime.start();
    const reader = new Reader();
    const reading = reader.until(session, 'turn.completed');
    await session.send('x');
    await reading;
    expect(reader.shown.get('1.1')).toBe(odd);
    expect(reader.heard.get('1.1')!.length).toBeGreaterThanOrEqual(15_000);
  });

  it('F26 reader: the connection of the live bus is cut → the stream goes on', async () => {
    speak('d', 8);
    const session = await h.runtime.start();
    const reader = new Reader();
    const reading = reader.until(session, 'turn.completed');
    await session.send('x');
    await eventually(() => reader.heard.has('1.1'));
    const { Client } = (await import('pg')).default;
    const { inject } = await import('vitest');
    const client = new Client(inject('databaseUrl'));
    await client.connect();
    await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'perdura-live'`,
    );
    await client.end();
    await reading;
    expect(reader.shown.get('1.1')).toBe(text('d'));
    speak('e', 3);
    await session.send('y');
    await reader.until(session, 'turn.completed', (item) => 'turn' in item && item.turn === 2);
    expect(reader.shown.get('2.1')).toBe(text('e'));
  });

  const read = async (items: AsyncIterable<StreamItem>, types: string[] = []) => {
    for await (const item of items) types.push(item.type);
    return types;
  };

  it('F26 reader: the session ends → so does the stream, also for who comes later', async () => {
    h.model.enqueue('hi');
    const session = await h.runtime.start();
    const whole = read(session.events());
    await session.ask('hello');
    await session.end();
    expect((await whole).at(-1)).toBe('session.ended');
    const { lastEvent } = (await session.record())!;
    expect((await read(session.events({ after: lastEvent - 1 }))).at(-1)).toBe('session.ended');
    expect(await read(session.events({ after: lastEvent }))).toEqual([]);
  });

  it('F26 reader: thirty at once → no warning of listeners that leak', async () => {
    const warnings: string[] = [];
    const warn = ({ name }: Error) => void warnings.push(name);
    process.on('warning', warn);
    try {
      h.model.enqueue('hi');
      const session = await h.runtime.start();
      const all = Array.from({ length: 30 }, () => read(session.events()));
      await session.ask('hello');
      await session.end();
      await Promise.all(all);
      expect(warnings).not.toContain('MaxListenersExceededWarning');
    } finally {
      process.off('warning', warn);
    }
  });

  it('F26 reader: the runtime is closed → the stream ends, who waits for an answer is told why', async () => {
    const runtime = await AgentRuntime.connect({
      temporalAddress: inject('temporalAddress'),
      databaseUrl: inject('databaseUrl'),
      tenant: h.tenant,
      taskQueue: h.taskQueue,
    });
    h.model.enqueue({ text: text('f'), hang: 3 });
    const session = await runtime.start();
    const waiting = session.ask('x').catch((error: unknown) => error);
    const types: string[] = [];
    const whole = read(session.events(), types);
    await eventually(() => types.includes('delta'));
    await runtime.close();
    await whole;
    expect(await waiting).toMatchObject({ type: 'Session.Closed', message: /runtime was closed/ });
  });
});
