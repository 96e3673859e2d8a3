/** Sub-agents as tools: a call of the model is answered by a session below the one that asks. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Session } from '../../../src/client/session.js';
import { Harness } from '../../support/harness.js';
import { eventually, runsOf, userTexts } from '../../support/observe.js';
import { agentNamed, allEnded, below, by, replayTree, told } from '../../support/tree.js';

const call = (name: string, args: object) => ({ name, arguments: args });
const city = {
  type: 'object',
  properties: { city: { type: 'string' }, days: { type: 'integer' } },
  required: ['city'],
} as const;
const weather = {
  type: 'object',
  properties: { celsius: { type: 'number' } },
  required: ['celsius'],
  additionalProperties: false,
} as const;

describe('sub-agents', () => {
  let h: Harness;
  beforeAll(async () => {
    h = await Harness.start({
      settings: { historyLimit: 60 },
      agents: [
        agentNamed('lead', {
          agents: [
            { agent: 'researcher' },
            { agent: 'researcher', name: 'forecast', input: city, output: weather },
            { agent: 'researcher', name: 'hasty', timeoutMs: 300 },
            { agent: 'middle' },
            { agent: 'nobody' },
          ],
          policy: { maxChildren: 3 },
        }),
        agentNamed('small', { agents: [{ agent: 'researcher' }], policy: { maxDescendants: 2 } }),
        agentNamed('flat', { agents: [{ agent: 'researcher' }], policy: { maxDepth: 0 } }),
        agentNamed('middle', { agents: [{ agent: 'lead' }, { agent: 'researcher' }] }),
        agentNamed('researcher', { description: 'Finds things out.' }),
      ],
    });
  });
  afterAll(() => h.stop());

  /** Runs one turn of `lead` that makes these calls; the lead then says what it was told. */
  const turn = async (calls: readonly { name: string; arguments: object }[], agent = 'lead') => {
    const id = `${agent}-${Math.random().toString(36).slice(2)}`;
    h.model.reply(
      (request) => by(agent)(request) && request.lastUserText === `go ${id}`,
      (request) => {
        const results = told(request);
        return results.length === 0 ? { toolCalls: calls } : `told: ${results.join(' | ')}`;
      },
    );
    const session = await h.runtime.start({ agent, session: id });
    const answer = session.ask(`go ${id}`);
    answer.catch(() => undefined);
    return { session, answer };
  };
  const failures = async (session: Session) =>
    (await session.transcript()).flatMap(({ message }) =>
      message.role === 'tool' ? [message.failure?.type] : [],
    );

  it('sub-agent: called → a session of its own, below the one that asks, which gets the answer', async () => {
    h.model.reply((r) => r.lastUserText === 'find A', 'A is found.');
    const { session, answer } = await turn([call('researcher', { task: 'find A' })]);
    expect((await answer).text).toBe('told: A is found.');
    const [child, ...others] = await below(h, session);
    expect(others).toEqual([]);
    expect(child).toMatchObject({
      agent: 'researcher',
      parent: `session/${session.id}`,
      root: `session/${session.id}`,
      path: [session.id, child!.session],
    });
    await allEnded(h, session);
    expect(userTexts(await h.runtime.session(child!.session).transcript())).toEqual(['find A']);
    const events = [];
    for await (const item of session.events({ live: false })) events.push(item);
    expect(events.find(({ type }) => type === 'tool.delegated')).toMatchObject({
      agent: 'researcher',
      child: child!.session,
      session: session.id,
    });
    expect(h.model.requests.find(by('lead'))!.tools.map(({ name }) => name)).toContain('forecast');
    expect(await replayTree(h, session)).toBeGreaterThanOrEqual(2);
  });

  it('sub-agent: typed arguments and a typed result → the model writes and reads JSON', async () => {
    h.model.reply((r) => r.responseFormat?.name === 'forecast', '{"celsius":21.5}');
    const { session, answer } = await turn([call('forecast', { city: 'Bern', days: 2 })]);
    expect((await answer).text).toBe('told: {"celsius":21.5}');
    const [child] = await below(h, session);
    const texts = userTexts(await h.runtime.session(child!.session).transcript());
    expect(texts.map((text) => JSON.parse(text) as unknown)).toEqual([{ city: 'Bern', days: 2 }]);
    const seen = h.model.requests.find((r) => r.responseFormat?.name === 'forecast')!;
    expect(seen.responseFormat!.schema).toEqual(weather);
  });

  it('sub-agent: arguments against its schema → told so, and no session', async () => {
    const { session, answer } = await turn([call('forecast', { town: 'Bern' })]);
    expect((await answer).text).toContain('do not fit its schema');
    expect(await below(h, session)).toEqual([]);
  });

  it('sub-agents: three calls of one answer → all at work at the same time', async () => {
    const waiting: (() => void)[] = [];
    const all = new Promise<void>((resolve) => {
      h.model.reply(
        (r) => r.lastUserText.startsWith('together'),
        (r) =>
          new Promise((answer) => {
            waiting.push(() => answer(`${r.lastUserText} done`));
            if (waiting.length === 3) resolve();
          }),
      );
    });
    const tasks = ['together 1', 'together 2', 'together 3'];
    const { session, answer } = await turn(tasks.map((task) => call('researcher', { task })));
    await all;
    for (const go of waiting.reverse()) go();
    expect((await answer).text).toBe(`told: ${tasks.map((task) => `${task} done`).join(' | ')}`);
    // The first one may have continued as new.
    expect(await replayTree(h, session)).toBeGreaterThanOrEqual(4);
  });

  it('sub-agent: its turn fails, it is terminated, its agent is unknown → each a typed result', async () => {
    h.model.reply((r) => r.lastUserText === 'fail', { error: { status: 400, message: 'no' } });
    h.model.reply((r) => r.lastUserText === 'be killed', { hang: true });
    const { session, answer } = await turn([
      call('researcher', { task: 'fail' }),
      call('researcher', { task: 'be killed' }),
      call('nobody', { task: 'exist' }),
    ]);
    await h.model.until(({ requests }) => requests.some((r) => r.lastUserText === 'be killed'));
    const victim = await eventually(async () => {
      for (const child of await below(h, session)) {
        const texts = userTexts(await h.runtime.session(child.session).transcript());
        if (texts.includes('be killed')) return child;
      }
    });
    await h.runtime.temporal.workflow.getHandle(victim.workflowId).terminate('by hand');
    // Java's test server does not tell a parent; whoever looks at the child does.
    if (!inject('production')) await h.runtime.reconcile();
    expect((await answer).text).toMatch(/no.*its workflow was terminated.*nobody/);
    expect(await failures(session)).toEqual([
      'Model.BadRequest',
      'Session.Closed',
      'Agent.Unknown',
    ]);
    await replayTree(h, session);
  });

  it('policy: a cycle, too many at once → refused, in words for the model', async () => {
    h.model.reply(
      (r) => by('middle')(r) && r.lastUserText === 'around',
      (r) => told(r)[0] ?? { toolCalls: [call('lead', { task: 'again' })] },
    );
    h.model.reply((r) => r.lastUserText === 'many', 'one of many');
    const { session, answer } = await turn([
      call('middle', { task: 'around' }),
      ...Array.from({ length: 3 }, () => call('researcher', { task: 'many' })),
    ]);
    const { text } = await answer;
    // What "middle" was told, and says.
    expect(text).toContain('lead → middle → lead');
    expect(text).toContain('3 sub-agents are at work');
    expect(await failures(session)).toEqual([
      undefined,
      undefined,
      undefined,
      'Delegation.TooMany',
    ]);
    await replayTree(h, session);
  });

  it('policy: no level below, more sessions than the tree may have → refused by type, the others work', async () => {
    const flat = await turn([call('researcher', { task: 'below' })], 'flat');
    expect((await flat.answer).text).toContain('0 are allowed');
    expect(await failures(flat.session)).toEqual(['Delegation.TooDeep']);
    expect(await below(h, flat.session)).toEqual([]);
    const open: (() => void)[] = [];
    h.model.reply(
      (r) => r.lastUserText === 'crowd',
      () => new Promise((resolve) => open.push(() => resolve('one of the crowd'))),
    );
    const crowd = Array.from({ length: 4 }, () => call('researcher', { task: 'crowd' }));
    const small = await turn(crowd, 'small');
    await h.model.until(() => open.length === 2);
    await eventually(async () => (await small.session.status()).waiting?.length === 2);
    for (const go of open) go();
    await small.answer;
    const types = await failures(small.session);
    expect(types.sort()).toEqual([
      'Delegation.TooLarge',
      'Delegation.TooLarge',
      undefined,
      undefined,
    ]);
    await replayTree(h, small.session);
  });

  it('sub-agent: a deadline that passes → Tool.Timeout, and it is ended', async () => {
    h.model.reply((r) => r.lastUserText === 'slow', { hang: true });
    const { session, answer } = await turn([call('hasty', { task: 'slow' })]);
    expect((await answer).text).toContain('in time');
    expect(await failures(session)).toEqual(['Tool.Timeout']);
    await allEnded(h, session);
    await replayTree(h, session);
  });

  it('sub-agent: its asker continues as new meanwhile → the answer comes all the same', async () => {
    let finish: (text: string) => void = () => undefined;
    h.model.reply(
      (r) => r.lastUserText === 'long work',
      () => new Promise<string>((resolve) => (finish = resolve)),
    );
    const { session, answer } = await turn([call('researcher', { task: 'long work' })]);
    await h.model.until(({ requests }) => requests.some((r) => r.lastUserText === 'long work'));
    // 600 events beyond the limit a turn is carried; messages come in meanwhile.
    let n = 0;
    await eventually(async () => {
      await Promise.all(Array.from({ length: 8 }, () => session.send(`noise ${n++}`)));
      return (await runsOf(h, session.workflowId)).length > 1;
    }, 50_000);
    h.model.reply((r) => r.lastUserText.startsWith('noise'), 'quiet');
    finish('at last');
    expect((await answer).text).toBe('told: at last');
    await session.end();
  }, 90_000);
});
