import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HANDLERS, type Answer } from '../../../src/contracts/session.js';
import type { Session } from '../../../src/client/session.js';
import { Harness } from '../../support/harness.js';
import { eventually, runsOf, saidTexts, userTexts } from '../../support/observe.js';

/** The update `ask` itself, asked again where the session says so. */
async function askUpdate(of: Harness, session: Session, message: object): Promise<Answer> {
  const handle = of.runtime.temporal.workflow.getHandle(session.workflowId);
  for (;;) {
    try {
      return await handle.executeUpdate<Answer, [unknown]>(HANDLERS.ask, { args: [message] });
    } catch (error) {
      const { type } = (error as { cause?: { type?: string } }).cause ?? {};
      if (type !== 'Session.ContinuedAsNew') throw error;
    }
  }
}

/** Sends so many other messages that the runs to come carry other ids than the first ones. */
async function forget(of: Harness, session: Session): Promise<void> {
  const handle = of.runtime.temporal.workflow.getHandle(session.workflowId);
  const before = userTexts(await session.transcript()).length;
  const lanes = Array.from({ length: 10 }, async (_, lane) => {
    for (let i = 0; i < 51; i++) await handle.signal(HANDLERS.message, `filler ${lane}.${i}`);
  });
  await Promise.all(lanes);
  await eventually(async () => userTexts(await session.transcript()).length === before + 510);
  const { runs } = await session.status();
  while ((await session.status()).runs < runs + 2) await session.ask('go on');
}

const answered = (session: Session, count: number) =>
  eventually(async () => saidTexts(await session.transcript()).length >= count);

