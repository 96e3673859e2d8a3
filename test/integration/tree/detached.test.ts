/** Detached sub-agents: the call returns at once, and the agent that asked is woken or waits. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Session } from '../../../src/client/session.js';
import type { SeenRequest } from '../../../src/testing/seen-request.js';
import { Harness } from '../../support/harness.js';
import { eventually, saidTexts, userTexts } from '../../support/observe.js';
import { agentNamed, allEnded, below, by, replayTree, told } from '../../support/tree.js';

interface Started {
  readonly session: string;
}
interface Gathered extends Started {
  readonly state: string;
  readonly result?: string;
}
const sessionsOf = (results: readonly string[]) =>
  results.map((text) => (JSON.parse(text) as Started).session);

describe('detached sub-agents', () => {
  let h: Harness;
  beforeAll(async () => {
    h = await Harness.start({
      agents: [
        agentNamed('lead', {
          tools: ['spawn_agent'],
          agents: [
            { agent: 'between' },
            { agent: 'worker', name: 'background', detached: true },
            { agent: 'worker', name: 'lasting', detached: true, onParentEnd: 'keep' },
          ],
        }),
        agentNamed('between', {
          agents: [{ agent: 'worker', name: 'orphan', detached: true, onParentEnd: 'grandparent' }],
        }),
        agentNamed('worker'),
      ],
    });
  });
  afterAll(() => h.stop());

  /** A session whose model follows this script, step by step, and says what it is told in the end. */
  const scripted = async (name: string, ...steps: ((r: SeenRequest) => object)[]) => {
    let step = 0;
    h.model.reply(
      (r) => by('lead')(r) && r.messages[0]!.text === name,
      (r) => steps[step++]?.(r) ?? `told: ${told(r).join(' | ') || r.lastUserText}`,
    );
    const session = await h.runtime.start({ agent: 'lead' });
    return { session, answer: session.ask(name) };
  };
  const between = (task: string) => (r: SeenRequest) =>
    by('between')(r) && r.messages[0]!.text === task;
  const calls = (...made: readonly [string, object][]) => ({
    toolCalls: made.map(([name, args]) => ({ name, arguments: args })),
  });
  const gate = (text: string, answer: string) => {
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    h.model.reply(
      (r) => by('worker')(r) && r.lastUserText === text,
      () => opened.then(() => answer),
    );
    return open;
  };
  const answers = async (session: Session, count: number) =>
    eventually(async () => {
      const said = saidTexts(await session.transcript()).filter((text) => text !== '');
      return said.length >= count && said;
    });

  it('detached: the call returns at once with the session; its end is a message that wakes the agent', async () => {
    const open = gate('d1', 'all found');
    const { session, answer } = await scripted('wake', () => calls(['background', { task: 'd1' }]));
    const [child] = sessionsOf([(await answer).text.replace('told: ', '')]);
    expect((await below(h, session)).map((each) => each.session)).toEqual([child]);
    open();
    const said = await answers(session, 2);
    expect(said[1]).toContain('all found');
    expect(userTexts(await session.transcript())[1]).toContain(child);
    await allEnded(h, session);
    await replayTree(h, session);
  });

  it('wait_for: all of three, one of which fails → three results in one, and no message', async () => {
    const open = [gate('w1', 'one'), gate('w2', 'two')];
    h.model.reply((r) => r.lastUserText === 'w3', { error: { status: 400, message: 'broken' } });
    let started: string[] = [];
    const { session, answer } = await scripted(
      'gather',
      () =>
        calls(
          ['background', { task: 'w1' }],
          ['spawn_agent', { agent: 'background', task: 'w2' }],
          ['background', { task: 'w3' }],
        ),
      (r) => {
        started = sessionsOf(told(r));
        return calls(['wait_for', { sessions: started }]);
      },
    );
    await h.model.until(({ requests }) =>
      ['w1', 'w2', 'w3'].every((text) => requests.some((r) => r.lastUserText === text)),
    );
    open[1]!();
    open[0]!();
    const gathered = JSON.parse((await answer).text.replace('told: ', '')) as Gathered[];
    expect(gathered.map(({ session: name }) => name)).toEqual(started);
    expect(gathered.map(({ result }) => result)).toEqual([
      expect.stringContaining('one'),
      expect.stringContaining('two'),
      expect.stringMatching(/failed: Model.BadRequest.*broken/),
    ]);
    await allEnded(h, session);
    // The store knows of the end before the workflow does.
    await eventually(async () => (await session.status()).state === 'idle');
    expect(await session.status()).toMatchObject({ queued: 0, turn: 1 });
    await replayTree(h, session);
  });

  it('wait_for: any → the first result; its deadline → what is pending, which then wakes the agent', async () => {
    const open = [gate('a1', 'first'), gate('a2', 'second')];
    const { session, answer } = await scripted(
      'any',
      () => calls(['background', { task: 'a1' }], ['background', { task: 'a2' }]),
      () => calls(['wait_for', { mode: 'any' }]),
      () => calls(['wait_for', { timeoutSeconds: 0.2 }]),
    );
    open[0]!();
    const gathered = JSON.parse((await answer).text.replace('told: ', '')) as Gathered[];
    expect(gathered.map(({ state }) => state)).toEqual(['working']);
    const all = (await session.transcript()).flatMap(({ message }) =>
      message.role === 'tool' && message.name === 'wait_for' ? [message] : [],
    );
    expect(JSON.stringify(all[0]!.content)).toContain('first');
    open[1]!();
    expect((await answers(session, 2))[1]).toContain('second');
    await replayTree(h, session);
  });

  it('wait_for: nobody, and a session that is none → answered at once', async () => {
    const { answer } = await scripted('nobody', () =>
      calls(['wait_for', {}], ['wait_for', { sessions: ['nobody-1'] }]),
    );
    expect((await answer).text).toMatch(
      /^told: \[\] \| \[\{"session":"nobody-1","state":"unknown"/,
    );
  });

  it('its parent has answered and ended → the session above is told of what goes on', async () => {
    const open = gate('g1', 'for the grandparent');
    h.model.reply(between('go'), (r) =>
      told(r).length > 0 ? `started: ${told(r)[0]}` : calls(['orphan', { task: 'g1' }]),
    );
    const { session, answer } = await scripted('grand', () => calls(['between', { task: 'go' }]));
    expect((await answer).text).toContain('started:');
    const [middle] = (await below(h, session)).filter(({ agent }) => agent === 'between');
    await eventually(
      async () => (await h.runtime.session(middle!.session).record())?.state === 'terminated',
    );
    const orphan = async () => (await below(h, session)).find(({ agent }) => agent === 'worker')!;
    const { session: name } = await orphan();
    await eventually(async () => (await orphan()).parent === `session/${session.id}`);
    expect(await orphan()).toMatchObject({
      root: `session/${session.id}`,
      path: [session.id, name],
      onParentEnd: 'grandparent',
    });
    open();
    expect((await answers(session, 2))[1]).toContain('for the grandparent');
    await allEnded(h, session);
    await replayTree(h, session);
  });

  it('its parent is ended while it works → it goes on, and the session above is told', async () => {
    const open = gate('g2', 'after the end');
    h.model.reply(between('go on'), (r) =>
      told(r).length > 0 ? { hang: true } : calls(['orphan', { task: 'g2' }]),
    );
    const { session, answer } = await scripted('busy', () => calls(['between', { task: 'go on' }]));
    const middle = await eventually(async () =>
      (await below(h, session)).find(({ agent }) => agent === 'between'),
    );
    await h.model.until(({ requests }) => requests.some((r) => r.lastUserText === 'g2'));
    await h.model.until(({ requests }) =>
      requests.some((r) => between('go on')(r) && told(r).length > 0),
    );
    await h.runtime.session(middle.session).end();
    expect((await answer).text).toContain('was interrupted');
    const orphan = async () => (await below(h, session)).find(({ agent }) => agent === 'worker')!;
    await eventually(async () => (await orphan()).parent === `session/${session.id}`);
    expect((await orphan()).state).toBe('running');
    open();
    expect((await answers(session, 2))[1]).toContain('after the end');
    await allEnded(h, session);
    await replayTree(h, session);
  });

  it('the session that asked ends → those at work end with it, but one that is kept', async () => {
    const open = gate('k1', 'kept');
    h.model.reply((r) => r.lastUserText === 'e1', { hang: true });
    const { session, answer } = await scripted('end', () =>
      calls(['lasting', { task: 'k1' }], ['background', { task: 'e1' }]),
    );
    const [kept, ended] = sessionsOf((await answer).text.replace('told: ', '').split(' | '));
    await h.model.until(({ requests }) =>
      ['k1', 'e1'].every((text) => requests.some((r) => r.lastUserText === text)),
    );
    await session.end();
    const stateOf = async (name?: string) => (await h.runtime.session(name!).record())?.state;
    await eventually(async () => (await stateOf(ended)) === 'terminated');
    expect(await stateOf(kept)).toBe('running');
    const closed = h.model.closedEarly.map(({ request }) => request.lastUserText);
    expect(closed).toContain('e1');
    expect(closed).not.toContain('k1');
    open();
    await allEnded(h, session);
    expect(saidTexts(await h.runtime.session(kept!).transcript())).toEqual(['kept']);
    await replayTree(h, session);
  });
});
