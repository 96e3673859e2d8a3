/**
 * What becomes of a message that comes while the agent works: the five policies on a model that
 * streams slowly. What the transcript has and what the model's server saw are compared with what is
 * expected; every history is replayed.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Session } from '../../../src/client/session.js';
import { tool } from '../../../src/contracts/define-tool.js';
import type { StoredMessage } from '../../../src/contracts/message.js';
import { HANDLERS, type Answer } from '../../../src/contracts/session.js';
import type { WhileWorking } from '../../../src/contracts/while-working.js';
import type { ScriptedResponse, SeenRequest } from '../../../src/testing/scripted-model.js';
import { replayHistory } from '../../../src/testing/replay.js';
import { Harness } from '../../support/harness.js';
import { eventually, historiesOf, Reader } from '../../support/observe.js';

/** Some 40 pieces, so that there is time to say something while it is said. */
const THOUGHT = 'I think about it for quite some while. '.repeat(4).trim();

let held: Promise<void> | undefined;
let notes: string[] = [];
const note = tool({
  name: 'note',
  description: 'Notes a word.',
  parameters: z.object({ word: z.string() }),
  effect: 'idempotent',
  run: 'local',
  execute: async ({ word }) => {
    notes.push(word);
    await held;
    return `noted ${word}`;
  },
});

const slowly = (text: string, word?: string): ScriptedResponse => ({
  text,
  chunkSize: 4,
  chunkDelayMs: 25,
  ...(word === undefined ? {} : { toolCalls: [{ name: 'note', arguments: { word } }] }),
});
/** A transcript, or what a model saw, as lines. */
const lines = (messages: readonly StoredMessage[]) =>
  messages.map(({ message }) => {
    const text =
      message.role === 'tool'
        ? message.content.map((part) => (part.type === 'text' ? part.text : '')).join('')
        : message.text;
    return `${message.role}: ${text}`;
  });
const seen = ({ messages }: SeenRequest) => messages.map(({ role, text }) => `${role}: ${text}`);