describe('messages', () => {
  let h: Harness;
  let short: Harness;
  beforeAll(async () => {
    h = await Harness.start();
    // Continues as new after every few turns.
    short = await Harness.start({ settings: { historyLimit: 60 } });
    for (const { model } of [h, short]) model.reply(/^/, (r) => `re: ${r.lastUserText}`);
  });
  afterAll(() => Promise.all([h.stop(), short.stop()]));

  const raw = (of: Harness, session: Session) =>
    of.runtime.temporal.workflow.getHandle(session.workflowId);

  it('message: by signal, then by update, before a worker sees the session → in that order', async () => {
    const late = await Harness.start({ start: false });
    late.model.reply(/^/, 'ok');
    const session = await late.runtime.start();
    await raw(late, session).signal(HANDLERS.message, 'first');
    const sent = session.send({ id: 'second', text: 'second' });
    await late.startWorker();
    await sent;
    await session.answerTo('second');
    expect(userTexts(await session.transcript())).toEqual(['first', 'second']);
    await late.stop();
  });

  it('F7 message: the same id sent twice → one entry, the second answer says so', async () => {
    const session = await h.runtime.start();
    const first = await session.send({ id: 'same', text: 'one' });
    // Another update id: Temporal itself must not be what recognises it.
    const again = await raw(h, session).executeUpdate(HANDLERS.send, {
      args: [{ id: 'same', text: 'one' }],
    });
    expect(first).toMatchObject({ id: 'same', duplicate: false });
    expect(again).toMatchObject({ id: 'same', duplicate: true });
    await session.ask('two');
    expect(userTexts(await session.transcript())).toEqual(['one', 'two']);
  });

  it('F7 message: the same id by signal, update and start → one entry', async () => {
    const name = `s-${randomUUID()}`;
    const session = await h.runtime.start({ session: name, message: { id: 'm', text: 'one' } });
    await raw(h, session).signal(HANDLERS.message, { id: 'm', text: 'one' });
    await h.runtime.start({ session: name, message: { id: 'm', text: 'one' } });
    await raw(h, session).signal(HANDLERS.message, { id: 'm', text: 'one' });
    await session.ask('two');
    expect(userTexts(await session.transcript())).toEqual(['one', 'two']);
    expect(h.model.exhausted).toEqual([]);
  });

  it('F7 message: the same id after continue-as-new → recognised, the same answer', async () => {
    const session = await short.runtime.start();
    const first = await session.ask({ id: 'same', text: 'one' });
    const more = Array.from({ length: 8 }, (_, i) => `more ${i}`);
    for (const text of more) await session.ask(text);
    await eventually(async () => (await session.status()).runs > 1);
    expect(await session.send({ id: 'same', text: 'one' })).toMatchObject({ duplicate: true });
    expect(await session.ask({ id: 'same', text: 'one' })).toEqual(first);
    expect(userTexts(await session.transcript())).toEqual(['one', ...more]);
  });

  it('F7 message: an id that the workflow has forgotten → the store knows it, no turn, no trace', async () => {
    const session = await short.runtime.start();
    const first = await session.ask({ id: 'old', text: 'one' });
    await forget(short, session);
    const before = await session.record();
    const asked = await askUpdate(short, session, { id: 'old', text: 'one' });
    expect(asked).toMatchObject({ turn: first.turn, text: first.text });
    expect(await session.ask({ id: 'old', text: 'one' })).toEqual(first);
    const record = await session.record();
    expect(record).toMatchObject({ state: 'idle', turns: before!.turns, head: before!.head });
    await eventually(async () => (await session.status()).state === 'idle');
    const next = await session.ask('next');
    expect(next.turn).toBe(before!.turns + 1);
    const texts = userTexts(await session.transcript());
    expect(texts.filter((text) => text === 'one')).toHaveLength(1);
    expect(texts.at(-1)).toBe('next');
    const { turns } = await session.timeline();
    expect(turns.filter(({ outcome }) => outcome !== 'completed')).toEqual([]);
  });

  it('F7 message: an old id and a new one in one turn → the new one alone, each asker has its own answer', async () => {
    const session = await short.runtime.start({ message: { id: 'old', text: 'one' } });
    await answered(session, 1);
    await forget(short, session);
    await session.pause();
    const both = Promise.all([
      askUpdate(short, session, { id: 'old', text: 'one' }),
      askUpdate(short, session, { id: 'new', text: 'new' }),
    ]);
    await eventually(async () => (await session.status()).queued === 2);
    await session.resume();
    const [old, fresh] = await both;
    expect(old).toMatchObject({ turn: 1, text: 're: one' });
    expect(fresh.text).toBe('re: new');
    expect(userTexts(await session.transcript()).slice(-2)).toEqual(['go on', 'new']);
  });

  it('F8 send: repeated because its reply was lost → one entry, and the repetition says so', async () => {
    const session = await h.runtime.start();
    const message = { id: randomUUID(), text: 'once' };
    const receipts = await Promise.all([1, 2, 3].map(() => session.send(message)));
    expect(receipts.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    await session.ask('end');
    expect(userTexts(await session.transcript())).toEqual(['once', 'end']);
  });

  it('message: an id that another text had → Message.Conflict, by signal an event; nothing is lost without a word', async () => {
    const session = await h.runtime.start({ message: { id: 'one', text: 'first' } });
    await session.answerTo('one');
    await expect(session.send({ id: 'one', text: 'second' })).rejects.toMatchObject({
      type: 'Message.Conflict',
      message: expect.stringContaining('"one"') as string,
    });
    await raw(h, session).signal(HANDLERS.message, { id: 'one', text: 'third' });
    for await (const item of session.events()) {
      if (item.type !== 'message.refused') continue;
      expect(item).toMatchObject({ id: 'one', reason: expect.stringContaining('another text') });
      break;
    }
    expect(userTexts(await session.transcript())).toEqual(['first']);
  });

  it('F9 message: sent while the session ends → in the transcript, or refused; never neither', async () => {
    for (let round = 0; round < 5; round++) {
      const session = await h.runtime.start({ message: 'first' });
      const sends = Array.from({ length: 8 }, (_, i) => `m${i}`).map((text) =>
        session.send(text).then(
          () => text,
          (error: { type?: string }) => {
            expect(error.type).toBe('Session.Closed');
            return undefined;
          },
        ),
      );
      const end = session.end('done');
      const accepted = (await Promise.all(sends)).filter((text) => text !== undefined);
      await end;
      await eventually(async () => (await session.record())?.state === 'terminated');
      await raw(h, session).result();
      const texts = userTexts(await session.transcript());
      expect(texts.slice(1).sort()).toEqual(accepted.sort());
    }
  });

  it('F9 message: asked, and the session ends before its turn → Session.Closed, the message is kept', async () => {
    const session = await h.runtime.start({ message: 'first' });
    await answered(session, 1);
    await session.pause();
    const asking = session.ask('late').catch((error: { type: string }) => error.type);
    await eventually(async () => (await session.status()).queued === 1);
    await session.end();
    expect(await asking).toBe('Session.Closed');
    expect(userTexts(await session.transcript())).toEqual(['first', 'late']);
    // Also when it is asked for afterwards.
    const [, late] = await session
      .transcript()
      .then((rows) => rows.filter((r) => r.message.role === 'user'));
    const id = late!.message.role === 'user' ? late!.message.id : '';
    await expect(session.answerTo(id)).rejects.toMatchObject({ type: 'Session.Closed' });
  });

  it('F9 message: sent while the session continues as new → every one, once, in order', async () => {
    const session = await short.runtime.start();
    const texts = Array.from({ length: 80 }, (_, i) => `m${i}`);
    for (const text of texts) await session.send(text);
    await eventually(async () => (await session.status()).queued === 0);
    await session.ask('end');
    expect(userTexts(await session.transcript())).toEqual([...texts, 'end']);
    expect((await runsOf(short, session.workflowId)).length).toBeGreaterThan(3);
  });

  it('F10 update: after the end → Session.Closed', async () => {
    const session = await h.runtime.start({ message: 'hello' });
    await session.end();
    await raw(h, session).result();
    const late = [
      () => session.send('x'),
      () => session.ask('x'),
      () => session.interrupt(),
      () => session.pause(),
    ];
    for (const call of late) await expect(call()).rejects.toMatchObject({ type: 'Session.Closed' });
    await expect(h.runtime.start({ session: session.id })).rejects.toMatchObject({
      type: 'Session.Closed',
    });
    await expect(h.runtime.session('never').send('x')).rejects.toMatchObject({
      type: 'Session.NotFound',
    });
  });

  it('F10 update: asked by Temporal, then continue-as-new → answered, or told to ask again and then answered', async () => {
    const session = await short.runtime.start();
    for (let i = 0; i < 12; i++) {
      const message = { id: `m${i}`, text: `m${i}` };
      expect(await askUpdate(short, session, message)).toMatchObject({ text: `re: m${i}` });
    }
    expect(userTexts(await session.transcript())).toHaveLength(12);
  });

  it('F11 update: 30 at once → every one accepted, once', async () => {
    const session = await h.runtime.start();
    const texts = Array.from({ length: 30 }, (_, i) => `m${i}`);
    const receipts = await Promise.all(texts.map((text) => session.send(text)));
    expect(receipts.every(({ duplicate }) => !duplicate)).toBe(true);
    await session.ask('end');
    const got = userTexts(await session.transcript());
    expect(got.slice(0, 30).sort()).toEqual(texts.sort());
    expect(got).toHaveLength(31);
  });
});
