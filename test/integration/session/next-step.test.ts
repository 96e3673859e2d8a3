/**
 * The write of an answer whose tools are done begins the next step, and its call does not wait for that
 * write. What the write says, or its fate, must not lose or double anything.
 */
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import { z } from 'zod';
import { tool } from '../../../src/contracts/define-tool.js';
import type { Session } from '../../../src/client/session.js';
import { migrate } from '../../../src/store/migrate.js';
import { startTestStack, type TestStack } from '../../../src/testing/test-stack.js';
import type { ScriptedResponse } from '../../../src/testing/scripted-model.js';
import { DatabaseProxy, type Hold } from '../../support/database-proxy.js';
import { eventually, saidTexts } from '../../support/observe.js';

let added = 0;
const add = tool({
  name: 'add',
  description: 'Adds two numbers.',
  parameters: z.object({ a: z.number(), b: z.number() }),
  effect: 'read',
  run: 'local',
  execute: ({ a, b }) => {
    added += 1;
    return a + b;
  },
});
const usage = { input: 100, output: 10 };
const adding: ScriptedResponse = {
  text: 'I add.',
  toolCalls: [{ name: 'add', arguments: { a: 1, b: 2 } }],
  usage,
};
const done: ScriptedResponse = { text: 'done', usage };

let proxy: DatabaseProxy;
let stack: TestStack;
/** Beside the proxy: what the test itself asks and changes. */
let database: pg.Client;
beforeAll(async () => {
  const url = inject('databaseUrl');
  await migrate(url);
  database = new pg.Client({ connectionString: url });
  await database.connect();
  proxy = await DatabaseProxy.before(url);
  stack = await startTestStack({
    config: {
      agents: [{ name: 'assistant', instructions: 'Be brief.', limits: { maxSteps: 6 } }],
      tools: [add],
    },
    temporalAddress: inject('temporalAddress'),
    databaseUrl: proxy.url,
  });
});
beforeEach(() => {
  added = 0;
});
afterAll(async () => {
  await stack.stop();
  await proxy.close();
  await database.end();
});

const rows = async (session: Session, query: string): Promise<Record<string, unknown>[]> => {
  const { rows } = await database.query<Record<string, unknown>>(query, [stack.tenant, session.id]);
  return rows;
};
const outcomes = async (session: Session) =>
  (
    await rows(
      session,
      `select step, outcome from perdura.attempts where tenant = $1 and session = $2
      order by started_at`,
    )
  ).map(({ step, outcome }) => `${String(step)} ${String(outcome)}`);
const rolesOf = async (session: Session) =>
  (await session.transcript()).map(({ message }) => message.role);
/** The write of the first answer, which begins the second step. */
const writeOfAnswer = (at: 'request' | 'reply'): Hold =>
  proxy.hold((message) => (message.includes('"next":{') ? 'the answer' : undefined), at);
/** So many requests of this session. */
const asked = (session: Session) =>
  stack.model.requests.filter(({ lastUserText }) => lastUserText === session.id).length;

it('three steps → each but the first begins in the commit of the answer before it', async () => {
  stack.model.enqueue(adding, adding, done);
  const session = await stack.runtime.start();
  expect(await session.ask('go')).toMatchObject({
    text: 'done',
    usage: { input: 300, output: 30 },
  });
  const commits = await rows(
    session,
    `select type, xmin::text as commit from perdura.events where tenant = $1 and session = $2
      and type in ('step.started', 'step.completed') order by n`,
  );
  const [, firstEnds, secondBegins, secondEnds, thirdBegins, thirdEnds] = commits;
  expect(commits.map(({ type }) => type)).toEqual(
    [1, 2, 3].flatMap(() => ['step.started', 'step.completed']),
  );
  expect(secondBegins!.commit).toBe(firstEnds!.commit);
  expect(thirdBegins!.commit).toBe(secondEnds!.commit);
  expect(thirdEnds!.commit).not.toBe(thirdBegins!.commit);
  expect(await outcomes(session)).toEqual(['1 completed', '2 completed', '3 completed']);
  expect(added).toBe(2);
});

it('pause: while the model speaks, and its tool is done at once → it is not asked again', async () => {
  const session = await stack.runtime.start();
  stack.model.enqueue({ ...adding, text: 'I add. '.repeat(20), chunkSize: 4, chunkDelayMs: 100 });
  const answer = session.ask(session.id);
  await eventually(() => asked(session) === 1);
  await session.pause();
  await eventually(async () => (await session.record())!.state === 'paused');
  await eventually(async () => (await session.status()).head === 3, 30_000);
  expect(asked(session)).toBe(1);
  expect(await outcomes(session)).toEqual(['1 completed']);
  stack.model.enqueue(done);
  await session.resume();
  expect(await answer).toMatchObject({ text: 'done' });
  expect(added).toBe(1);
});

