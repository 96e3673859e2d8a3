/** Approvals: what a person decides about a call, and what runs of it. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { PerduraError, tool, type RequestRecord, type Session } from '../../../src/index.js';
import type { Reply } from '../../../src/testing/scripted-model.js';
import type { TranscriptMessage } from '../../../src/contracts/message.js';
import { eventually } from '../../support/eventually.js';
import { historiesOf } from '../../support/observe.js';
import { replayHistory } from '../../../src/testing/replay.js';
import { Harness } from '../../support/harness.js';

describe('approvals', () => {
  let h: Harness;
  const ran: { name: string; args: unknown }[] = [];

  beforeAll(async () => {
    const make = (name: string, run: 'local' | 'activity') =>
      tool({
        name,
        description: 'Does something.',
        run,
        parameters: z.object({ path: z.string(), amount: z.number().default(0) }),
        execute: (args) => {
          ran.push({ name, args });
          return `${name} has run`;
        },
      });
    h = await Harness.start({
      tools: [
        make('file_write', 'activity'),
        make('shell_exec', 'local'),
        make('note', 'local'),
        make('pay', 'activity'),
        make('soon', 'local'),
        tool({
          name: 'slow',
          description: 'Takes long.',
          highRisk: true,
          effect: 'idempotent',
          parameters: z.object({}),
          execute: (_args, { signal }) => {
            ran.push({ name: 'slow', args: 'began' });
            return new Promise((_resolve, reject) => {
              signal.addEventListener('abort', () => {
                ran.push({ name: 'slow', args: 'stopped' });
                reject(new Error('stopped'));
              });
            });
          },
        }),
        tool({
          name: 'open_editor',
          description: 'Opens the editor of the user.',
          run: 'client',
          highRisk: true,
          parameters: z.object({ path: z.string() }),
        }),
      ],
      agent: {
        policy: {
          approvals: [
            { name: 'much money', tools: ['pay'], when: 'args.amount > 100', role: 'finance' },
            { tools: ['soon'], expiresMs: 1_500 },
          ],
        },
      },
    });
  });
  afterAll(() => h.stop());
  beforeEach(() => void (ran.length = 0));

  const call = (name: string, args: object) => ({ name, arguments: args });
  const calls = (...all: ReturnType<typeof call>[]) => ({ toolCalls: all });
  const start = (answers: readonly Reply[], user?: string) => {
    h.model.enqueue(...answers);
    return h.runtime.start({ message: 'go', ...(user ? { context: { user } } : {}) });
  };
  const waiting = (session: Session, count = 1) =>
    eventually(
      () => h.runtime.inbox.list({ session: session.id }),
      (requests) => requests.length === count,
    );
  const one = async (session: Session) => (await waiting(session))[0]!;
  const idle = (session: Session) =>
    eventually(
      () => session.record(),
      (record) => record?.state === 'idle' && record.turns > 0,
    );
  const results = async (session: Session) =>
    (await session.transcript())
      .map(({ message }) => message)
      .filter(
        (message): message is TranscriptMessage & { role: 'tool' } => message.role === 'tool',
      );
  const textOf = ({ content }: { content: readonly { type: string; text?: string }[] }) =>
    content.map(({ text }) => text).join('\n');
  const refusal = async (doing: Promise<unknown>) => {
    const error = await doing.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    return error instanceof PerduraError ? error.type : error;
  };

  it('P6 approval: a high-risk call → waits in the inbox, runs once when it is approved, with these bytes', async () => {
    const session = await start([calls(call('file_write', { path: '/a' })), 'Written.'], 'alice');
    const request = await one(session);
    expect(request).toMatchObject({
      kind: 'approval',
      state: 'waiting',
      tool: 'file_write',
      rule: 'high-risk tool',
      requesters: ['alice'],
      arguments: '{"path":"/a"}',
    });
    expect(ran).toEqual([]);
    const { id, digest } = request;
    const decided = await h.runtime.inbox.approve(id, { by: 'bob', digest, reason: 'fine' });
    expect(decided).toMatchObject({ state: 'approved', decidedBy: 'bob', told: true });
    await idle(session);
    expect(ran).toEqual([{ name: 'file_write', args: { path: '/a', amount: 0 } }]);
    expect(await h.runtime.inbox.get(id)).toMatchObject({ settled: true });
    const events = [];
    for await (const event of session.events({ live: false })) events.push(event);
    expect(events.filter(({ type }) => type === 'request.decided')).toMatchObject([
      { request: id, decision: 'approved', by: 'bob', reason: 'fine' },
    ]);
  });

  it('P6 approval: declined → never runs, the model is told why', async () => {
    const session = await start([calls(call('shell_exec', { path: 'rm' })), 'I see.']);
    const { id } = await one(session);
    await h.runtime.inbox.decline(id, { by: 'bob', reason: 'not on a Friday' });
    await idle(session);
    expect(ran).toEqual([]);
    const [result] = await results(session);
    expect(result!.failure?.type).toBe('Tool.Declined');
    expect(textOf(result!)).toContain('not on a Friday');
  });

  it('P6 approval: edited → the new arguments run, and the model is told what ran', async () => {
    const session = await start([calls(call('file_write', { path: '/etc/passwd' })), 'ok']);
    const { id, digest } = await one(session);
    const { inbox } = h.runtime;
    expect(await refusal(inbox.approve(id, { by: 'bob', edit: { path: 1 } }))).toBe(
      'Request.Invalid',
    );
    const edited = await inbox.approve(id, { by: 'bob', edit: { path: '/tmp/x' } });
    expect(edited.editedDigest).not.toBe(digest);
    await idle(session);
    expect(ran).toEqual([{ name: 'file_write', args: { path: '/tmp/x', amount: 0 } }]);
    expect(textOf((await results(session))[0]!)).toContain('this ran: {"path":"/tmp/x"}');
  });

  it('P6 approval: by the requester, by an agent, without the role, with another digest, twice → refused, nothing runs', async () => {
    const pay = calls(call('pay', { path: 'x', amount: 500 }));
    const session = await start([pay, 'Paid.'], 'alice');
    const { inbox } = h.runtime;
    const { id, role } = await one(session);
    expect(role).toBe('finance');
    const roles = ['finance'];
    const refused = [
      inbox.approve(id, { by: 'alice', roles }),
      inbox.approve(id, { by: 'assistant', roles }),
      inbox.approve(id, { by: session.id, roles }),
      inbox.approve(id, { by: 'bob', roles: ['cooks'] }),
      inbox.approve(id, { by: 'bob', roles, digest: 'f'.repeat(64) }),
      inbox.answer(id, 'yes', { by: 'bob', roles }),
      inbox.approve(id, { by: '', roles }),
      inbox.approve('abcdef', { by: 'bob', roles }),
    ];
    expect(await Promise.all(refused.map(refusal))).toEqual([
      'Request.Forbidden',
      'Request.Forbidden',
      'Request.Forbidden',
      'Request.Forbidden',
      'Request.Changed',
      'Request.Invalid',
      'Request.Invalid',
      'Request.NotFound',
    ]);
    expect(ran).toEqual([]);
    // Ten people at the same moment: one of them decides.
    const raced = await Promise.all(
      Array.from({ length: 10 }, (_, i) => refusal(inbox.approve(id, { by: `bob${i}`, roles }))),
    );
    expect(raced.filter((type) => type === undefined)).toHaveLength(1);
    expect(raced.filter((type) => type === 'Request.Decided')).toHaveLength(9);
    await idle(session);
    expect(ran).toHaveLength(1);
  });

  it('P6 approval: a rule whose condition is not met → runs at once', async () => {
    const session = await start([calls(call('pay', { path: 'x', amount: 99 })), 'Paid.']);
    await idle(session);
    expect(ran).toHaveLength(1);
    expect(await h.runtime.inbox.list({ session: session.id, state: 'all' })).toEqual([]);
  });

  it('P6 approval: several calls at once → each is decided by its own request, in any order', async () => {
    const paths = ['/1', '/2', '/3', '/4'];
    const session = await start([
      calls(...paths.map((path) => call('file_write', { path })), call('note', { path: 'n' })),
      'Done.',
    ]);
    const requests = await waiting(session, 4);
    const of = (path: string) => requests.find((each) => each.arguments.includes(path))!;
    const { inbox } = h.runtime;
    await inbox.approve(of('/4').id, { by: 'bob' });
    await inbox.decline(of('/2').id, { by: 'bob' });
    await Promise.all(['/3', '/1'].map((path) => inbox.approve(of(path).id, { by: 'bob' })));
    await idle(session);
    const got = (await results(session)).map(({ failure }) => failure?.type ?? 'ran');
    expect(got).toEqual(['ran', 'Tool.Declined', 'ran', 'ran', 'ran']);
    expect(ran.filter(({ name }) => name === 'file_write').map(({ args }) => args)).toEqual(
      expect.arrayContaining(['/4', '/3', '/1'].map((path) => ({ path, amount: 0 }))),
    );
    expect(ran).toHaveLength(4);
  });

  it('P6 approval: nobody decides in time → refused, and too late after that', async () => {
    const session = await start([calls(call('soon', { path: 'x' })), 'Too bad.']);
    const { id } = await one(session);
    await idle(session);
    expect(ran).toEqual([]);
    expect((await results(session))[0]!.failure?.type).toBe('Tool.ApprovalExpired');
    expect(await refusal(h.runtime.inbox.approve(id, { by: 'bob' }))).toBe('Request.Decided');
    expect((await h.runtime.inbox.get(id)).state).toBe('expired');
  });

  it('P6 approval: remembered for a call, a session, a user, until it is revoked → asked again or not', async () => {
    const { inbox } = h.runtime;
    const again = async (session: Session, path: string) => {
      h.model.enqueue(calls(call('file_write', { path })), 'ok');
      await session.send('again');
    };
    const session = await start([calls(call('file_write', { path: '/a' })), 'ok'], 'carol');
    await inbox.approve((await one(session)).id, { by: 'bob', remember: 'call' });
    await idle(session);
    await again(session, '/a');
    await eventually(
      () => Promise.resolve(ran.length),
      (count) => count === 2,
    );
    await again(session, '/b');
    const other = await one(session);
    await inbox.approve(other.id, { by: 'bob', remember: { for: 'user' } });
    await eventually(
      () => Promise.resolve(ran.length),
      (count) => count === 3,
    );
    const elsewhere = await start([calls(call('file_write', { path: '/c' })), 'ok'], 'carol');
    await idle(elsewhere);
    expect(ran).toHaveLength(4);
    const [kept] = await inbox.list({ session: elsewhere.id, state: 'all' });
    expect(kept).toMatchObject({ state: 'approved', decidedBy: 'bob', settled: true });
    // Another user has nothing of it.
    const stranger = await start([calls(call('file_write', { path: '/a' })), 'ok'], 'dave');
    await inbox.decline((await one(stranger)).id, { by: 'bob' });
    await idle(stranger);
    const grants = await inbox.remembered();
    expect(grants.map(({ scope, user }) => [scope, user])).toEqual([
      ['user', 'carol'],
      ['call', 'carol'],
    ]);
    expect(await inbox.revoke(grants[0]!.id, { by: 'bob' })).toBe(true);
    await again(elsewhere, '/d');
    await inbox.decline((await one(elsewhere)).id, { by: 'bob' });
    await idle(elsewhere);
    expect(ran).toHaveLength(4);
  });

  it('P6 approval: the turn is interrupted meanwhile → the request is withdrawn', async () => {
    const session = await start([calls(call('file_write', { path: '/a' })), 'ok']);
    const { id } = await one(session);
    await session.interrupt('never mind');
    expect(
      await eventually(
        () => h.runtime.inbox.get(id),
        ({ state }) => state !== 'waiting',
      ),
    ).toMatchObject({ state: 'withdrawn', settled: true });
    expect(await refusal(h.runtime.inbox.approve(id, { by: 'bob' }))).toBe('Request.Decided');
    expect(ran).toEqual([]);
    // The answer that was left over.
    expect((await session.ask('and now?')).text).toBe('ok');
  });

  it('P6 F20 approval: interrupted while an approved call runs and others are looked at → stopped, on record, the session goes on and replays', async () => {
    const session = await start([
      calls(call('slow', {}), call('slow', {}), call('file_write', { path: '/a' })),
    ]);
    const requests = await waiting(session, 3);
    const slow = requests.filter(({ tool: name }) => name === 'slow');
    for (const { id } of slow) await h.runtime.inbox.approve(id, { by: 'bob' });
    await eventually(
      () => Promise.resolve(ran),
      ({ length }) => length === 2,
    );
    // A call that nobody has decided is looked at while the turn is stopped.
    const open = requests.find(({ tool: name }) => name === 'file_write')!;
    const handle = h.runtime.temporal.workflow.getHandle(session.workflowId);
    await Promise.all([
      handle.signal('decided', open.callKey),
      session.interrupt('enough'),
      handle.signal('decided', open.callKey),
    ]);
    await idle(session);
    expect(ran.map(({ args }) => args)).toEqual(['began', 'began', 'stopped', 'stopped']);
    const found = (await results(session)).map(({ failure }) => failure?.type);
    expect(found.slice(0, 2)).toEqual(['Tool.Interrupted', 'Tool.Interrupted']);
    expect((await session.status()).waiting).toBeUndefined();
    h.model.enqueue('Here.');
    expect(await session.ask('still there?')).toMatchObject({ turn: 2, text: 'Here.' });
    for (const events of await historiesOf(h, session.workflowId)) await replayHistory({ events });
  });

  it('P6 approval: paused when it is approved → runs after the resumption', async () => {
    const session = await start([calls(call('file_write', { path: '/a' })), 'ok']);
    const { id } = await one(session);
    await session.pause();
    await eventually(
      () => session.record(),
      (record) => record?.state === 'paused',
    );
    await h.runtime.inbox.approve(id, { by: 'bob' });
    await eventually(
      () => session.status(),
      ({ waiting: open = [] }) => open.length === 1,
    );
    expect(ran).toEqual([]);
    await session.resume();
    await idle(session);
    expect(ran).toHaveLength(1);
  });

  it('P6 approval: a tool that the holder of the session runs → waits for it when it is approved, with the new arguments', async () => {
    const session = await start([calls(call('open_editor', { path: '/a' })), 'Opened.']);
    const { id } = await one(session);
    const opened: unknown[] = [];
    await using _served = session.serve({
      open_editor: (args) => {
        opened.push(args);
        return 'opened';
      },
    });
    await h.runtime.inbox.approve(id, { by: 'bob', edit: { path: '/b' } });
    await idle(session);
    expect(opened).toEqual([{ path: '/b' }]);
    expect(textOf((await results(session))[0]!)).toContain('opened');
  });

  it('P6 approval: signals that say what nobody has decided → nothing runs, the call waits on', async () => {
    const session = await start([calls(call('file_write', { path: '/a' })), 'ok']);
    const request: RequestRecord = await one(session);
    const handle = h.runtime.temporal.workflow.getHandle(session.workflowId);
    const garbage = [request.callKey, request.callKey, 'c99.0', '\ud83d', { approved: true }, null];
    for (const word of garbage) await handle.signal('decided', word);
    expect(await refusal(session.answer(request.callKey, 'approved'))).toBe('Call.NotOpen');
    await eventually(
      () => session.status(),
      ({ waiting: open = [] }) => open.length === 1,
    );
    expect(ran).toEqual([]);
    await h.runtime.inbox.approve(request.id, { by: 'bob' });
    await idle(session);
    expect(ran).toHaveLength(1);
  });
});
