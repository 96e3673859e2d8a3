/** A session goes on with the version of its agent that it began with, until it is moved. */
import { afterEach, describe, expect, inject, it } from 'vitest';
import { completeAgent } from '../../../src/config/agent-schema.js';
import { tool } from '../../../src/contracts/define-tool.js';
import type { AgentDeclaration } from '../../../src/index.js';
import { versionOf } from '../../../src/store/agent-definitions.js';
import { openDatabase } from '../../../src/store/database.js';
import { openStores } from '../../../src/store/stores.js';
import { Deployments } from '../../support/deployments.js';

const OLD = { name: 'assistant', instructions: 'You are the old one.', model: 'old-model' };
const NEW = { name: 'assistant', instructions: 'You are the new one.', model: 'new-model' };
const OTHER = { name: 'billing', instructions: 'You do the billing.', model: 'billing-model' };

const version = (agent: AgentDeclaration) => versionOf(completeAgent(agent, { model: 'gpt-test' }));

describe('versions of agents', () => {
  let d: Deployments;
  afterEach(() => d.stop());

  /** Who answered: instructions and model of each request that the model's server got. */
  const heard = () => d.model.requests.map(({ system, model }) => [system, model]);

  it('F22 version: another definition deployed under a session → it goes on with its own, a new session has the new one', async () => {
    d = await Deployments.start({ agents: [OLD] });
    d.model.reply(/./, 'answered');
    const session = await d.runtime.start();
    await session.ask('one');
    expect(await session.status()).toMatchObject({ agent: 'assistant', version: version(OLD) });
    expect(await session.record()).toMatchObject({ version: version(OLD) });
    await d.deploy({ agents: [NEW] });
    await session.ask('two');
    const fresh = await d.runtime.start({ message: 'three' });
    await fresh.ask('four');
    expect(heard().map(([, model]) => model)).toEqual(
      expect.arrayContaining(['old-model', 'new-model']),
    );
    const [one, two, ...others] = heard();
    expect([one, two]).toEqual([
      ['You are the old one.', 'old-model'],
      ['You are the old one.', 'old-model'],
    ]);
    for (const other of others) expect(other).toEqual(['You are the new one.', 'new-model']);
    expect((await fresh.record())?.version).toBe(version(NEW));
    expect(version(NEW)).not.toBe(version(OLD));
  });

  it('F22 version: continue-as-new, and a start after its workflow is gone → still its own', async () => {
    d = await Deployments.start({ agents: [OLD], settings: { historyLimit: 30 } });
    d.model.reply(/./, 'answered');
    const session = await d.runtime.start({ session: 'kept' });
    await session.ask('one');
    await d.deploy({ agents: [NEW] });
    for (const text of ['two', 'three', 'four']) await session.ask(text);
    expect((await session.status()).runs).toBeGreaterThan(1);
    await d.replay(session);
    // By hand, under a name that nobody knows: what the store has goes on.
    await d.revive(session, { agent: 'nobody' });
    await session.ask('five');
    expect(new Set(heard().map(([, model]) => model))).toEqual(new Set(['old-model']));
    expect(await session.status()).toMatchObject({ version: version(OLD) });
  });

  it('F22 version: its agent is gone from the configuration → it goes on', async () => {
    d = await Deployments.start({ agents: [OLD] });
    d.model.reply(/./, 'answered');
    const session = await d.runtime.start();
    await session.ask('one');
    await d.deploy({ agents: [OTHER] });
    await session.ask('two');
    expect(heard()[1]).toEqual(['You are the old one.', 'old-model']);
  });

  it('F22 version: a stored definition refers to a tool that the workers lack → the turn says which; moved → answered', async () => {
    const stamp = tool({ name: 'stamp', description: 'Stamps.', execute: () => 'done' });
    d = await Deployments.start({ agents: [{ ...OLD, tools: ['stamp'] }], tools: [stamp] });
    d.model.reply(/./, 'answered');
    const session = await d.runtime.start();
    await session.ask('one');
    await d.deploy({ agents: [NEW] });
    await expect(session.ask('two')).rejects.toMatchObject({
      type: 'Agent.Incomplete',
      message: expect.stringMatching(/the tool "stamp"/) as string,
    });
    const moved = await session.move();
    expect(moved).toEqual({ agent: 'assistant', version: version(NEW), applied: true });
    expect(await session.ask('three')).toMatchObject({ text: 'answered' });
    expect(heard().at(-1)).toEqual(['You are the new one.', 'new-model']);
  });

  it('move: to another agent, and back to a version by its digest → the next turns run them, on record as events', async () => {
    d = await Deployments.start({ agents: [OLD, OTHER] });
    d.model.reply(/./, 'answered');
    const session = await d.runtime.start();
    await session.ask('one');
    await session.move({ agent: 'billing' });
    await session.ask('two');
    await session.move({ agent: 'assistant', version: version(OLD) });
    await session.ask('three');
    expect(heard().map(([, model]) => model)).toEqual(['old-model', 'billing-model', 'old-model']);
    const events = [];
    for await (const item of session.events({ live: false })) events.push(item);
    const old = { agent: 'assistant', version: version(OLD) };
    const billing = { agent: 'billing', version: version(OTHER) };
    expect(events.filter(({ type }) => type === 'agent.moved')).toMatchObject([
      { from: old, to: billing },
      { from: billing, to: old },
    ]);
    expect(events[0]).toMatchObject({ type: 'session.started', ...old });
    const { turns } = await session.timeline();
    expect(turns.map(({ steps }) => steps[0]?.attempts[0]?.agent)).toEqual([
      'assistant',
      'billing',
      'assistant',
    ]);
    await d.replay(session);
  });

  it('move: while a turn is under way → the turn ends with its agent, the next one has the other', async () => {
    d = await Deployments.start({ agents: [OLD, OTHER] });
    let open = (): void => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    d.model.reply(/first/, () => opened.then(() => 'answered'));
    d.model.reply(/second/, 'answered');
    const session = await d.runtime.start();
    const first = session.ask('first');
    await d.model.until(({ requests }) => requests.length === 1);
    const moved = await session.move({ agent: 'billing' });
    expect(moved).toMatchObject({ agent: 'billing', applied: false });
    expect(await session.status()).toMatchObject({
      agent: 'assistant',
      moving: { agent: 'billing', version: version(OTHER) },
    });
    open();
    await first;
    await session.ask('second');
    expect(heard().map(([, model]) => model)).toEqual(['old-model', 'billing-model']);
  });

  it.each([
    [{ agent: 'nobody' }, 'Agent.Unknown'],
    [{ version: '0123456789abcdef' }, 'Agent.Unknown'],
    [{ version: 'newest' }, 'Request.Invalid'],
    [{ agent: 7 }, 'Request.Invalid'],
    ['billing', 'Request.Invalid'],
  ])('move: %j → %s, and the session stays', async (request, type) => {
    d = await Deployments.start({ agents: [OLD] });
    d.model.reply(/./, 'answered');
    const session = await d.runtime.start({ message: 'one' });
    await expect(session.move(request as never)).rejects.toMatchObject({ type });
    expect(await session.status()).toMatchObject({ agent: 'assistant', version: version(OLD) });
  });

  it('S2 version: another tenant asks for a version that it does not have → Agent.Unknown', async () => {
    d = await Deployments.start({ agents: [OLD] });
    d.model.reply(/./, 'answered');
    await (await d.runtime.start()).ask('one');
    const database = openDatabase(inject('databaseUrl'), { maxConnections: 1 });
    try {
      const { definitions } = openStores(database);
      expect(await definitions.versions(d.tenant)).toMatchObject([{ version: version(OLD) }]);
      expect(await definitions.read('someone-else', 'assistant', version(OLD))).toBeUndefined();
      expect(await definitions.versions('someone-else')).toEqual([]);
    } finally {
      await database.close();
    }
  });
});
