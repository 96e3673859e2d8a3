import { z } from 'zod';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { tool } from '../../../src/contracts/define-tool.js';
import type { Session } from '../../../src/client/session.js';
import type { SessionEvent } from '../../../src/contracts/events.js';
import { replayHistory } from '../../../src/testing/replay.js';
import { Harness } from '../../support/harness.js';
import { eventually } from '../../support/eventually.js';
import { historiesOf } from '../../support/observe.js';

/** What ran, in order: `+` when it began, `-` when it ended. */
let ran: string[] = [];
let broken = new Set<string>();

const fetchPage = tool({
  name: 'fetch_page',
  description: 'Fetches a page.',
  parameters: z.object({ url: z.string() }),
  yields: z.object({ title: z.string(), words: z.number() }),
  effect: 'read',
  execute: async ({ url }) => {
    ran.push(`+${url}`);
    if (broken.has(url)) throw new Error(`${url} is gone.`);
    await Promise.resolve();
    return { title: `Page ${url}`, words: url.length };
  },
});
const add = tool({
  name: 'add',
  description: 'Adds two numbers.',
  parameters: z.object({ a: z.number(), b: z.number() }),
  effect: 'read',
  run: 'local',
  execute: ({ a, b }) => {
    ran.push(`add ${a} ${b}`);
    return a + b;
  },
});
const note = tool({
  name: 'note',
  description: 'Writes a note.',
  parameters: z.object({ text: z.string() }),
  effect: 'keyed',
  execute: ({ text }) => {
    ran.push(`note ${text}`);
    return 'noted';
  },
});
const shell = tool({
  name: 'shell_exec',
  description: 'Runs a command.',
  effect: 'once',
  execute: () => ran.push('SHELL'),
});

export const plan = (...steps: object[]) => ({
  toolCalls: [{ name: 'make_plan', arguments: { goal: 'Add it up.', steps } }],
});
const from = (step: string, path?: string) => ({ $from: step, ...(path ? { path } : {}) });

const TWO_PAGES = [
  { id: 'one', use: 'fetch_page', args: { url: 'a' } },
  { id: 'two', use: 'fetch_page', args: { url: 'bb' } },
  { id: 'sum', use: 'add', args: { a: from('one', '/words'), b: from('two', '/words') } },
  { id: 'keep', use: 'note', args: { text: { $text: ['It is ', from('sum'), '.'] } } },
];

async function eventsOf(session: Session): Promise<SessionEvent[]> {
  const events: SessionEvent[] = [];
  for await (const item of session.events({ after: 0 })) {
    if (!('n' in item)) continue;
    events.push(item);
    if (/^turn\.(completed|failed|interrupted)$/.test(item.type)) return events;
  }
  return events;
}
const ofPlan = (events: readonly SessionEvent[]) =>
  events.flatMap((event) => {
    if (event.type === 'plan.step') return [`${event.id} ${event.state}`];
    if (event.type === 'plan.made') return [`made ${event.steps.map(({ id }) => id).join(' ')}`];
    if (event.type !== 'plan.changed') return [];
    return [`changed: ${event.because} ${event.steps.map(({ id }) => id).join(' ')}`];
  });

