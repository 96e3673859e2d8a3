/** Groups of agents: what is said goes round, within its bounds, until it is stopped. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, type Agent } from '../../../src/contracts/agent.js';
import type { GroupDeclaration } from '../../../src/mail/group-service.js';
import { replayHistory } from '../../../src/testing/replay.js';
import type { ScriptedResponse, SeenRequest } from '../../../src/testing/scripted-model.js';
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

type Said = string | ScriptedResponse;
type Answer = (who: string, request: SeenRequest) => Said | Promise<Said>;

describe('groups', () => {
  let harness: Harness;
  let answer: Answer = () => 'NO_REPLY';
  let made = 0;
  const all: string[] = [];

  beforeAll(async () => {
    harness = await Harness.start({
      agents: ['a', 'b', 'c', 'chair']
        .map((name) => agent(name))
        .concat(agent('one', { unread: 'one' })),
    });
    // The name of the agent is in its instructions.
    harness.model.reply(/./, (request) =>
      answer(/You are (\w+)\./.exec(request.system)?.[1] ?? '', request),
    );
  });

  beforeEach(() => {
    answer = () => 'NO_REPLY';
  });

  afterAll(() => harness?.stop());

  const groups = () => harness.runtime.groups;
  const session = (name: string, member: string) => `${name}-${member}`;

  /** A group whose members are sessions of their own, started by their first message. */
  async function create(
    declaration: Partial<GroupDeclaration> = {},
    members: readonly string[] = ['a', 'b', 'c'],
  ): Promise<string> {
    const name = `g${++made}`;
    await groups().create({
      name,
      members: members.map((member) => ({
        name: session(name, member),
        agent: member,
        ...(member === 'chair' ? { role: 'moderator' as const } : {}),
      })),
      ...declaration,
    });
    all.push(...members.map((member) => session(name, member)));
    return name;
  }

  const said = async (name: string) =>
    (await groups().history(name, { limit: 1_000 })).map(({ from, text }) => [
      from.replace(`${name}-`, ''),
      text,
    ]);
  const turns = async (name: string, members: readonly string[]) => {
    const records = await Promise.all(
      members.map((member) => harness.runtime.session(session(name, member)).record()),
    );
    return records.map((record) => ({ state: record?.state, turns: record?.turns ?? 0 }));
  };
  /** Nobody has anything to read or to say. */
  const silent = (name: string) =>
    eventually(
      () => groups().get(name),
      ({ busy }) => !busy,
    );

  it('H10 members: a session that was started this moment → an agent, which answers; a name that nobody has → a person', async () => {
    answer = () => 'here';
    const name = `g${++made}`;
    await harness.stopWorker();
    // Its workflow has not run yet, so the catalogue lacks it.
    await harness.runtime.start({ agent: 'a', session: session(name, 'a') });
    await groups().create({ name, members: [session(name, 'a'), 'you'] });
    await harness.startWorker();
    all.push(session(name, 'a'));
    expect((await groups().members(name)).map((each) => [each.name, each.kind])).toEqual([
      [session(name, 'a'), 'agent'],
      ['you', 'person'],
    ]);
    await groups().send(name, { from: 'you', text: 'who is there?' });
    await eventually(
      () => said(name),
      (seen) => seen.length === 2,
    );
    expect(await said(name)).toEqual([
      ['you', 'who is there?'],
      ['a', 'here'],
    ]);
  });

  it('H10 group: created, listed, members with roles, deleted', async () => {
    const name = await create({ title: 'A title', maxHops: 2 });
    expect(await groups().get(name)).toMatchObject({
      title: 'A title',
      state: 'open',
      speak: 'free',
      answers: true,
      maxHops: 2,
      members: 3,
    });
    await expect(groups().create({ name })).rejects.toMatchObject({ type: 'Group.Exists' });
    await groups().add(name, ['dora', { name: 'eve', role: 'observer' }]);
    expect(await groups().members(name)).toMatchObject([
      { name: 'dora', kind: 'person', role: 'member' },
      { name: 'eve', kind: 'person', role: 'observer' },
      { name: `${name}-a`, kind: 'agent', agent: 'a' },
      { name: `${name}-b`, kind: 'agent' },
      { name: `${name}-c`, kind: 'agent' },
    ]);
    await expect(groups().send(name, { from: 'eve', text: 'x' })).rejects.toMatchObject({
      type: 'Group.NotMember',
    });
    expect(await groups().remove(name, 'dora')).toBe(true);
    expect(await groups().remove(name, 'dora')).toBe(false);
    expect((await groups().list()).map((each) => each.name)).toContain(name);
    await groups().delete(name);
    await expect(groups().get(name)).rejects.toMatchObject({ type: 'Group.NotFound' });
  });

  it.each([
    [{ name: 'with space' }],
    [{ name: 'x1', maxHops: NaN }],
    [{ name: 'x1', maxHops: -1 }],
    [{ name: 'x1', maxMessages: 1e20 }],
    [{ name: 'x1', speak: 'loud' as never }],
    [{ name: 'x1', members: ['a', 'a'] }],
    [{ name: 'x1', speak: 'moderator' as const }],
    [{ name: 'x1', members: [{ name: 'a', role: 'king' as never }] }],
  ])('H10 group: %j → Group.Invalid', async (declaration) => {
    await expect(groups().create(declaration)).rejects.toMatchObject({ type: 'Group.Invalid' });
  });

  it('H10 group message: to all members but its sender; people read it in their mailbox', async () => {
    const name = await create();
    await groups().add(name, ['frank', 'grace']);
    const { id, receivers } = await groups().send(name, { from: 'frank', text: 'hello' });
    expect(receivers).toBe(4);
    await silent(name);
    expect(await harness.runtime.messages.unread('grace')).toMatchObject([{ id, group: name }]);
    expect(await harness.runtime.messages.unread('frank')).toEqual([]);
  }, 20_000);

  it('H10 broadcast: to the members of all groups → each once, also one that is in two', async () => {
    await groups().create({ name: 'both-1', members: ['heidi', 'ivan'] });
    await groups().create({ name: 'both-2', members: ['heidi'] });
    const { id } = await groups().broadcast({ text: 'to all' });
    for (const name of ['heidi', 'ivan']) {
      const unread = await harness.runtime.messages.unread(name);
      expect(unread.filter((mail) => mail.id === id)).toHaveLength(1);
    }
  });

  it('H12 free: three agents that would answer for ever → stop at maxHops', async () => {
    answer = (who, { messages }) => `${who} says ${messages.length}`;
    const name = await create({ maxHops: 3, maxMessages: 1_000 });
    await groups().send(name, { text: 'discuss' });
    await silent(name);
    const history = await groups().history(name, { limit: 1_000 });
    const hops = history.map(({ hop }) => hop);
    expect(Math.max(...hops)).toBe(3);
    // Each of the first three is heard by two others, at most one turn for each.
    expect(history.length).toBeLessThanOrEqual(1 + 3 + 6 + 12);
    expect(history.length).toBeGreaterThan(4);
    console.log(`free, maxHops 3: ${history.length - 1} answers`);
  });

  it('H12 free: three agents that would answer for ever → stop at maxMessages', async () => {
    answer = (who) => `${who} again`;
    const name = await create({ maxHops: 1_000, maxMessages: 12 });
    await groups().send(name, { text: 'discuss' });
    await silent(name);
    const answers = (await said(name)).length - 1;
    expect(answers).toBe(12);
    const before = answers;
    await groups().send(name, { text: 'a person again' });
    await silent(name);
    expect((await said(name)).length - 2).toBeGreaterThan(before);
  });

  it('H12 no reply: NO_REPLY alone, in any dress, or no text → nothing goes to the group', async () => {
    answer = (who) => ({ a: 'NO_REPLY', b: ' "no reply." ', c: 'I said NO_REPLY once' })[who]!;
    const name = await create({ maxHops: 1 });
    await groups().send(name, { text: 'anyone?' });
    await silent(name);
    expect(await said(name)).toEqual([
      ['user', 'anyone?'],
      ['c', 'I said NO_REPLY once'],
    ]);
  });

  it('H12 round-robin: one after another in the order of joining, each hears all before', async () => {
    const heard: string[] = [];
    let speaking = 0;
    let most = 0;
    answer = async (who, { messages }) => {
      most = Math.max(most, ++speaking);
      await new Promise((resolve) => setImmediate(resolve));
      heard.push(`${who}:${messages.filter(({ role }) => role === 'user').length}`);
      speaking--;
      return `${who} speaks`;
    };
    const name = await create({ speak: 'round-robin', maxHops: 4 });
    await groups().send(name, { text: 'begin' });
    await silent(name);
    expect((await said(name)).map(([who]) => who)).toEqual(['user', 'a', 'b', 'c', 'a']);
    expect(most).toBe(1);
    expect(heard).toEqual(['a:1', 'b:2', 'c:3', 'a:3']);
  });

  it('H12 round-robin: a member that says nothing, whose turn fails, or has ended → the next one speaks', async () => {
    const name = await create({ speak: 'round-robin', maxHops: 3 }, ['a', 'b', 'c', 'one']);
    const ended = await harness.runtime.start({ session: session(name, 'c'), agent: 'c' });
    await ended.end();
    await eventually(
      () => ended.record(),
      (record) => record?.state === 'terminated',
    );
    answer = (who) =>
      who === 'a'
        ? 'NO_REPLY'
        : who === 'b'
          ? { error: { status: 400, code: 'bad', message: 'refused' } }
          : `${who} speaks`;
    await groups().send(name, { text: 'begin' });
    await silent(name);
    expect((await said(name)).map(([who]) => who)).toEqual(['user', 'one']);
  });

  it('H12 round-robin: all that was said is one turn, also of an agent that takes one message', async () => {
    const seen: number[] = [];
    answer = (who, { messages }) => {
      if (who !== 'one') return `${who} speaks`;
      const last = messages.findLastIndex(({ role }) => role === 'assistant');
      seen.push(messages.length - 1 - last);
      return 'NO_REPLY';
    };
    const name = await create({ speak: 'round-robin', maxHops: 5 }, ['a', 'b', 'one']);
    await groups().send(name, { text: 'begin' });
    await silent(name);
    expect(seen[0]).toBe(3);
  });

  it('H12 mention: only those who are called, one after another', async () => {
    const name = await create({ speak: 'mention', maxHops: 4 });
    answer = (who) => (who === 'b' ? `over to @${name}-a` : `${who} speaks`);
    await groups().send(name, { text: 'nobody is called' });
    await groups().send(name, { text: `@${name}-b and not b@${name}-c, please` });
    await silent(name);
    expect((await said(name)).map(([who]) => who)).toEqual(['user', 'user', 'b', 'a']);
  });

  it('H12 moderator: a model chooses who speaks, until it chooses nobody', async () => {
    const name = await create({ speak: 'moderator', maxHops: 8 }, ['chair', 'a', 'b', 'c']);
    const choices = [`${name}-c`, `I choose ${name}-a.`, 'NO_REPLY'];
    answer = (who) => (who === 'chair' ? choices.shift()! : `${who} speaks`);
    await groups().send(name, { text: 'begin' });
    await eventually(
      () => Promise.resolve(choices.length),
      (left) => left === 0,
    );
    await silent(name);
    expect((await said(name)).map(([who]) => who)).toEqual(['user', 'c', 'a']);
  });

  it('H12 private: an answer to a direct message stays out of the group', async () => {
    const name = await create({ maxHops: 1 }, ['a']);
    const member = await harness.runtime.start({ session: session(name, 'a'), agent: 'a' });
    await member.pause();
    answer = (_who, { lastUserText }) => (lastUserText.includes('secret') ? 'it is 42' : 'public');
    await groups().send(name, { text: 'speak' });
    await harness.runtime.messages.send({ to: member.id, text: 'the secret?' });
    await eventually(
      () => harness.runtime.messages.unread(member.id),
      (mails) => mails.every(({ state }) => state === 'delivered') && mails.length === 2,
    );
    await member.resume();
    await silent(name);
    await eventually(
      () => member.transcript(),
      (rows) =>
        rows.some(({ message }) => message.role === 'assistant' && message.text === 'it is 42'),
    );
    expect(await said(name)).toEqual([
      ['user', 'speak'],
      ['a', 'public'],
    ]);
  });

  it('H10 pause: nothing is delivered until it is resumed', async () => {
    answer = (who) => `${who} speaks`;
    for (const speak of ['free', 'round-robin'] as const) {
      const name = await create({ speak, maxHops: 1 }, ['a']);
      await groups().pause(name);
      const { id } = await groups().send(name, { text: 'wait' });
      const direct = await harness.runtime.start({ session: session(name, 'a'), agent: 'a' });
      await direct.ask('a message of another kind');
      expect((await harness.runtime.messages.deliveries(id)).counts.read).toBeUndefined();
      await groups().resume(name);
      await silent(name);
      expect(await said(name)).toEqual([
        ['user', 'wait'],
        ['a', 'a speaks'],
      ]);
    }
  });

  it('H10 stop: turns under way are interrupted at once, nothing is said after it', async () => {
    let release = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    let speaking = 0;
    answer = async (who) => {
      speaking += 1;
      await released;
      return `${who} says too late`;
    };
    const name = await create({ maxHops: 100, maxMessages: 1_000 });
    await groups().send(name, { text: 'begin' });
    await eventually(
      () => Promise.resolve(speaking),
      (count) => count === 3,
    );
    const closed = harness.model.closedEarly.length;
    const from = performance.now();
    await groups().stop(name);
    await harness.model.until(({ closedEarly }) => closedEarly.length >= closed + 3);
    const ms = Math.round(performance.now() - from);
    release();
    await eventually(
      () => turns(name, ['a', 'b', 'c']),
      (states) => states.every(({ state, turns: count }) => state === 'idle' && count === 1),
    );
    console.log(`stop: three model calls closed after ${ms} ms`);
    expect(ms).toBeLessThan(5_000);
    expect(await said(name)).toEqual([['user', 'begin']]);
    await expect(groups().send(name, { text: 'more' })).rejects.toMatchObject({
      type: 'Group.Stopped',
    });
    await expect(groups().resume(name)).rejects.toMatchObject({ type: 'Group.Stopped' });
    await groups().stop(name);
  });

  it('H10 stop: a group that talks → silent for good, at any moment', async () => {
    answer = (who) => `${who} again`;
    const stopped: [string, number][] = [];
    for (const count of [2, 5, 9]) {
      const name = await create({ maxHops: 1_000, maxMessages: 100_000 });
      await groups().send(name, { text: 'talk' });
      await eventually(
        () => said(name),
        (history) => history.length >= count,
      );
      await groups().stop(name);
      stopped.push([name, (await said(name)).length]);
    }
    for (const [name] of stopped) {
      await eventually(
        () => turns(name, ['a', 'b', 'c']),
        (states) => states.every(({ state }) => state !== 'running'),
      );
      // Sessions go on: only the group is over.
      await harness.runtime.session(session(name, 'a')).ask('still there?');
    }
    expect(
      await Promise.all(stopped.map(async ([name]) => [name, (await said(name)).length])),
    ).toEqual(stopped);
  });

  it('H10 H12 histories: of all members replay', async () => {
    const { temporal } = harness.runtime;
    let replayed = 0;
    for (const name of all) {
      const { workflowId } = harness.runtime.session(name);
      const handle = temporal.workflow.getHandle(workflowId);
      const history = await handle.fetchHistory().catch(() => undefined);
      if (!history) continue;
      await replayHistory(history, { workflowId });
      replayed += 1;
    }
    expect(replayed).toBeGreaterThan(20);
  }, 60_000);
});
