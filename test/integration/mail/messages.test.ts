/** Messages between agents and people: accepted, delivered, read, answered, expired, refused. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, type Agent } from '../../../src/contracts/agent.js';
import { courierIdOf, shardOf } from '../../../src/contracts/mail.js';
import type { MailReceipt } from '../../../src/mail/message-service.js';
import { replayHistory } from '../../../src/testing/replay.js';
import { eventually } from '../../support/eventually.js';
import { Harness } from '../../support/harness.js';

const agent = (name: string, more: Partial<Agent> = {}): Agent => ({
  name,
  instructions: `You are ${name}.`,
  provider: 'default',
  model: 'gpt-test',
  temperature: 0.7,
  maxTokens: 1_024,
  tools: ['*'],
  mcp: [],
  unread: 'all',
  limits: DEFAULT_LIMITS,
  ...more,
});

describe('messages', () => {
  let harness: Harness;

  beforeAll(async () => {
    harness = await Harness.start({
      agents: [
        agent('assistant'),
        agent('writer', { messages: true, description: 'Writes.' }),
        agent('one-by-one', { unread: 'one' }),
        agent('small', { limits: { ...DEFAULT_LIMITS, maxMessageBytes: 1_000 } }),
        agent('narrow', { messages: true, policy: { mayWriteTo: ['writer'], maxHops: 2 } }),
        agent('listener', { messages: ['list_agents'] }),
      ],
    });
    harness.model.reply(/quiet please/, 'ok');
  });

  afterAll(() => harness?.stop());

  const messages = () => harness.runtime.messages;
  const counts = async (id: string) => (await messages().deliveries(id)).counts;
  const read = (id: string, receivers = 1) =>
    eventually(
      () => counts(id),
      (seen) => seen.read === receivers,
    );

  it('H2 direct message: to a session → delivered, read in a turn, with receipts', async () => {
    await harness.runtime.start({ session: 'reader' });
    const receipt = await messages().send({ to: 'reader', from: 'alice', text: 'quiet please' });
    expect(receipt).toEqual({ id: receipt.id, receivers: 1, duplicate: false });
    await read(receipt.id);
    const { message, deliveries } = await messages().deliveries(receipt.id);
    expect(message).toMatchObject({ kind: 'direct', from: 'alice', text: 'quiet please', hop: 0 });
    expect(deliveries).toMatchObject([{ receiver: 'reader', state: 'read' }]);
    expect(deliveries[0]!.deliveredAt! <= deliveries[0]!.readAt!).toBe(true);
    const [seen] = await harness.runtime.session('reader').transcript();
    expect(seen!.message).toEqual({
      role: 'user',
      id: `mail.${receipt.id}`,
      from: 'alice',
      text: `[message ${receipt.id}]\nquiet please`,
    });
    expect(await messages().unread('reader')).toEqual([]);
  });

  it('H2 message: sent twice with an id → accepted once; with another text → Message.Conflict', async () => {
    await harness.runtime.start({ session: 'twice' });
    const message = { to: 'twice', id: 'greeting', text: 'quiet please' };
    expect(await messages().send(message)).toMatchObject({ duplicate: false });
    expect(await messages().send(message)).toMatchObject({ duplicate: true, receivers: 1 });
    await expect(messages().send({ ...message, text: 'another' })).rejects.toMatchObject({
      type: 'Message.Conflict',
    });
    await read('greeting');
    const transcript = await harness.runtime.session('twice').transcript();
    expect(transcript.filter(({ message: { role } }) => role === 'user')).toHaveLength(1);
  });

  it('H2 message: to nobody, to an ended session → refused, and nobody gets it', async () => {
    const ended = await harness.runtime.start({ session: 'ended', message: 'quiet please' });
    await ended.end();
    await eventually(
      () => ended.record(),
      (record) => record?.state === 'terminated',
    );
    await harness.runtime.start({ session: 'alive' });
    for (const gone of ['nobody', 'ended']) {
      await expect(
        messages().send({ to: ['alive', gone], id: `to-${gone}`, text: 'quiet please' }),
      ).rejects.toMatchObject({ type: 'Message.NoReceiver' });
      await expect(messages().get(`to-${gone}`)).rejects.toMatchObject({
        type: 'Message.NotFound',
      });
    }
    expect(await messages().unread('alive')).toEqual([]);
  });

  it('H2 message: a reply is linked to its parent; to a message of others → Message.NotFound', async () => {
    await harness.runtime.start({ session: 'parent' });
    const { id } = await messages().send({ to: 'parent', from: 'alice', text: 'quiet please' });
    const reply = await messages().send({
      to: 'parent',
      from: 'alice',
      replyTo: id,
      text: 'quiet please, again',
    });
    expect(await messages().get(reply.id)).toMatchObject({ replyTo: id });
    await expect(
      messages().send({ to: 'parent', from: 'mallory', replyTo: id, text: 'me too' }),
    ).rejects.toMatchObject({ type: 'Message.NotFound' });
  });

  it('H2 message: text, id, priority, expiry out of bounds → Message.Invalid, nothing accepted', async () => {
    for (const wrong of [
      { text: ' ' },
      { text: 'x', id: '' },
      { text: 'x', id: 'i'.repeat(101) },
      { text: 'x', priority: 'loud' as never },
      { text: 'x', expiresInMs: NaN },
      { text: 'x', expiresInMs: -1 },
      { text: 'x', expiresInMs: 1e20 },
      { text: 'x', to: [] },
    ]) {
      await expect(messages().send({ to: 'reader', ...wrong })).rejects.toMatchObject({
        type: 'Message.Invalid',
      });
    }
    await expect(
      messages().send({ to: 'reader', text: 'é'.repeat(140_000) }),
    ).rejects.toMatchObject({ type: 'Message.TooLarge' });
    await expect(messages().unread('reader', { limit: NaN })).rejects.toMatchObject({
      type: 'Request.Invalid',
    });
  });

  it('H2 message: half a surrogate pair and NUL in every text → delivered as U+FFFD', async () => {
    await harness.runtime.start({ session: 'surrogates' });
    const { id } = await messages().send({
      to: 'surrogates',
      from: 'a\ud83d',
      id: 'half-\udc00',
      text: 'quiet please \ud83d\u0000',
    });
    await read(id);
    const [seen] = await harness.runtime.session('surrogates').transcript();
    expect(seen!.message).toMatchObject({ from: 'a\ufffd' });
    expect((seen!.message as { text: string }).text).toContain('quiet please \ufffd\ufffd');
  });

  it('H2 paused session: messages wait, the most urgent is taken first, in order within a priority', async () => {
    const session = await harness.runtime.start({ session: 'paused', agent: 'one-by-one' });
    await session.pause();
    const sent: MailReceipt[] = [];
    for (const [text, priority] of [
      ['low', 'low'],
      ['normal 1', 'normal'],
      ['urgent', 'urgent'],
      ['normal 2', 'normal'],
    ] as const) {
      sent.push(
        await messages().send({ to: 'paused', from: 'p', priority, text: `quiet please: ${text}` }),
      );
    }
    await eventually(
      () => Promise.all(sent.map(({ id }) => counts(id))),
      (all) => all.every(({ delivered }) => delivered === 1),
    );
    const unread = await messages().unread('paused');
    expect(unread.map(({ text }) => text.slice(14))).toEqual([
      'urgent',
      'normal 1',
      'normal 2',
      'low',
    ]);
    await session.resume();
    await Promise.all(sent.map(({ id }) => read(id)));
    const taken = (await session.transcript()).flatMap(({ message }) =>
      message.role === 'user' ? [message.text.split(': ')[1]] : [],
    );
    expect(taken).toEqual(['urgent', 'normal 1', 'normal 2', 'low']);
  });

  it('H2 message: not read in time → expired, in no transcript; also one that no worker has delivered', async () => {
    const session = await harness.runtime.start({ session: 'late' });
    await session.pause();
    const { id } = await messages().send({ to: 'late', text: 'too late', expiresInMs: 300 });
    await eventually(
      () => counts(id),
      ({ expired }) => expired === 1,
    );
    await session.resume();
    const last = await messages().send({ to: 'late', text: 'quiet please' });
    await read(last.id);
    const texts = (await session.transcript()).map(({ message }) => JSON.stringify(message));
    expect(texts.join()).not.toContain('too late');
    expect(await counts(id)).toEqual({ expired: 1 });
  });

  it('H2 F9 message: while the session ends → read or failed, never accepted and lost', async () => {
    const session = await harness.runtime.start({ session: 'ending', message: 'quiet please' });
    await eventually(
      () => session.record(),
      (record) => record?.state === 'idle',
    );
    const ids: string[] = [];
    let ending: Promise<void> | undefined;
    for (let i = 0; i < 40; i++) {
      try {
        ids.push((await messages().send({ to: 'ending', text: `quiet please ${i}` })).id);
      } catch (error) {
        expect(error).toMatchObject({ type: 'Message.NoReceiver' });
        break;
      }
      if (i === 10) ending = session.end();
    }
    await ending;
    const all = await eventually(
      () => Promise.all(ids.map((id) => counts(id))),
      (seen) => seen.every(({ read: one = 0, failed = 0 }) => one + failed === 1),
    );
    const taken = (await session.transcript()).flatMap(({ message }) =>
      message.role === 'user' ? [message.id] : [],
    );
    const readIds = ids.filter((_, i) => all[i]!.read === 1).map((id) => `mail.${id}`);
    expect(taken.slice(1)).toEqual(readIds);
    expect(readIds.length).toBeGreaterThan(0);
  });

  it('H2 message: larger than the agent takes, or to an agent that nobody knows → failed, with the reason', async () => {
    await harness.runtime.start({ session: 'small', agent: 'small', message: 'quiet please' });
    const large = await messages().send({ to: 'small', text: 'x'.repeat(2_000) });
    await harness.runtime.groups.create({
      name: 'typo',
      members: [{ name: 'mistyped', agent: 'no-such-agent' }],
    });
    const unknown = await harness.runtime.groups.send('typo', { text: 'hello' });
    for (const [id, reason] of [
      [large.id, /this agent takes up to 1000/],
      [unknown.id, /no agent "no-such-agent"/],
    ] as const) {
      await eventually(
        () => counts(id),
        ({ failed }) => failed === 1,
      );
      expect((await messages().deliveries(id)).deliveries[0]!.reason).toMatch(reason);
    }
    expect(await harness.runtime.groups.history('typo')).toMatchObject([{ failed: 1 }]);
  });

  it('H2 broadcast: to all of an agent → each once, not to the sender', async () => {
    for (const name of ['w1', 'w2', 'w3']) {
      await harness.runtime.start({ session: name, agent: 'listener', message: 'quiet please' });
    }
    const { id, receivers } = await messages().broadcast({
      from: 'w1',
      agent: 'listener',
      text: 'quiet please, all',
    });
    expect(receivers).toBe(2);
    await read(id, 2);
    expect((await messages().deliveries(id)).deliveries.map(({ receiver }) => receiver)).toEqual([
      'w2',
      'w3',
    ]);
    expect((await messages().deliveries(id, { after: 'w2', limit: 1 })).deliveries).toHaveLength(1);
  });

  it('H2 unread: of a person → waits in the mailbox, until it is marked as read', async () => {
    await harness.runtime.groups.create({ name: 'people', members: ['bob', 'carol'] });
    const { id } = await messages().send({ to: ['bob', 'carol'], from: 'alice', text: 'hello' });
    expect(await messages().unread('bob')).toMatchObject([
      { id, text: 'hello', state: 'delivered' },
    ]);
    expect(await messages().markRead('bob', [id])).toBe(1);
    expect(await messages().markRead('bob')).toBe(0);
    expect(await messages().unread('bob')).toEqual([]);
    expect(await counts(id)).toEqual({ read: 1, delivered: 1 });
  });

  it('H2 tenants: a message, a mailbox and a group of another tenant → as if there were none', async () => {
    const other = harness.runtime.forTenant('other-tenant');
    const { id } = await messages().send({ to: 'bob', text: 'for bob' });
    await expect(other.messages.get(id)).rejects.toMatchObject({ type: 'Message.NotFound' });
    expect(await other.messages.unread('bob')).toEqual([]);
    expect(await other.messages.markRead('bob')).toBe(0);
    await expect(other.groups.get('people')).rejects.toMatchObject({ type: 'Group.NotFound' });
    await expect(other.messages.send({ to: 'bob', text: 'x' })).rejects.toMatchObject({
      type: 'Message.NoReceiver',
    });
  });

  it('H12 send_message: from one agent to another → delivered with its session as the sender', async () => {
    const { model, runtime } = harness;
    await runtime.start({ session: 'target', agent: 'writer' });
    model.reply(/tell target/, ({ messages: all }) =>
      all.at(-1)!.role === 'user'
        ? {
            toolCalls: [
              { name: 'send_message', arguments: { to: 'target', text: 'quiet please, target' } },
            ],
          }
        : 'told',
    );
    const source = await runtime.start({ session: 'source', agent: 'writer' });
    expect((await source.ask('tell target')).text).toBe('told');
    const got = await eventually(
      () => runtime.session('target').transcript(),
      (rows) => rows.some(({ message }) => message.role === 'assistant'),
    );
    expect(got[0]!.message).toMatchObject({ role: 'user', from: 'source' });
  });

  it('H12 list_agents: only those whom the policy allows, never oneself', async () => {
    const { model, runtime } = harness;
    let listed = '';
    model.reply(/who is there/, ({ messages: all }) => {
      if (all.at(-1)!.role === 'user')
        return { toolCalls: [{ name: 'list_agents', arguments: {} }] };
      listed = all.at(-1)!.text;
      return 'listed';
    });
    const session = await runtime.start({ session: 'narrow-1', agent: 'narrow' });
    await session.ask('who is there?');
    const names = (JSON.parse(listed) as { name: string; agent: string }[]).map(
      ({ agent }) => agent,
    );
    expect(names.length).toBeGreaterThan(0);
    expect(new Set(names)).toEqual(new Set(['writer']));
    expect(listed).toContain('Writes.');
  });

  it.each([
    ['send_message', { to: 'reader', text: 'x' }],
    ['broadcast', { text: 'x' }],
    ['broadcast', { text: 'x', agent: 'listener' }],
  ])(
    'H12 %s: to %j, whom the policy does not allow → the model sees Message.NotAllowed',
    async (name, args) => {
      const { model, runtime } = harness;
      const word = `forbidden ${JSON.stringify(args)}`;
      let told = '';
      model.reply(word, ({ messages: all }) => {
        if (all.at(-1)!.role === 'user') return { toolCalls: [{ name, arguments: args }] };
        told = all.at(-1)!.text;
        return 'no';
      });
      const session = await runtime.start({ agent: 'narrow' });
      await session.ask(word);
      expect(told).toContain('does not let it write to');
    },
  );

  it('H12 tools: an agent without `messages` has none; a list has those of it', async () => {
    const { model, runtime } = harness;
    const tools = async (name: string) => {
      await (await runtime.start({ agent: name })).ask('quiet please, tools');
      return model.requests.at(-1)!.tools.map((tool) => tool.name);
    };
    expect(await tools('assistant')).not.toContain('send_message');
    const some = await tools('listener');
    expect(some).toContain('list_agents');
    expect(some).not.toContain('broadcast');
  });

  it('H12 two agents that answer each other for ever → stopped by maxHops, which the model sees', async () => {
    const { model, runtime } = harness;
    const pair = { ping: 'pong', pong: 'ping' } as const;
    const refused: string[] = [];
    for (const [name, other] of Object.entries(pair)) {
      await runtime.start({ session: name, agent: 'writer' });
      model.reply(
        (request) =>
          request.lastUserText.includes('rally') && request.lastUserText.includes(`to ${name}`),
        ({ messages: all }) => {
          if (all.at(-1)!.role === 'user') {
            const args = { to: other, text: `rally to ${other}` };
            return { toolCalls: [{ name: 'send_message', arguments: args }] };
          }
          if (all.at(-1)!.text.includes('in a row')) refused.push(name);
          return 'done';
        },
      );
    }
    await messages().send({ to: 'ping', from: 'alice', text: 'rally to ping' });
    await eventually(
      () => Promise.resolve(refused.length),
      (count) => count === 1,
    );
    const received = await Promise.all(
      Object.keys(pair).map(async (name) =>
        (await runtime.session(name).transcript()).filter(
          ({ message }) => message.role === 'user' && message.from !== 'alice',
        ),
      ),
    );
    // The default of the policy.
    expect(received.flat()).toHaveLength(8);
  });

  it('H2 couriers: their histories and those of the sessions replay', async () => {
    const { temporal, tenant } = harness.runtime;
    for (const sender of ['alice', 'p', 'source']) {
      const id = courierIdOf({ tenant, shard: shardOf(sender) });
      await replayHistory(await temporal.workflow.getHandle(id).fetchHistory(), { workflowId: id });
    }
    for (const name of ['reader', 'paused', 'late', 'ping', 'w2']) {
      const { workflowId } = harness.runtime.session(name);
      const history = await temporal.workflow.getHandle(workflowId).fetchHistory();
      await replayHistory(history, { workflowId });
    }
  });
});
