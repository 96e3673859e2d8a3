import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { AgentRuntime } from '../../../src/client/agent-runtime.js';
import { SessionCatalogue } from '../../../src/store/session-catalogue.js';
import { openDatabase } from '../../../src/store/database.js';
import { sessionOf } from '../../../src/contracts/ids.js';
import { TranscriptStore } from '../../../src/store/transcript-store.js';
import { Harness } from '../../support/harness.js';
import { eventually, saidTexts, userTexts } from '../../support/observe.js';
import { metadataOf } from '../../support/shown.js';

describe('a plain Temporal client', () => {
  let h: Harness;
  let client: Client;
  const database = openDatabase(inject('databaseUrl'), { maxConnections: 2 });
  beforeAll(async () => {
    h = await Harness.start();
    h.model.reply(/^/, (request) => `re: ${request.lastUserText}`);
    client = new Client({
      connection: await Connection.connect({ address: inject('temporalAddress') }),
    });
  });
  afterAll(async () => {
    await client.connection.close();
    await h.stop();
    await database.close();
  });
  const start = (args: unknown[]) =>
    client.workflow.start('agentSession', {
      workflowId: `My agent / ${randomUUID()}`,
      taskQueue: h.taskQueue,
      args,
    });
  const said = (workflowId: string, count: number) =>
    eventually(async () => {
      const { tenant, session } = sessionOf(workflowId);
      const rows = await new TranscriptStore(database).read(tenant, session);
      return saidTexts(rows).length >= count && rows;
    });

  it('start: JSON that is no input → a session, or refused with the reason; never a task that fails', async () => {
    for (const input of [null, { title: 5, messages: 'just one' }, 'text']) {
      const handle = await start([input]);
      await handle.signal('message', 'hello');
      await said(handle.workflowId, 1);
    }
    const odd = await start([{ agent: 7, title: null, messages: 8 }]);
    await expect(odd.result()).rejects.toMatchObject({ cause: { type: 'Agent.Unknown' } });
  });

  it('start: plain JSON under any workflow id, then the signal `message` with text → a conversation', async () => {
    const handle = await start([{ agent: 'assistant', message: 'hello' }]);
    await said(handle.workflowId, 1);
    await handle.signal('message', 'plain text');
    await said(handle.workflowId, 2);
    await handle.signal('message', { text: 'as JSON', from: 'ada' });
    const rows = await said(handle.workflowId, 3);
    expect(userTexts(rows)).toEqual(['hello', 'plain text', 'as JSON']);
    const key = sessionOf(handle.workflowId);
    expect(await new SessionCatalogue(database).get(key.tenant, key.session)).toMatchObject({
      workflowId: handle.workflowId,
      agent: 'assistant',
      tenant: 'default',
    });
    expect(
      await eventually(async () => {
        const status = await handle.query<{ state: string; turn: number }>('status');
        return status.state === 'idle' && status;
      }),
    ).toMatchObject({ turn: 3, agent: 'assistant' });
    expect(await handle.query('transcriptHead')).toMatchObject({ head: 6 });
  });

  it('start: with text alone → that is the first message', async () => {
    const handle = await start(['hello there']);
    const rows = await said(handle.workflowId, 1);
    expect(userTexts(rows)).toEqual(['hello there']);
  });

  it.each([
    [42, 'The input is 42: use text, or'],
    [true, 'The input is true: use text, or'],
    [{ foo: 1 }, 'Unknown field "foo" in the input'],
  ])('start: with %j → a session, whose page in the UI says what is wrong', async (input, why) => {
    const handle = await start([input]);
    expect(await handle.executeUpdate('ask', { args: ['hi'] })).toMatchObject({ text: 're: hi' });
    expect((await metadataOf(handle)).currentDetails).toContain(why);
  });

  it('find: by the id of its workflow → the session, under its own name', async () => {
    const handle = await start(['hello']);
    await said(handle.workflowId, 1);
    const runtime = await AgentRuntime.connect({
      temporalAddress: inject('temporalAddress'),
      databaseUrl: inject('databaseUrl'),
      taskQueue: h.taskQueue,
    });
    try {
      const { session: name } = sessionOf(handle.workflowId);
      for (const known of [handle.workflowId, name]) {
        const session = await runtime.find(known);
        expect([session.id, session.workflowId]).toEqual([name, handle.workflowId]);
      }
      const session = await runtime.find(handle.workflowId);
      expect(await session.ask('again')).toMatchObject({ turn: 2, text: 're: again' });
    } finally {
      await runtime.close();
    }
  });

  it('start: with nothing at all → the agent `assistant`', async () => {
    const handle = await start([]);
    expect(await handle.executeUpdate('ask', { args: ['hi'] })).toMatchObject({ text: 're: hi' });
  });

  it('update `ask`: text or JSON → the answer; what is no message → refused with the reason', async () => {
    const handle = await start([{}]);
    expect(await handle.executeUpdate('ask', { args: ['one'] })).toMatchObject({
      turn: 1,
      text: 're: one',
    });
    const long = 'x'.repeat(3_000);
    expect(await handle.executeUpdate('ask', { args: [{ text: long }] })).toMatchObject({
      text: `re: ${long}`,
    });
    for (const bad of [{}, 7, ' ', null]) {
      await expect(handle.executeUpdate('send', { args: [bad] })).rejects.toMatchObject({
        cause: { type: 'Message.Invalid' },
      });
    }
  });

  it('signal: garbage of every kind → refused, the session goes on', async () => {
    const handle = await start([{ message: { no: 'text' }, messages: ['first', 7] }]);
    for (const bad of [undefined, null, 7, [], {}, { text: 7 }, ''])
      await handle.signal('message', bad);
    for (const bad of [undefined, 'x', -1, Number.NaN]) await handle.signal('wakeUpAfter', bad);
    await handle.signal('pause', { odd: true });
    await handle.signal('resume', 7);
    await handle.signal('message', 'last');
    const rows = await eventually(async () => {
      const { tenant, session } = sessionOf(handle.workflowId);
      const all = await new TranscriptStore(database).read(tenant, session);
      return userTexts(all).includes('last') && all;
    });
    expect(userTexts(rows)).toEqual(['first', 'last']);
  });

  it('text: NUL and halves of pairs → kept as U+FFFD, and what the model sees is what is stored', async () => {
    const handle = await start([{}]);
    const odd = 'a\u0000b \ud83d c \ude00 d 😀 e';
    const clean = 'a\ufffdb \ufffd c \ufffd d 😀 e';
    // Over the wire as a stranger may write it: JSON has an escape for what UTF-8 has not.
    expect(await handle.executeUpdate('ask', { args: [odd] })).toMatchObject({
      text: `re: ${clean}`,
    });
    const rows = await said(handle.workflowId, 1);
    expect(userTexts(rows)).toEqual([clean]);
    expect(h.model.requests.at(-1)!.lastUserText).toBe(clean);
  });
});