it('the write says that the session stands still → the call is closed and paid, and the step is made anew', async () => {
  const session = await stack.runtime.start();
  const held = writeOfAnswer('request');
  stack.model.enqueue(adding, { text: 'a long word '.repeat(100), chunkDelayMs: 100 }, done);
  const answer = session.ask(session.id);
  await held.until(1);
  await eventually(() => asked(session) === 2);
  // A pause whose notification was lost.
  await rows(
    session,
    `update perdura.sessions set state = 'paused' where tenant = $1 and session = $2`,
  );
  const closed = stack.model.closedEarly.length;
  held.release();
  await stack.model.until(({ closedEarly }) => closedEarly.length === closed + 1);
  expect(await answer).toMatchObject({ text: 'done' });
  expect(await outcomes(session)).toEqual(['1 completed', '2 superseded', '2 completed']);
  expect(await rolesOf(session)).toEqual(['user', 'assistant', 'tool', 'assistant']);
  expect(added).toBe(1);
  const [bill] = await rows(
    session,
    `select input_tokens, estimated from perdura.attempts
      where tenant = $1 and session = $2 and outcome = 'superseded'`,
  );
  expect(bill).toMatchObject({ estimated: true });
  expect(Number(bill!.input_tokens)).toBeGreaterThan(0);
  // What was spent in vain counts for the turn, too.
  expect((await session.status()).usage.input).toBe(200 + Number(bill!.input_tokens));
});

it('F25 database: the answer to the write is lost → written once, and the step that it began goes on', async () => {
  const session = await stack.runtime.start();
  const held = writeOfAnswer('reply');
  stack.model.enqueue(adding, done);
  const answer = session.ask(session.id);
  await held.until(1);
  await eventually(
    async () =>
      (
        await rows(
          session,
          `select 1 from perdura.attempts where tenant = $1 and session = $2 and step = 2`,
        )
      ).length === 1,
  );
  proxy.refuse();
  proxy.pass();
  held.release();
  expect(await answer).toMatchObject({ text: 'done' });
  expect(asked(session)).toBe(2);
  expect(await outcomes(session)).toEqual(['1 completed', '2 completed']);
  expect(await rolesOf(session)).toEqual(['user', 'assistant', 'tool', 'assistant']);
  expect(added).toBe(1);
});

it('F20 F25 interrupt: while the write waits for the database → the call is closed at once, the answer is kept', async () => {
  const session = await stack.runtime.start();
  const held = writeOfAnswer('request');
  stack.model.enqueue(adding, { text: 'a long word '.repeat(100), chunkDelayMs: 100 });
  const answer = session.ask(session.id).catch((error: { type: string }) => error.type);
  await held.until(1);
  await eventually(() => asked(session) === 2);
  const closed = stack.model.closedEarly.length;
  const stopped = session.interrupt('enough');
  await stack.model.until(({ closedEarly }) => closedEarly.length === closed + 1);
  held.release();
  expect(await stopped).toMatchObject({ interrupted: true });
  expect(await answer).toBe('Turn.Interrupted');
  expect((await rolesOf(session)).slice(0, 3)).toEqual(['user', 'assistant', 'tool']);
  stack.model.enqueue({ text: 'and now?' });
  expect(await session.ask('next')).toMatchObject({ text: 'and now?' });
  expect(saidTexts(await session.transcript())[0]).toBe('I add.');
});

it('a message is pinned while the write is under way → the step is asked again with what is so now', async () => {
  const session = await stack.runtime.start();
  const held = writeOfAnswer('request');
  stack.model.enqueue(adding, { text: 'a long word '.repeat(100), chunkDelayMs: 100 }, done);
  const answer = session.ask(session.id);
  await held.until(1);
  await eventually(() => asked(session) === 2);
  await rows(
    session,
    `update perdura.transcripts set generation = generation + 1
      where tenant = $1 and session = $2`,
  );
  held.release();
  expect(await answer).toMatchObject({ text: 'done' });
  expect(await outcomes(session)).toEqual(['1 completed', '2 completed']);
  expect(stack.model.requests.at(-1)!.messages.map(({ text }) => text)).toEqual([
    session.id,
    'I add.',
    '3',
  ]);
});
