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
      // The workflow hears of the last step a moment after the store has it.
      await eventually(
        async () => (await session.status()).usage.input === record!.inputTokens || undefined,
      );
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

/** Calls the tool `note` with each word of "note a b c" in a step of its own, then says what it has heard. */
function followWords({ messages, lastUserText }: SeenRequest): string | ScriptedResponse {
  const go = messages.findLastIndex(({ role, text }) => role === 'user' && text.startsWith('note'));
  const words = go === -1 ? [] : messages[go]!.text.split(' ').slice(1);
  const done = messages.slice(go).filter(({ role }) => role === 'tool').length;
  const word = words[done];
  if (lastUserText === 'the last word') return slowly(THOUGHT);
  if (word === undefined) return `heard ${lastUserText}`;
  return { text: `Noting ${word}.`, toolCalls: [{ name: 'note', arguments: { word } }] };
}

describe('messages while an agent makes several steps in one activity', () => {
  let h: Harness;
  let one: Harness;
  let release: () => void = () => undefined;
  beforeAll(async () => {
    h = await Harness.start({ tools: [note], agent: { whileWorking: 'steer' } });
    one = await Harness.start({ tools: [note], agent: { unread: 'one' } });
    for (const { model } of [h, one]) model.reply(/^/, followWords);
  });
  afterAll(() => Promise.all([h.stop(), one.stop()]));
  beforeEach(() => {
    notes = [];
    held = new Promise((resolve) => (release = resolve));
    h.model.requests.length = 0;
  });

  const activities = async (session: Session, name: string, of = h) => {
    const events = (await historiesOf(of, session.workflowId)).flat();
    return events.filter(
      (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === name,
    ).length;
  };
  const replayed = async (session: Session, of = h) => {
    for (const events of await historiesOf(of, session.workflowId)) {
      await replayHistory({ events }, { workflowId: session.workflowId });
    }
  };
  /** A session in the middle of its first tool. */
  const busy = async (text: string, of = h) => {
    const session = await of.runtime.start();
    const first = session.ask({ id: 'first', text });
    first.catch(() => undefined);
    await eventually(() => notes.length === 1);
    return { session, first };
  };
  /** The notification has reached the worker: its activity is done. */
  const notified = (session: Session) =>
    eventually(async () => {
      const events = (await historiesOf(h, session.workflowId)).flat();
      const scheduled = events.find(
        (event) =>
          event.activityTaskScheduledEventAttributes?.activityType?.name === 'publishSteering',
      );
      return events.some(
        (event) =>
          scheduled &&
          String(event.activityTaskCompletedEventAttributes?.scheduledEventId) ===
            String(scheduled.eventId),
      );
    });

  it('P5 steer: declared by the agent → the series ends after the step under way, the message joins the next', async () => {
    const { session, first } = await busy('note a b c');
    await session.send({ id: 's', text: 'hurry' });
    await notified(session);
    release();
    expect(await first).toMatchObject({ turn: 1, text: 'heard hurry' });
    expect(lines(await session.transcript())).toEqual([
      'user: note a b c',
      'assistant: Noting a.',
      'tool: noted a',
      'user: hurry',
      'assistant: Noting b.',
      'tool: noted b',
      'assistant: Noting c.',
      'tool: noted c',
      'assistant: heard hurry',
    ]);
    expect(seen(h.model.requests[1]!)).toEqual([
      'user: note a b c',
      'assistant: Noting a.',
      'tool: noted a',
      'user: hurry',
    ]);
    expect(await activities(session, 'callModel')).toBe(2);
    await replayed(session);
  });

  it('P5 steer: several, and some that wait → those that steer join in order, the others begin the next turn in order', async () => {
    const { session, first } = await busy('note a b');
    const receipts = [
      await session.send({ id: 'w1', text: 'wait 1' }, { whileWorking: 'enqueue' }),
      await session.send({ id: 's1', text: 'steer 1' }),
      await session.send({ id: 'w2', text: 'wait 2' }, { whileWorking: 'enqueue' }),
      await session.send({ id: 's2', text: 'steer 2' }),
      await session.send({ id: 's1', text: 'steer 1' }),
    ];
    expect(receipts.map(({ duplicate, ahead }) => [duplicate, ahead])).toEqual([
      [false, 0],
      [false, 0],
      [false, 2],
      [false, 1],
      [true, 0],
    ]);
    await notified(session);
    release();
    expect(await first).toMatchObject({ turn: 1, text: 'heard steer 2' });
    expect(await session.answerTo('w2')).toMatchObject({ turn: 2 });
    expect(lines(await session.transcript()).filter((line) => line.startsWith('user'))).toEqual([
      'user: note a b',
      'user: steer 1',
      'user: steer 2',
      'user: wait 1',
      'user: wait 2',
    ]);
    // One for the activity under way, however many steer.
    expect(await activities(session, 'publishSteering')).toBe(1);
    await replayed(session);
  });

  it('P5 steer: no step follows → the message begins the next turn', async () => {
    const session = await h.runtime.start();
    const first = session.ask('the last word');
    await new Reader().until(session, 'delta');
    expect(await session.ask('too late to steer')).toMatchObject({
      turn: 2,
      text: 'heard too late to steer',
    });
    expect(await first).toMatchObject({ turn: 1, text: THOUGHT });
    await replayed(session);
  });

  it('P5 interrupt: in a local tool of the series → the tool is stopped, what was written is kept', async () => {
    const { session, first } = await busy('note a');
    const second = session.ask({ id: 'i', text: 'instead' }, { whileWorking: 'interrupt' });
    await expect(first).rejects.toMatchObject({ type: 'Turn.Interrupted' });
    release();
    expect(await second).toMatchObject({ turn: 2, text: 'heard instead' });
    const [go, said, result, ...rest] = lines(await session.transcript());
    expect([go, said]).toEqual(['user: note a', 'assistant: Noting a.']);
    expect(result).toMatch(/^tool: /);
    expect(rest).toEqual(['user: instead', 'assistant: heard instead']);
    await replayed(session);
  });

  it('P5 rollback: after several steps → none of them is seen again, by the model or by readers', async () => {
    const { session, first } = await busy('note a b c');
    await session.send({ id: 's', text: 'hurry' });
    const second = session.ask({ id: 'r', text: 'forget it' }, { whileWorking: 'rollback' });
    await expect(first).rejects.toMatchObject({ type: 'Turn.RolledBack' });
    release();
    // What had not joined yet was no part of the turn: it begins the next one.
    expect(await second).toMatchObject({ turn: 2, text: 'heard forget it' });
    const turn = ['user: hurry', 'user: forget it'];
    expect(lines(await session.transcript())).toEqual([...turn, 'assistant: heard forget it']);
    expect(seen(h.model.requests.at(-1)!)).toEqual(turn);
    expect((await session.ask('more')).text).toBe('heard more');
    expect(seen(h.model.requests.at(-1)!)).toEqual([
      ...turn,
      'assistant: heard forget it',
      'user: more',
    ]);
    await replayed(session);
  });

  it('P5 interrupt: to an agent that takes one message a turn → it begins the next turn, those that wait follow', async () => {
    const { session, first } = await busy('note a', one);
    await session.send({ id: 'w', text: 'wait' });
    await session.send({ id: 'i', text: 'instead' }, { whileWorking: 'interrupt' });
    await expect(first).rejects.toMatchObject({ type: 'Turn.Interrupted' });
    release();
    expect(await session.answerTo('i')).toMatchObject({ turn: 2, text: 'heard instead' });
    expect(await session.answerTo('w')).toMatchObject({ turn: 3, text: 'heard wait' });
    await replayed(session, one);
  });

  it('P5 message: all policies at the same moment, each twice → each message once, none lost', async () => {
    const { session, first } = await busy('note a b');
    const policies = ['enqueue', 'steer', 'interrupt', 'rollback', 'reject'] as const;
    const sent = policies.flatMap((whileWorking) =>
      [1, 2].map(async () => {
        const receipt = await session
          .send({ id: whileWorking, text: whileWorking }, { whileWorking })
          .catch(({ type }: { type: string }) => type);
        return [whileWorking, typeof receipt === 'string' ? receipt : receipt.duplicate] as const;
      }),
    );
    const receipts = await Promise.all(sent);
    release();
    const ended = await first.catch(({ type }: { type: string }) => type);
    expect(ended).toMatch(/^Turn\.(RolledBack|Interrupted)$/);
    await eventually(async () => {
      const { state, queued } = await session.status();
      return state === 'idle' && queued === 0;
    });
    const ids = (await session.transcript({ rolledBack: true })).flatMap(({ message }) =>
      message.role === 'user' ? [message.id] : [],
    );
    const accepted = new Set(
      receipts.flatMap(([id, what]) => (typeof what === 'string' ? [] : [id])),
    );
    expect([...ids].sort()).toEqual(['first', ...accepted].sort());
    for (const policy of accepted) {
      const own = receipts.filter(([id]) => id === policy).map(([, duplicate]) => duplicate);
      expect(own.filter((duplicate) => duplicate === false)).toHaveLength(1);
    }
    await replayed(session);
  });
});

describe('messages while an agent waits for a call, over continue-as-new', () => {
  const ask = tool({ name: 'ask', description: 'Asks.', run: 'client', parameters: z.object({}) });
  let h: Harness;
  beforeAll(async () => {
    h = await Harness.start({ tools: [ask], settings: { historyLimit: 60 } });
    h.model.reply(/^/, ({ messages, lastUserText }) =>
      lastUserText === 'go' && messages.at(-1)!.role === 'user'
        ? { toolCalls: [{ name: 'ask' }] }
        : `heard ${lastUserText}`,
    );
  });
  afterAll(() => h.stop());

  it('P5 steer: sent before the run ends, with many that wait → joins when the call is answered, in a later run', async () => {
    const session = await h.runtime.start();
    const first = session.ask('go');
    const { key } = await eventually(async () => (await session.status()).waiting?.[0]);
    await session.send({ id: 's', text: 'steering' }, { whileWorking: 'steer' });
    let sent = 0;
    do await session.send({ id: `w${++sent}`, text: `wait ${sent}` });
    while (sent % 20 !== 0 || (await session.status()).runs < 3);
    await session.answer(key, 'yes');
    expect(await first).toMatchObject({ turn: 1, text: 'heard steering' });
    await session.answerTo(`w${sent}`);
    const users = (await session.transcript()).flatMap(({ turn, message }) =>
      message.role === 'user' ? [`${turn > 1 ? 'later' : 'first'} ${message.text}`] : [],
    );
    expect(users).toEqual([
      'first go',
      'first steering',
      ...Array.from({ length: sent }, (_, i) => `later wait ${i + 1}`),
    ]);
    for (const events of await historiesOf(h, session.workflowId)) {
      await replayHistory({ events }, { workflowId: session.workflowId });
    }
  });

  it('P5 rollback: of a turn that was carried to another run → forgotten from where it began', async () => {
    const session = await h.runtime.start();
    expect((await session.ask('before')).text).toBe('heard before');
    const first = session.ask('go');
    first.catch(() => undefined);
    await eventually(async () => (await session.status()).waiting?.[0]);
    let sent = 0;
    do await session.send({ id: `w${++sent}`, text: `wait ${sent}` });
    while ((await session.status()).runs < 2);
    const second = session.ask('forget it', { whileWorking: 'rollback' });
    await expect(first).rejects.toMatchObject({ type: 'Turn.RolledBack' });
    expect((await second).text).toBe('heard forget it');
    await session.answerTo(`w${sent}`);
    const texts = lines(await session.transcript()).filter((line) => !line.startsWith('assistant'));
    const waited = Array.from({ length: sent }, (_, i) => `user: wait ${i + 1}`);
    // A turn takes a hundred messages. Of more, the one that has stopped a turn begins the next one.
    expect(texts).toEqual([
      'user: before',
      ...(sent < 100 ? [...waited, 'user: forget it'] : ['user: forget it', ...waited]),
    ]);
    for (const events of await historiesOf(h, session.workflowId)) {
      await replayHistory({ events }, { workflowId: session.workflowId });
    }
  });
});
