import { z } from 'zod';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { tool } from '../../../src/contracts/define-tool.js';
import { replayHistory } from '../../../src/testing/replay.js';
import { Harness } from '../../support/harness.js';
import { eventually, historiesOf } from '../../support/observe.js';

let ran: string[] = [];
let opened: (() => void)[] = [];

const echo = tool({
  name: 'echo',
  description: 'Says it again.',
  parameters: z.object({ text: z.string() }),
  effect: 'read',
  execute: ({ text }) => {
    ran.push(text.length > 40 ? `${text.length}` : text);
    return text;
  },
});
/** Waits until the test lets it go on. */
const gate = tool({
  name: 'gate',
  description: 'Waits.',
  effect: 'read',
  execute: (_, { signal }) =>
    new Promise<string>((resolve, reject) => {
      ran.push('gate');
      opened.push(() => resolve('open'));
      signal.addEventListener('abort', () => reject(new Error('stopped')), { once: true });
    }),
});
const person = tool({
  name: 'ask_person',
  description: 'A person answers.',
  parameters: z.object({ question: z.string() }),
  run: 'workflow',
});
const long = tool({
  name: 'long',
  description: 'A long text.',
  effect: 'read',
  execute: () => `${'x'.repeat(100_000)}END`,
});

const plan = (...steps: object[]) => ({
  toolCalls: [{ name: 'make_plan', arguments: { steps } }],
});
const say = (id: string, text: unknown, ...after: string[]) => ({
  id,
  use: 'echo',
  args: { text },
  ...(after.length > 0 ? { after } : {}),
});

