/** Questions of agents to people, answered in the inbox. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PerduraError, type Session } from '../../../src/index.js';
import type { Reply } from '../../../src/testing/scripted-model.js';
import { eventually } from '../../support/eventually.js';
import { Harness } from '../../support/harness.js';

describe('questions', () => {
  let h: Harness;
  beforeAll(async () => {
    h = await Harness.start({ agent: { tools: ['ask_user'] } });
  });
  afterAll(() => h.stop());

  const asking = (args: object, ...then: Reply[]) => {
    h.model.enqueue({ toolCalls: [{ name: 'ask_user', arguments: args }] }, ...then);
    return h.runtime.start({ message: 'go' });
  };
  const one = async (session: Session) => {
    const list = () => h.runtime.inbox.list({ session: session.id, kind: 'question' });
    return (await eventually(list, ({ length }) => length === 1))[0]!;
  };
  const toldTo = async (session: Session) => {
    await eventually(
      () => session.record(),
      (record) => record?.state === 'idle',
    );
    return h.model.requests.at(-1)!.messages.findLast(({ role }) => role === 'tool')!.text;
  };
  const refusal = (doing: Promise<unknown>) =>
    doing.then(
      () => undefined,
      (error: unknown) => (error instanceof PerduraError ? error.type : error),
    );
  const bob = { by: 'bob' };

  it('C2 question: text → the agent goes on with the answer', async () => {
    const session = await asking({ question: 'Which colour?' }, 'Blue it is.');
    const request = await one(session);
    expect(request).toMatchObject({ kind: 'question', tool: 'ask_user', state: 'waiting' });
    expect(await refusal(h.runtime.inbox.approve(request.id, bob))).toBe('Request.Invalid');
    expect(await refusal(h.runtime.inbox.answer(request.id, '', bob))).toBe('Request.Invalid');
    expect(await refusal(h.runtime.inbox.answer(request.id, 7, bob))).toBe('Request.Invalid');
    await h.runtime.inbox.answer(request.id, 'blue \ud83d', bob);
    expect(await toldTo(session)).toBe('blue \ufffd');
    expect(await refusal(h.runtime.inbox.answer(request.id, 'red', bob))).toBe('Request.Decided');
  });

  it('C2 question: a choice → nothing but one of the choices', async () => {
    const session = await asking({ question: 'Ship it?', choices: ['yes', 'no'] }, 'Shipped.');
    const { id } = await one(session);
    expect(await refusal(h.runtime.inbox.answer(id, 'perhaps', bob))).toBe('Request.Invalid');
    await h.runtime.inbox.answer(id, 'yes', bob);
    expect(await toldTo(session)).toBe('yes');
  });

  it('C2 question: a form → an object with its fields, checked', async () => {
    const form = { name: 'text', guests: 'number', vegan: 'boolean' };
    const session = await asking({ question: 'For the table:', form }, 'Booked.');
    const { id } = await one(session);
    for (const wrong of ['x', {}, { name: 'A', guests: '2', vegan: true }]) {
      expect(await refusal(h.runtime.inbox.answer(id, wrong, bob))).toBe('Request.Invalid');
    }
    const answer = { name: 'Ada', guests: 2, vegan: true };
    await h.runtime.inbox.answer(id, answer, bob);
    expect(JSON.parse(await toldTo(session))).toEqual(answer);
  });

  it('C2 question: declined → the agent is told, and goes on', async () => {
    const session = await asking({ question: 'What is the password?' }, 'Then not.');
    await h.runtime.inbox.decline((await one(session)).id, { ...bob, reason: 'never' });
    expect(await toldTo(session)).toContain('never');
  });

  it('C2 question: other messages meanwhile steer the turn or wait; the answer is not lost', async () => {
    const session = await asking({ question: 'Which colour?' }, 'Green.', 'Hello.');
    const { id } = await one(session);
    await session.send('hello?');
    await h.runtime.inbox.answer(id, 'green', bob);
    await eventually(
      () => session.record(),
      (record) => record?.state === 'idle' && record.turns === 2,
    );
  });
});
