/**
 * Half-open connections, as a failover or a NAT leaves them: what is sent into them vanishes, new ones
 * work. Nobody is told, so everyone has to notice.
 */
import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import { migrate } from '../../../src/store/migrate.js';
import { startTestStack, type TestStack } from '../../../src/testing/test-stack.js';
import { eventually, Reader, saidTexts, userTexts } from '../../support/observe.js';
import { SilentProxy } from '../../support/silent-proxy.js';

/** Workers and readers have noticed, and gone on, ms. */
const SECONDS = 15_000;

let proxy: SilentProxy;
let stack: TestStack;
/** In the middle of a model call. */
let meanwhile: () => void = () => undefined;
beforeAll(async () => {
  const url = inject('databaseUrl');
  await migrate(url);
  proxy = await SilentProxy.beforeUrl(url);
  stack = await startTestStack({
    temporalAddress: inject('temporalAddress'),
    databaseUrl: proxy.urlOf(url),
  });
  stack.model.reply(/^/, (request) => {
    const { text } = request.messages.at(-1)!;
    if (text === 'break') meanwhile();
    return { text: `answer to ${text}`, chunkSize: 4, chunkDelayMs: 5 };
  });
});
beforeEach(() => {
  meanwhile = () => undefined;
});
afterAll(async () => {
  await stack.stop();
  await proxy.close();
});

/** A session whose worker, bus and reader hold connections. */
async function warm() {
  const session = await stack.runtime.start();
  expect((await session.ask('warm')).text).toBe('answer to warm');
  const reader = new Reader();
  const reading = (async () => {
    for await (const item of session.events()) reader.take(item);
  })();
  await eventually(() => reader.types().includes('turn.completed'));
  return { session, reader, reading };
}

const turnsOf = (reader: Reader) =>
  reader.types().filter((type) => type === 'turn.completed').length;

it('F25 database: every connection goes silent while the session is idle → the next turn and its reader go on within seconds', async () => {
  const { session, reader, reading } = await warm();
  expect(proxy.silenceOpen()).toBeGreaterThan(2);
  const since = performance.now();
  // By the way that asks the store first, and by the way that does not.
  await session.send({ id: 'next', text: 'next' });
  await eventually(() => turnsOf(reader) === 2, SECONDS);
  expect(performance.now() - since).toBeLessThan(SECONDS);
  expect((await session.answerTo('next')).text).toBe('answer to next');
  expect(userTexts(await session.transcript())).toEqual(['warm', 'next']);
  await session.end();
  await reading;
}, 60_000);

it('F25 database: every connection goes silent in the middle of an answer → one answer, complete, within seconds', async () => {
  const { session, reader, reading } = await warm();
  meanwhile = () => {
    meanwhile = () => undefined;
    proxy.silenceOpen();
  };
  const since = performance.now();
  await session.send({ id: 'break', text: 'break' });
  await eventually(() => turnsOf(reader) === 2, 2 * SECONDS);
  expect(performance.now() - since).toBeLessThan(SECONDS);
  expect(saidTexts(await session.transcript())).toEqual(['answer to warm', 'answer to break']);
  await session.end();
  await reading;
}, 60_000);