describe('planner: attacks', () => {
  let h: Harness;
  beforeAll(async () => {
    h = await Harness.start({ tools: [echo, gate, person, long], agent: { planner: true } });
  });
  afterAll(() => h.stop());
  beforeEach(() => {
    ran = [];
    opened = [];
  });
  const replayed = async (workflowId: string) => {
    for (const events of await historiesOf(h, workflowId)) await replayHistory({ events });
  };

  it('C5 F20 planner: interrupted in a round → stops, nothing else runs, the next message plans anew', async () => {
    h.model.enqueue(plan({ id: 'g', use: 'gate', args: {} }, say('s', 'after', 'g')));
    const session = await h.runtime.start();
    const refused = expect(session.ask('go')).rejects.toMatchObject({ type: 'Turn.Interrupted' });
    await eventually(() => opened.length === 1);
    await session.interrupt();
    await refused;
    h.model.enqueue(plan(say('s', 'again')), 'Done.');
    expect((await session.ask('once more')).text).toBe('Done.');
    expect(ran).toEqual(['gate', 'again']);
    await replayed(session.workflowId);
  });

  it('C5 planner: paused in a round → its steps end, the next round waits for resume', async () => {
    h.model.enqueue(plan({ id: 'g', use: 'gate', args: {} }, say('s', 'after', 'g')), 'Done.');
    const session = await h.runtime.start();
    const asked = session.ask('go');
    await eventually(() => opened.length === 1);
    await session.pause();
    opened[0]!();
    await eventually(async () => {
      const { turns } = await session.timeline();
      return turns[0]?.plans?.[0]?.steps[0]?.state === 'done';
    });
    expect(ran).toEqual(['gate']);
    await session.resume();
    expect((await asked).text).toBe('Done.');
    expect(ran).toEqual(['gate', 'after']);
    await replayed(session.workflowId);
  });

  it('C5 planner: a step that a person answers → waits beside the others, its output is handed on', async () => {
    h.model.enqueue(
      plan(
        { id: 'who', use: 'ask_person', args: { question: 'Who?' } },
        say('hi', 'meanwhile'),
        say('end', { $text: ['Hello ', { $from: 'who' }, '!'] }),
      ),
      'Done.',
    );
    const session = await h.runtime.start();
    const asked = session.ask('go');
    const call = await eventually(async () => (await session.status()).waiting?.[0]);
    await session.answer(call.key, 'Ada');
    expect((await asked).text).toBe('Done.');
    expect(ran).toEqual(['meanwhile', 'Hello Ada!']);
    await replayed(session.workflowId);
  });

  it('C5 planner: an output that is kept as an artifact → handed on whole', async () => {
    h.model.enqueue(plan({ id: 'l', use: 'long', args: {} }, say('s', { $from: 'l' })), 'Done.');
    const session = await h.runtime.start();
    await session.ask('go');
    expect(ran).toEqual(['100003']);
  });

  it('C5 planner: the same message twice, and all at once → one plan for each message', async () => {
    h.model.enqueue(plan(say('s', 'once')), 'Done.');
    const session = await h.runtime.start();
    const both = await Promise.all([
      session.ask({ id: 'same', text: 'go' }),
      session.ask({ id: 'same', text: 'go' }),
    ]);
    expect(both.map(({ text }) => text)).toEqual(['Done.', 'Done.']);
    expect(ran).toEqual(['once']);
    h.model.assertDone();
  });

  it('C5 planner: halves of pairs and NUL in a plan → made well-formed, kept and shown', async () => {
    h.model.enqueue(
      {
        toolCalls: [
          {
            name: 'make_plan',
            arguments:
              '{"goal":"a \\ud83d b\\u0000","steps":[{"id":"s","use":"echo","args":{"text":"c \\ud83d d"},"why":"\\udc00"}]}',
          },
        ],
      },
      'Done.',
    );
    const session = await h.runtime.start();
    expect((await session.ask('go')).text).toBe('Done.');
    expect(ran).toEqual(['c \ufffd d']);
    const { turns } = await session.timeline();
    expect(turns[0]!.plans![0]).toMatchObject({ revision: 1, steps: [{ id: 's', state: 'done' }] });
    await replayed(session.workflowId);
  });

  it('C5 planner: nonsense as a plan, again and again → bounded, the turn ends with an answer', async () => {
    const bad = [
      plan({ id: '__proto__', use: 'constructor', args: { $from: 's' } }),
      plan({ id: 'a', use: 'echo', args: { text: { $from: 'a' } } }),
      plan(
        { id: 'a', use: 'echo', args: { text: { $from: 'b', path: '/x' } } },
        say('b', { $from: 'a' }),
      ),
    ];
    h.model.enqueue(...bad, 'I give up.');
    const session = await h.runtime.start();
    expect((await session.ask('go')).text).toBe('I give up.');
    expect(h.model.requests.at(-1)!.toolChoice).toBe('none');
    expect(ran).toEqual([]);
  });

  it('C5 planner: compacted in the middle of a plan → the plan goes on where it was', async () => {
    const small = await Harness.start({
      tools: [echo, long],
      agent: {
        planner: true,
        contextWindow: 3_600,
        maxTokens: 1_000,
        limits: { maxToolOutputBytes: 12_000 },
      },
    });
    try {
      small.model.reply(
        (request) => /summari/i.test(request.system),
        'A summary: the steps have been carried out so far.',
      );
      const text = Array.from({ length: 1_500 }, (_, i) => `w${i}`).join(' ');
      const steps = Array.from({ length: 4 }, (_, i) =>
        say(`s${i}`, i === 0 ? text : { $from: `s${i - 1}` }),
      );
      small.model.enqueue(
        plan(...steps, say('bad', { $from: 's3', path: '/nothing' })),
        plan(say('good', { $from: 's3' })),
        'Done.',
      );
      const session = await small.runtime.start();
      expect((await session.ask('go')).text).toBe('Done.');
      expect(ran).toEqual(Array(5).fill(String(text.length)));
      const transcript = await session.transcript();
      const summary = transcript.find(({ message }) => message.role === 'summary')?.message;
      // The first plan and its outputs are no longer shown to the model.
      expect(summary).toMatchObject({ covers: { from: 1 } });
    } finally {
      await small.stop();
    }
  });
});
