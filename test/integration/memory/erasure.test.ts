/**
 * Erasure: what a user has said and what was kept of it is in no table any more. The whole schema is
 * searched, and each table with text must be on the list of those that an erasure knows.
 */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { tool } from '../../../src/contracts/define-tool.js';
import { eventually } from '../../support/eventually.js';
import { schemaTables, schemaTablesHolding } from '../../support/canary.js';
import { Harness } from '../../support/harness.js';

/** Tables that hold what a user has said, or what was made of it. */
const ERASED = [
  'approval_grants',
  'artifacts',
  'attempts',
  'checkpoints',
  'events',
  'mailings',
  'memories',
  'memory_embeddings',
  'messages',
  'requests',
  'session_contexts',
  'sessions',
  'spills',
  'tool_runs',
];
/** Tables that hold names, digests, numbers, and what an operator has declared. */
const WITHOUT_CONTENT = [
  'agent_templates',
  'agent_versions',
  'agents',
  'deliveries',
  'embedding_leases',
  'embedding_usage',
  'functions',
  'group_members',
  'groups',
  'kysely_migration',
  'kysely_migration_lock',
  'mcp_pins',
  'memory_writes',
  'pool_claims',
  'pool_tenants',
  'pools',
  'transcript_runs',
  'transcripts',
];

let h: Harness;
let database: pg.Client;
beforeAll(async () => {
  h = await Harness.start({
    agent: {
      memory: { scope: 'user', recallAtStart: 3 },
      contextWindow: 4_000,
      limits: { maxToolOutputBytes: 1_024 },
    },
    tools: [
      tool({
        name: 'look_up',
        description: 'Looks something up.',
        effect: 'read',
        parameters: { type: 'object', properties: { what: { type: 'string' } } },
        execute: ({ what }) => `${String(what)} `.repeat(200),
      }),
      tool({
        name: 'fails',
        description: 'Fails.',
        execute: ({ what }: Record<string, unknown>) => {
          throw new Error(`no ${String(what)}`);
        },
        parameters: { type: 'object', properties: { what: { type: 'string' } } },
      }),
      tool({
        name: 'pay',
        description: 'Pays.',
        highRisk: true,
        parameters: { type: 'object', properties: { what: { type: 'string' } } },
        execute: () => 'paid',
      }),
      tool({
        name: 'ask',
        description: 'Asks a person.',
        run: 'person',
        parameters: { type: 'object', properties: { what: { type: 'string' } } },
      }),
    ],
  });
  database = new pg.Client({ connectionString: inject('databaseUrl') });
  await database.connect();
});
afterAll(async () => {
  await database?.end();
  await h?.stop();
});

const holding = (canary: string) => schemaTablesHolding(database, canary);

it('erasure: tables of the schema → each is known to hold content or none', async () => {
  expect([...ERASED, ...WITHOUT_CONTENT].sort()).toEqual(await schemaTables(database));
});