describe('planner', () => {
  let h: Harness;
  beforeAll(async () => {
    h = await Harness.start({
      tools: [fetchPage, add, note, shell],
      agent: { planner: true, policy: { maxReplanAttempts: 1, maxIterations: 6 } },
    });
  });
  afterAll(() => h.stop());
  beforeEach(() => {
    ran = [];
    broken = new Set();
  });

  it('C5 planner: a plan with references → rounds in order, independent steps together, outputs handed on', async () => {
    h.model.enqueue(plan(...TWO_PAGES), 'It is 3.');
    const session = await h.runtime.start();
    expect((await session.ask('add up')).text).toBe('It is 3.');
    expect(ran).toEqual([
      expect.stringMatching(/^\+(a|bb)$/),
      expect.stringMatching(/^\+(a|bb)$/),
      'add 1 2',
      'note It is 3.',
    ]);
    expect(ofPlan(await eventsOf(session))).toEqual([
      'made one two sum keep',
      expect.stringMatching(/^(one|two) done$/),
      expect.stringMatching(/^(one|two) done$/),
      'sum done',
      'keep done',
    ]);
    // Two model calls: the plan, and the answer. Its steps cost none.
    expect(h.model.requests).toHaveLength(2);
    expect(h.model.requests[0]!.tools.map(({ name }) => name)).toEqual(['make_plan']);
    expect(h.model.requests[0]!.system).toContain('## fetch_page (only reads)');
    h.model.assertDone();
    for (const events of await historiesOf(h, session.workflowId)) await replayHistory({ events });
  });

  it('C5 planner: a question that needs no plan → answered at once', async () => {
    h.model.enqueue('Hello.');
    const session = await h.runtime.start();
    expect((await session.ask('hi')).text).toBe('Hello.');
    expect(ofPlan(await eventsOf(session))).toEqual([]);
  });

  it('C5 planner: a step fails → replanned with what is known, done steps are not repeated', async () => {
    broken.add('bb');
    h.model.enqueue(
      plan(...TWO_PAGES),
      plan(
        { id: 'other', use: 'fetch_page', args: { url: 'ccc' } },
        { id: 'sum', use: 'add', args: { a: from('one', '/words'), b: from('other', '/words') } },
      ),
      'It is 4.',
    );
    const session = await h.runtime.start();
    const before = h.model.requests.length;
    expect((await session.ask('add up')).text).toBe('It is 4.');
    expect(ran.filter((each) => each === '+a')).toHaveLength(1);
    expect(ran.slice(-2)).toEqual(['+ccc', 'add 1 3']);
    const told = h.model.requests[before + 1]!.lastUserText;
    expect(told).toMatch(/Done: one\. Failed: two \(Tool\.Failed\)\. Not run: sum, keep\./);
    expect(ofPlan(await eventsOf(session)).slice(3)).toEqual([
      'changed: failed other sum',
      'other done',
      'sum done',
    ]);
  });

  it('C2 planner: maxReplanAttempts are used up → the model must answer, and nothing else runs', async () => {
    broken = new Set(['a', 'bb', 'ccc']);
    h.model.enqueue(
      plan(TWO_PAGES[0]!),
      plan({ id: 'again', use: 'fetch_page', args: { url: 'bb' } }),
      'It cannot be done.',
    );
    const session = await h.runtime.start();
    expect((await session.ask('add up')).text).toBe('It cannot be done.');
    const last = h.model.requests.at(-1)!;
    expect(last.toolChoice).toBe('none');
    expect(last.lastUserText).toMatch(/There may be no other plan/);
    expect(ran).toEqual(['+a', '+bb']);
  });

  it('C5 planner: a plan against the graph → refused before anything runs, mended', async () => {
    h.model.enqueue(
      plan(
        { id: 'x', use: 'fetch_pages', args: { url: 'a' } },
        { id: 'z', use: 'add', args: { a: 'one', b: 2 } },
        { id: 't', use: 'add', args: { a: from('p', '/title'), b: 2 } },
        { id: 'p', use: 'fetch_page', args: { url: 'a' } },
        { id: 'u', use: 'note', args: { text: from('nothing') } },
      ),
      plan({ id: 'p', use: 'fetch_page', args: { url: 'a' } }),
      'Done.',
    );
    const session = await h.runtime.start();
    expect((await session.ask('go')).text).toBe('Done.');
    const [refused] = (await session.transcript()).flatMap(({ message }) =>
      message.role === 'tool' ? [message] : [],
    );
    expect(refused!.failure?.type).toBe('Plan.Invalid');
    expect(refused!.failure?.message).toMatch(
      /Step "u" comes after "nothing".*Step "x": There is no "fetch_pages"\. Did you mean fetch_page\?.*Step "z": The arguments of "add" do not fit.*Step "t": \/a takes number, and step "p" yields string there\./s,
    );
    expect(ran).toEqual(['+a']);
  });

  it('P6 planner: a step that a person must approve → the plan waits there, and goes on', async () => {
    h.model.enqueue(
      plan(
        { id: 'run', use: 'shell_exec', args: {} },
        { id: 'keep', use: 'note', args: { text: 'done' }, after: ['run'] },
      ),
      'Done.',
    );
    const session = await h.runtime.start();
    const answer = session.ask('go');
    const [request] = await eventually(
      () => h.runtime.inbox.list({ session: session.id }),
      ({ length }) => length === 1,
    );
    expect(ran).toEqual([]);
    await h.runtime.inbox.approve(request!.id, { by: 'bob' });
    expect((await answer).text).toBe('Done.');
    expect(ran).toEqual(['SHELL', 'note done']);
  });

  it('S11 planner: the model calls a tool past its plan → not run', async () => {
    h.model.enqueue(
      { toolCalls: [{ name: 'note', arguments: { text: 'past the plan' } }] },
      'I may not.',
    );
    const session = await h.runtime.start();
    expect((await session.ask('go')).text).toBe('I may not.');
    expect(ran).toEqual([]);
  });

  it('C5 planner: an output that is not what was thought → the step fails with the reason, and is replanned', async () => {
    h.model.enqueue(
      plan(
        { id: 'sum', use: 'add', args: { a: 1, b: 2 } },
        { id: 'keep', use: 'note', args: { text: from('sum', '/total') } },
      ),
      plan({ id: 'keep', use: 'note', args: { text: from('sum') } }),
      'Kept.',
    );
    const session = await h.runtime.start();
    expect((await session.ask('go')).text).toBe('Kept.');
    expect(ran).toEqual(['add 1 2', 'note 3']);
    expect(ofPlan(await eventsOf(session))).toEqual([
      'made sum keep',
      'sum done',
      'keep failed',
      'changed: failed keep',
      'keep done',
    ]);
  });

  it('C5 planner: all is done and more is needed → the plan is continued', async () => {
    h.model.enqueue(
      plan({ id: 'sum', use: 'add', args: { a: 1, b: 2 } }),
      plan({ id: 'more', use: 'add', args: { a: from('sum'), b: 10 } }),
      'It is 13.',
    );
    const session = await h.runtime.start();
    expect((await session.ask('go')).text).toBe('It is 13.');
    expect(ran).toEqual(['add 1 2', 'add 3 10']);
    expect(ofPlan(await eventsOf(session))).toContain('changed: continued more');
  });
});
