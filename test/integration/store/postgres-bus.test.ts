/** The live bus over PostgreSQL: what it listens on, and what it does when nobody answers. */
import pg from 'pg';
import { afterEach, beforeAll, expect, inject, it, onTestFinished, vi } from 'vitest';
import type { LiveMessage } from '../../../src/contracts/events.js';
import { channelOf } from '../../../src/live/bus.js';
import { PostgresLiveBus } from '../../../src/live/postgres-bus.js';
import { eventually } from '../../support/observe.js';
import { SilentProxy } from '../../support/silent-proxy.js';

let url: string;
beforeAll(() => {
  url = inject('databaseUrl');
});
afterEach(() => vi.restoreAllMocks());

const busOf = (over = url, options = {}) => {
  const bus = new PostgresLiveBus({ url: over }, options);
  onTestFinished(() => bus.close());
  return bus;
};
const key = (session: string) => ({ tenant: 'bus', session });
const delta = (text: string, offset = 0): LiveMessage => ({
  type: 'delta',
  turn: 1,
  step: 1,
  attempt: 1,
  channel: 'text',
  offset,
  text,
});
/** What connections of this process are told to listen on, from now on. */
function listened(): () => string[] {
  const query = vi.spyOn(pg.Client.prototype, 'query');
  return () =>
    query.mock.calls.flatMap(([statement]: unknown[]) =>
      typeof statement === 'string' && /^(un)?listen /.test(statement) ? [statement] : [],
    );
}

it('bus: subscribed again and again → it listens once, and no more when the last has left', async () => {
  const bus = busOf(url, { lingerMs: 30 });
  const sent = listened();
  const first = await bus.subscribe(key('once'), () => undefined);
  const second = await bus.subscribe(key('once'), () => undefined);
  first();
  const third = await bus.subscribe(key('once'), () => undefined);
  const channel = channelOf(key('once'));
  expect(sent()).toEqual([`listen ${channel}`]);
  second();
  third();
  await eventually(() => sent().length === 2);
  expect(sent()).toEqual([`listen ${channel}`, `unlisten ${channel}`]);
  const again = vi.fn();
  await bus.subscribe(key('once'), again);
  bus.publish(key('once'), delta('heard'));
  await eventually(() => again.mock.calls.length > 0);
});

it('bus: the same session of two tenants → neither hears the other', async () => {
  const bus = busOf();
  const heard: string[] = [];
  await bus.subscribe({ tenant: 'one', session: 's' }, () => void heard.push('one'));
  await bus.subscribe({ tenant: 'two', session: 's' }, () => void heard.push('two'));
  bus.publish({ tenant: 'two', session: 's' }, delta('x'));
  await eventually(() => heard.length > 0);
  expect(heard).toEqual(['two']);
});

it('bus: many pieces at once → few statements, in their order; one that is too long is lost alone', async () => {
  const bus = busOf();
  const heard: number[] = [];
  await bus.subscribe(key('many'), (message) => {
    if (message.type === 'delta') heard.push(message.offset);
  });
  const long = { type: 'tool.progress', turn: 1, step: 1, callId: 'c', name: 't' } as const;
  for (let i = 0; i < 500; i++) {
    bus.publish(key('many'), delta('x', i));
    if (i === 250) bus.publish(key('many'), { ...long, message: 'y'.repeat(20_000) });
  }
  await eventually(() => heard.length === 500);
  expect(heard).toEqual(heard.map((_, i) => i));
});

it('F25 bus: the connection goes silent → it is made again within seconds, and readers look at the store', async () => {
  const proxy = await SilentProxy.beforeUrl(url);
  const bus = busOf(proxy.urlOf(url));
  onTestFinished(() => proxy.close());
  const heard: LiveMessage[] = [];
  await bus.subscribe(key('silent'), (message) => void heard.push(message));
  expect(proxy.silenceOpen()).toBe(1);
  const since = performance.now();
  await eventually(() => heard.some(({ type }) => type === 'wake'));
  expect(performance.now() - since).toBeLessThan(12_000);
  bus.publish(key('silent'), delta('again'));
  await eventually(() => heard.some(({ type }) => type === 'delta'));
});

it('F25 bus: nobody answers, and much is said → a bounded part of it waits, the rest is lost at once', async () => {
  const proxy = await SilentProxy.beforeUrl(url);
  const bus = busOf(proxy.urlOf(url));
  onTestFinished(() => proxy.close());
  await bus.subscribe(key('full'), () => undefined);
  proxy.mode = 'silent';
  for (let i = 0; i < 20_000; i++) bus.publish(key('full'), delta('x', i));
  await expect(bus.control(key('full'), { type: 'sync' })).rejects.toThrow(/full/);
  proxy.mode = 'pass';
});
