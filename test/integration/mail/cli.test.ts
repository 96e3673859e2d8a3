/** `perdura groups` and `perdura messages`, as processes: for people, and with --json. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Cli } from '../../support/cli.js';
import { Harness } from '../../support/harness.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

describe('command line', () => {
  let harness: Harness;

  beforeAll(async () => {
    harness = await Harness.start();
    harness.model.reply(/./, 'NO_REPLY');
  });

  afterAll(() => harness?.stop());

  const perdura = (...argv: string[]) =>
    new Cli(argv, {
      cwd: temporaryFolder(),
      env: {
        TEMPORAL_ADDRESS: inject('temporalAddress'),
        DATABASE_URL: inject('databaseUrl'),
        PERDURA_TENANT: harness.tenant,
        PERDURA_TASK_QUEUE: harness.taskQueue,
      },
    }).close().ended;
  const json = async (...argv: string[]) => {
    const { code, out, err } = await perdura(...argv, '--json');
    expect(err).toBe('');
    expect(code).toBe(0);
    return JSON.parse(out) as Record<string, unknown> & Record<string, unknown>[];
  };

  it('groups: created, written to, listed, read, stopped, deleted', async () => {
    const members = ['oda:assistant', 'petra', 'pia::observer'];
    expect(
      await json(
        'groups',
        'create',
        'crane',
        ...members,
        '--speak',
        'round-robin',
        '--max-hops',
        '3',
      ),
    ).toMatchObject({ name: 'crane', members: 3, speak: 'round-robin', maxHops: 3 });
    const sent = await json('groups', 'send', 'crane', 'Shall', 'we?', '--from', 'petra');
    expect(sent).toMatchObject({ receivers: 2, duplicate: false });
    expect(await json('groups', 'history', 'crane')).toMatchObject([
      { id: sent.id, from: 'petra', text: 'Shall we?' },
    ]);
    expect((await perdura('groups', 'list')).out).toMatch(/crane +\S+ +round-robin +3/);
    expect(
      await json('groups', 'members', 'crane', '--remove', 'petra', '--add', 'eva'),
    ).toMatchObject([
      { name: 'eva' },
      { name: 'oda', agent: 'assistant' },
      { name: 'pia', role: 'observer' },
    ]);
    expect(await json('messages', 'unread', 'pia')).toMatchObject([
      { id: sent.id, group: 'crane' },
    ]);
    for (const verb of ['pause', 'resume', 'stop']) {
      expect(await json('groups', verb, 'crane')).toEqual({ group: 'crane', done: verb });
    }
    const refused = await perdura('groups', 'send', 'crane', 'more', '--json');
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.err)).toMatchObject({ error: { type: 'Group.Stopped' } });
    expect((await perdura('groups', 'delete', 'crane')).out).toContain('deleted');
    expect(await json('groups', 'list')).toEqual([]);
  }, 180_000);

  it('messages: sent, shown, unread, marked as read; a wrong option is a usage error in JSON', async () => {
    await json('groups', 'create', 'people', 'ann', 'bob');
    const sent = await json(
      'messages',
      'send',
      'ann,bob',
      'hello',
      '--id',
      'm1',
      '--priority',
      'high',
    );
    expect(sent).toEqual({ id: 'm1', receivers: 2, duplicate: false });
    expect((await perdura('messages', 'send', 'ann,bob', 'hello', '--id', 'm1')).out).toContain(
      'already accepted',
    );
    expect((await perdura('messages', 'unread', 'ann')).out).toMatch(/m1 +user +direct +high/);
    expect(await json('messages', 'read', 'ann', 'm1')).toEqual({ receiver: 'ann', read: 1 });
    expect(await json('messages', 'show', 'm1')).toMatchObject({
      counts: { read: 1, delivered: 1 },
      deliveries: [
        { receiver: 'ann', state: 'read' },
        { receiver: 'bob', state: 'delivered' },
      ],
    });
    expect((await perdura('messages', 'show', 'm1')).out).toContain('1 delivered');
    const usage = await perdura('messages', 'unread', 'ann', '--limit', 'x', '--json');
    expect(usage.code).toBe(2);
    expect(JSON.parse(usage.err)).toMatchObject({ error: { type: 'Usage' } });
    const unknown = await perdura('messages', 'send', 'nobody', 'x', '--json');
    expect(JSON.parse(unknown.err)).toMatchObject({ error: { type: 'Message.NoReceiver' } });
  }, 180_000);
});