it('erasure: a user → its words are in no table; other users keep theirs, and the session goes on', async () => {
  const canary = `canary${randomUUID().replaceAll('-', '')}`;
  const kept = `kept${randomUUID().replaceAll('-', '')}`;
  const user = `user-${randomUUID()}`;
  const other = `${user}-other`;
  await h.runtime.memory.remember({ user: other, key: 'k', text: kept });
  await h.runtime.memory.remember({ user, key: 'k', text: `the app knows ${canary}` });

  const start = { user: { id: user, name: canary }, metadata: { note: canary } };
  const session = await h.runtime.start({ context: start, title: `about ${canary}` });
  h.model.enqueue(
    { toolCalls: [{ name: 'remember', arguments: { key: canary, text: `fact ${canary}` } }] },
    { toolCalls: [{ name: 'recall', arguments: { query: canary } }] },
    { toolCalls: [{ name: 'look_up', arguments: { what: canary } }] },
    { toolCalls: [{ name: 'fails', arguments: { what: canary } }] },
    {
      toolCalls: [
        { name: 'pay', arguments: { what: canary } },
        { name: 'ask', arguments: { what: canary } },
      ],
    },
    `I know ${canary}.`,
  );
  const asked = session.ask(`My secret is ${canary}.`);
  const waiting = await eventually(
    () => h.runtime.inbox.list({ session: session.id }),
    ({ length }) => length === 2,
  );
  const of = (name: string) => waiting.find((each) => each.tool === name)!.id;
  const reason = `because of ${canary}`;
  const edit = { what: `not ${canary}` };
  await h.runtime.inbox.approve(of('pay'), { by: 'bob', reason, edit, remember: 'session' });
  await h.runtime.inbox.answer(of('ask'), `It is ${canary}.`, { by: 'bob' });
  await asked;
  await h.runtime.sessionManager().saveCheckpoint(session.id, 'one', { note: canary });
  const fork = await h.runtime.sessionManager().fork(session.id);
  h.model.reply(/Who am I/, 'You.');
  await fork.ask('Who am I?');
  const foreign = await h.runtime.start({ context: { user: other } });
  h.model.enqueue(`I know ${kept}.`);
  await foreign.ask(`Mine is ${kept}.`);

  expect(await holding(canary)).toEqual(
    expect.arrayContaining([
      'approval_grants',
      'artifacts',
      'memories',
      'messages',
      'requests',
      'session_contexts',
      'sessions',
    ]),
  );
  const before = (await session.record())!;
  const events = (await session.timeline()).turns.length;

  const erased = await h.runtime.memory.erase({ user });
  expect(erased).toMatchObject({ entries: 2, sessions: 2 });
  expect(await holding(canary)).toEqual([]);
  expect(await holding(kept)).toEqual(expect.arrayContaining(['memories', 'messages']));
  // Again: nothing is left to erase, and that is no error.
  expect(await h.runtime.memory.erase({ user })).toMatchObject({ entries: 0, sessions: 2 });

  // The session goes on, with nothing of what was said, also where a worker had it in its cache.
  // (A call that such a worker has begun is called off by its first write.)
  h.model.reply(/Do you remember me/, 'Who are you?');
  expect((await session.ask('Do you remember me?')).text).toBe('Who are you?');
  const request = h.model.requests.at(-1)!;
  expect(JSON.stringify(request.body)).not.toContain(canary);
  expect(request.messages.map(({ text }) => text)).toContain('[erased]');
  // What the fork shares with it is erased there, too.
  await fork.ask('Do you remember me?');
  expect(JSON.stringify(h.model.requests.at(-1)!.body)).not.toContain(canary);
  const after = (await session.record())!;
  expect(after.turns).toBe(before.turns + 1);
  expect(after.costMicros).toBeGreaterThanOrEqual(before.costMicros);
  expect((await session.timeline()).turns).toHaveLength(events + 1);
});

it('erasure: only what is remembered → the conversations stay', async () => {
  const user = `user-${randomUUID()}`;
  await h.runtime.memory.remember({ user, key: 'k', text: 'a fact' });
  const session = await h.runtime.start({ context: { user } });
  h.model.enqueue('Yes.');
  await session.ask('Is this kept?');
  await h.runtime.memory.erase({ user, conversations: false });
  expect(await h.runtime.memory.list({ user })).toEqual([]);
  expect(JSON.stringify(await session.transcript())).toContain('Is this kept?');
});

it('erasure: a late attempt at a write → does not bring the fact back', async () => {
  const user = `user-${randomUUID()}`;
  const write = { user, key: 'k', text: 'a fact', id: 'the same call' };
  expect(await h.runtime.memory.remember(write)).toMatchObject({ outcome: 'created' });
  await h.runtime.memory.erase({ user });
  await h.runtime.memory.remember(write);
  expect(await h.runtime.memory.list({ user })).toEqual([]);
});