describe('a message while the agent works', () => {
  let h: Harness;
  beforeAll(async () => {
    h = await Harness.start({ tools: [note], agent: { limits: { stepsPerActivity: 8 } } });
  });
  afterAll(() => h.stop());
  beforeEach(() => {
    held = undefined;
    notes = [];
    h.model.requests.length = 0;
    h.model.closedEarly.length = 0;
  });

  const replayed = async (session: Session, of = h) => {
    for (const events of await historiesOf(of, session.workflowId)) {
      await replayHistory({ events }, { workflowId: session.workflowId });
    }
  };

  /** A session whose model speaks: its first words have been heard. */
  const speaking = async (of = h) => {
    const session = await of.runtime.start();
    const first = session.ask({ id: 'first', text: 'go' });
    first.catch(() => undefined);
    await new Reader().until(session, 'delta');
    return { session, first };
  };

  const ways: Record<string, (session: Session, policy: WhileWorking) => Promise<Answer>> = {
    'session.ask': (session, whileWorking) =>
      session.ask({ id: 'second', text: 'now this' }, { whileWorking }),
    'the update `ask`': (session, whileWorking) =>
      h.runtime.temporal.workflow
        .getHandle(session.workflowId)
        .executeUpdate<Answer, [unknown]>(HANDLERS.ask, {
          args: [{ id: 'second', text: 'now this', whileWorking }],
        }),
    'a plain signal': async (session, whileWorking) => {
      await h.runtime.temporal.workflow
        .getHandle(session.workflowId)
        .signal(HANDLERS.message, { id: 'second', text: 'now this', whileWorking });
      return session.answerTo('second');
    },
  };

  describe.each(Object.keys(ways))('sent by %s', (way) => {
    const second = (session: Session, policy: WhileWorking) => ways[way]!(session, policy);

    it('P5 enqueue: → the turn ends as it would, the message begins the next one', async () => {
      h.model.enqueue(slowly(THOUGHT, 'a'), 'done', 'this then');
      const { session, first } = await speaking();
      expect(await second(session, 'enqueue')).toMatchObject({ turn: 2, text: 'this then' });
      expect(await first).toMatchObject({ turn: 1, text: 'done' });
      const turn = ['user: go', `assistant: ${THOUGHT}`, 'tool: noted a'];
      expect(h.model.requests.map(seen)).toEqual([
        ['user: go'],
        turn,
        [...turn, 'assistant: done', 'user: now this'],
      ]);
      expect(lines(await session.transcript())).toEqual([
        ...turn,
        'assistant: done',
        'user: now this',
        'assistant: this then',
      ]);
      expect(h.model.closedEarly).toHaveLength(0);
      await replayed(session);
    });

    it('P5 steer: → joins at the next step, also within an activity of several; one turn answers both', async () => {
      h.model.enqueue(slowly(THOUGHT, 'a'), 'done with both');
      const { session, first } = await speaking();
      const both = { turn: 1, text: 'done with both' };
      expect(await second(session, 'steer')).toMatchObject(both);
      expect(await first).toMatchObject(both);
      const upToIt = ['user: go', `assistant: ${THOUGHT}`, 'tool: noted a', 'user: now this'];
      expect(h.model.requests.map(seen)).toEqual([['user: go'], upToIt]);
      expect(lines(await session.transcript())).toEqual([...upToIt, 'assistant: done with both']);
      const [turn, ...more] = (await session.timeline()).turns;
      expect(more).toEqual([]);
      expect(turn!.messages.map(({ id, step }) => [id, step])).toEqual([
        ['first', undefined],
        ['second', 2],
      ]);
      await replayed(session);
    });

    it('P5 interrupt: → the turn stops and keeps what was said, the message begins the next one', async () => {
      h.model.enqueue(slowly(THOUGHT, 'a'), 'this then');
      const { session, first } = await speaking();
      expect(await second(session, 'interrupt')).toMatchObject({ turn: 2, text: 'this then' });
      await expect(first).rejects.toMatchObject({
        type: 'Turn.Interrupted',
        message: expect.stringContaining('message second came') as string,
      });
      const [go, partial, ...rest] = lines(await session.transcript());
      expect(go).toBe('user: go');
      expect(partial).toMatch(/^assistant: I th/);
      expect(`assistant: ${THOUGHT}`.startsWith(partial!)).toBe(true);
      expect(rest).toEqual(['user: now this', 'assistant: this then']);
      expect(h.model.requests.map(seen)).toEqual([
        ['user: go'],
        ['user: go', partial, 'user: now this'],
      ]);
      expect(h.model.closedEarly).toHaveLength(1);
      expect(notes).toEqual([]);
      await replayed(session);
    });

    it('P5 rollback: → the turn stops and is forgotten, but for its cost; its message is answered so', async () => {
      h.model.enqueue(slowly(THOUGHT, 'a'), 'this then');
      const { session, first } = await speaking();
      expect(await second(session, 'rollback')).toMatchObject({ turn: 2, text: 'this then' });
      await expect(first).rejects.toMatchObject({ type: 'Turn.RolledBack' });
      expect(lines(await session.transcript())).toEqual(['user: now this', 'assistant: this then']);
      expect(h.model.requests.map(seen)).toEqual([['user: go'], ['user: now this']]);
      expect(h.model.closedEarly).toHaveLength(1);
      const everything = await session.transcript({ rolledBack: true });
      expect(everything.map(({ rolledBack = false }) => rolledBack)).toEqual([
        true,
        true,
        false,
        false,
      ]);
      expect(new Set(everything.map(({ seq }) => seq)).size).toBe(4);
      const { turns } = await session.timeline();
      expect(turns.map(({ outcome, rolledBack }) => [outcome, rolledBack])).toEqual([
        ['interrupted', true],
        ['completed', undefined],
      ]);
      // Both calls are on the bill of the session.
      const record = await session.record();
      const spent = turns.flatMap(({ steps }) => steps).flatMap(({ attempts }) => attempts);
      expect(spent).toHaveLength(2);
      expect(spent.every(({ inputTokens }) => inputTokens > 0)).toBe(true);
      expect(record!.inputTokens).toBe(
        spent.reduce((sum, { inputTokens }) => sum + inputTokens, 0),
      );
      expect((await session.status()).usage.input).toBe(record!.inputTokens);
      // A message of a turn that was forgotten was taken all the same.
      expect(await session.send({ id: 'first', text: 'go' })).toMatchObject({ duplicate: true });
      await expect(session.answerTo('first')).rejects.toMatchObject({ type: 'Turn.RolledBack' });
      await replayed(session);
    });
  });

  it.each(['the update `send`', 'the update `ask`'])(
    'P5 reject: by %s → Session.Busy, the turn goes on, nothing of it is in the transcript or the history',
    async (way) => {
      h.model.enqueue(slowly(THOUGHT, 'a'), 'done', 'again');
      const { session, first } = await speaking();
      const handle = h.runtime.temporal.workflow.getHandle(session.workflowId);
      const refused =
        way === 'the update `send`'
          ? session.send({ id: 'second', text: 'now this' }, { whileWorking: 'reject' })
          : handle
              .executeUpdate(HANDLERS.ask, {
                args: [{ id: 'second', text: 'now this', whileWorking: 'reject' }],
              })
              .catch((error: { cause: unknown }) => Promise.reject(error.cause as Error));
      await expect(refused).rejects.toMatchObject({ type: 'Session.Busy' });
      expect(await first).toMatchObject({ turn: 1, text: 'done' });
      const turn = ['user: go', `assistant: ${THOUGHT}`, 'tool: noted a'];
      expect(h.model.requests.map(seen)).toEqual([['user: go'], turn]);
      expect(lines(await session.transcript())).toEqual([...turn, 'assistant: done']);
      const types = (await historiesOf(h, session.workflowId)).flat();
      const updates = types.filter((event) => event.workflowExecutionUpdateAcceptedEventAttributes);
      expect(updates).toHaveLength(1);
      // The id was not taken: the same message comes in once nobody works.
      const later = { id: 'second', text: 'now this' };
      expect((await session.ask(later, { whileWorking: 'reject' })).text).toBe('again');
      await replayed(session);
    },
  );

  it('P5 reject: by a plain signal → the event message.refused, for its sender', async () => {
    h.model.enqueue(slowly(THOUGHT, 'a'), 'done');
    const { session, first } = await speaking();
    await h.runtime.temporal.workflow
      .getHandle(session.workflowId)
      .signal(HANDLERS.message, { id: 'second', text: 'now this', whileWorking: 'reject' });
    expect(await first).toMatchObject({ text: 'done' });
    await eventually(async () => (await session.timeline()).refused.length > 0);
    expect((await session.timeline()).refused).toMatchObject([
      { id: 'second', reason: expect.stringContaining('"reject"') as string },
    ]);
    expect(lines(await session.transcript())).toHaveLength(4);
    await replayed(session);
  });

  it('message: a word that is no policy → Message.Invalid', async () => {
    const session = await h.runtime.start();
    await expect(
      session.send('x', { whileWorking: 'shout' as WhileWorking }),
    ).rejects.toMatchObject({ type: 'Message.Invalid' });
  });
});
