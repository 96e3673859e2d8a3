import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { TranscriptMessage } from '../../../src/contracts/message.js';
import { EventLog } from '../../../src/store/event-log.js';
import { migrate } from '../../../src/store/migrate.js';
import { openDatabase, type Database } from '../../../src/store/database.js';
import { TranscriptStore, type Writer } from '../../../src/store/transcript-store.js';

const user = (id: string): TranscriptMessage => ({ role: 'user', id, text: `text of ${id}` });
const write = fc.record({
  run: fc.nat(2),
  /** How far from the newest stage of the model: late, the same, or the next ones. */
  stage: fc.integer({ min: -2, max: 2 }),
  /** How far back the head is that the writer knows. */
  back: fc.nat(2),
  count: fc.nat(3),
  /** Some ids come again. */
  ids: fc.array(fc.nat(12), { minLength: 3, maxLength: 3 }),
  note: fc.boolean(),
});

/** What `perdura.append` promises, in a few lines and without a database. */
class Oracle {
  run = 0;
  readonly seen = new Set([0]);
  stage = -1;
  rows = new Map<number, { key: string; id: string }>();
  events: string[] = [];
  keys = new Set<string>();
  epoch = 1;

  append(
    run: number,
    stage: number | undefined,
    head: number,
    messages: { seq: number; id: string; key: string }[],
  ) {
    if (run !== this.run) {
      if (this.seen.has(run)) return 'fenced';
      this.seen.add(run);
      this.run = run;
      this.stage = -1;
      this.epoch += 1;
    } else if (stage !== undefined && stage < this.stage) return 'fenced';
    if (stage !== undefined && stage > this.stage) {
      this.stage = stage;
      for (const [seq, row] of this.rows) {
        const again = messages.some((m) => m.seq === seq && m.key === row.key);
        if (seq > head && !again) this.rows.delete(seq);
      }
    }
    const duplicates: string[] = [];
    for (const { seq, id, key } of messages) {
      const there = this.rows.get(seq);
      if (there) {
        if (there.key !== key) return 'conflict';
      } else if ([...this.rows.values()].some((row) => row.id === id)) duplicates.push(id);
      else this.rows.set(seq, { key, id });
    }
    for (const { id } of messages) {
      const key = `${this.epoch}:m${id}`;
      if (duplicates.includes(id) || this.keys.has(key)) continue;
      this.keys.add(key);
      this.events.push(id);
    }
    return duplicates;
  }

  get head(): number {
    return Math.max(0, ...this.rows.keys());
  }
}

describe('append', () => {
  let database: Database;
  let store: TranscriptStore;
  beforeAll(async () => {
    await migrate(inject('databaseUrl'));
    database = openDatabase(inject('databaseUrl'), { maxConnections: 4 });
    store = new TranscriptStore(database);
  });
  afterAll(() => database.close());

  const open = async () => {
    const session = `p${randomUUID()}`;
    const key = { tenant: 'append', session, transcript: session };
    await store.openSession({ ...key, run: 'run0', workflowId: session, agent: 'a' });
    return key;
  };
  const messagesOf = (head: number, ids: readonly string[]) =>
    ids.map((id, i) => ({
      seq: head + 1 + i,
      key: `m${id}`,
      turn: 1,
      step: 0,
      attempt: 1,
      messageId: id,
      body: user(id),
    }));
  const eventsOf = (head: number, ids: readonly string[]) =>
    ids.map((id, i) => ({
      key: `m${id}`,
      seq: head + 1 + i,
      messageId: id,
      body: { type: 'message.accepted' as const, id, seq: head + 1 + i, turn: 1, text: '' },
    }));

  describe('rollback', () => {
    const CHANNEL = 'none';
    /** Two turns; the second is rolled back with a message that no step had written. */
    const rolledBack = async () => {
      const key = await open();
      const writer = (stage: number, head: number): Writer => ({
        ...key,
        run: 'run0',
        stage,
        head,
      });
      await store.append(writer(1, 0), {
        channel: CHANNEL,
        messages: messagesOf(0, ['a']),
        events: eventsOf(0, ['a']),
      });
      await store.append(writer(2, 1), {
        channel: CHANNEL,
        messages: messagesOf(1, ['b', 'c']),
        events: eventsOf(1, ['b', 'c']),
      });
      const forget = () =>
        store.append(writer(3, 4), {
          channel: CHANNEL,
          messages: messagesOf(3, ['d']),
          events: eventsOf(3, ['d']),
          rollback: { after: 1 },
        });
      const first = await forget();
      return { key, writer, forget, first };
    };
    const idsOf = (rows: readonly { readonly message: TranscriptMessage }[]) =>
      rows.map(({ message }) => (message.role === 'user' ? message.id : message.role));

    it('P5 rollback: behind a place → left out of reads, kept with its mark; events and ids stay', async () => {
      const { key, first } = await rolledBack();
      expect(idsOf(await store.read('append', key.transcript))).toEqual(['a']);
      const all = await store.read('append', key.transcript, { rolledBack: true });
      expect(all.map(({ seq, rolledBack }) => [seq, rolledBack])).toEqual([
        [1, undefined],
        [2, true],
        [3, true],
        [4, true],
      ]);
      const events = new EventLog(database);
      expect((await events.read(key)).map((event) => 'text' in event && event.text)).toEqual(
        ['a', 'b', 'c', 'd'].map((id) => `text of ${id}`),
      );
      expect(await events.findMessage(key, 'b')).toMatchObject({ turn: 1 });
      expect(first.generation).toBeGreaterThan(0);
    });

    it('P5 rollback: a retry after its commit → the same, nothing is written twice', async () => {
      const { key, forget, first } = await rolledBack();
      const again = await forget();
      expect(again).toMatchObject({ generation: first.generation, newEvents: 0 });
      expect(again.duplicates).toEqual(['d']);
      expect(idsOf(await store.read('append', key.transcript))).toEqual(['a']);
    });

    it('P5 rollback: a message of the turn comes again → a duplicate, with another text a conflict', async () => {
      const { key, writer } = await rolledBack();
      const [again] = messagesOf(4, ['b']);
      const same = await store.append(writer(4, 4), { channel: CHANNEL, messages: [again!] });
      expect(same).toMatchObject({ duplicates: ['b'], conflicts: [] });
      const body = { ...user('b'), text: 'another' } as TranscriptMessage;
      const other = await store.append(writer(5, 4), {
        channel: CHANNEL,
        messages: [{ ...again!, body }],
      });
      expect(other).toMatchObject({ duplicates: ['b'], conflicts: ['b'] });
      expect(idsOf(await store.read('append', key.transcript))).toEqual(['a']);
    });

    it('P5 rollback: the workflow continues as new → it stays; is reset to before it → its messages come in again', async () => {
      const { key } = await rolledBack();
      const next = (run: string, head: number, ids: readonly string[] = []) =>
        store.append(
          { ...key, run, stage: 9, head },
          { channel: CHANNEL, messages: messagesOf(head, ids) },
        );
      expect((await next('run1', 4)).duplicates).toEqual([]);
      expect(await store.read('append', key.transcript, { rolledBack: true })).toHaveLength(4);
      expect((await next('reset', 1, ['b'])).duplicates).toEqual([]);
      expect(idsOf(await store.read('append', key.transcript))).toEqual(['a', 'b']);
    });

    it('P5 rollback: a session without a workflow is opened again → behind all of its places', async () => {
      const { key } = await rolledBack();
      const opened = { ...key, run: 'later', workflowId: key.session, agent: 'a' };
      expect(await store.openSession(opened)).toMatchObject({ new: false, head: 4 });
    });
  });

  it('F21 any writers, late, again and of other runs → what a fence of a few lines would let through', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(write, { minLength: 1, maxLength: 14 }), async (writes) => {
        const key = await open();
        const oracle = new Oracle();
        for (const { run, stage: off, back, count, ids, note } of writes) {
          const stage = note ? undefined : Math.max(0, oracle.stage + off);
          const head = Math.max(0, oracle.head - back);
          const chosen = note ? [] : [...new Set(ids)].slice(0, count).map((id) => `i${id}`);
          const messages = messagesOf(head, chosen);
          const before = structuredClone({ ...oracle, seen: [...oracle.seen] });
          const expected = oracle.append(
            run,
            stage,
            head,
            messages.map(({ seq, messageId, key: place }) => ({ seq, id: messageId, key: place })),
          );
          const writer: Writer = {
            ...key,
            run: `run${run}`,
            head,
            ...(stage === undefined ? {} : { stage }),
          };
          const got = await store
            .append(writer, { channel: 'none', messages, events: eventsOf(head, chosen) })
            .then(
              ({ duplicates }) => [...duplicates],
              (error: { type?: string; code?: string }) =>
                error.type === 'Store.Fenced'
                  ? 'fenced'
                  : error.code === 'PD409'
                    ? 'conflict'
                    : error,
            );
          expect(got).toEqual(expected);
          if (expected === 'conflict') {
            // Nothing of it is kept: neither here.
            Object.assign(oracle, { ...before, seen: new Set(before.seen) });
          }
        }
        const rows = await store.read(key.tenant, key.transcript);
        expect(
          rows.map(({ seq, message }) => [seq, message.role === 'user' && message.id]),
        ).toEqual([...oracle.rows].sort(([a], [b]) => a - b).map(([seq, { id }]) => [seq, id]));
        const events = await new EventLog(database).read(key);
        expect(events.map(({ n }) => n)).toEqual(events.map((_, i) => i + 1));
        expect(events.map((event) => event.type === 'message.accepted' && event.id)).toEqual(
          oracle.events,
        );
        for (const event of events) {
          if (event.type === 'message.accepted') expect(event.text).toBe(`text of ${event.id}`);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('F7 many writers of the same place at once → one is kept, all are told the same', async () => {
    const key = await open();
    const writer: Writer = { ...key, run: 'run0', stage: 1, head: 0 };
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        store.append(writer, {
          channel: 'none',
          messages: [
            {
              seq: 1,
              key: 'a1',
              turn: 1,
              step: 1,
              attempt: i,
              body: { role: 'assistant', id: `${i}`, text: `${i}`, finish: 'stop', model: 'm' },
            },
          ],
          events: [{ key: 's1', body: { type: 'turn.started', turn: 1 } }],
        }),
      ),
    );
    const [row, ...more] = await store.read(key.tenant, key.transcript);
    expect(more).toEqual([]);
    expect(results.filter(({ existing }) => existing.length === 0)).toHaveLength(1);
    for (const { existing } of results) {
      if (existing[0]) expect(existing[0].body).toEqual(row!.message);
    }
    expect(await new EventLog(database).read(key)).toHaveLength(1);
  });

  it('F7 every message of an append is a duplicate → no event, no change of state, where that was asked', async () => {
    const key = await open();
    const writer: Writer = { ...key, run: 'run0', stage: 1, head: 0 };
    await store.append(writer, {
      channel: 'none',
      messages: messagesOf(0, ['a']),
      events: eventsOf(0, ['a']),
    });
    const again = {
      channel: 'none',
      messages: messagesOf(1, ['a']),
      events: [
        { key: 't2', body: { type: 'turn.started' as const, turn: 2 } },
        ...eventsOf(1, ['a']),
      ],
      updates: { state: 'running' as const, turn: 2 },
      onlyIfNew: true as const,
    };
    const { duplicates, lastEvent } = await store.append({ ...writer, stage: 2, head: 1 }, again);
    expect(duplicates).toEqual(['a']);
    expect(lastEvent).toBe(1);
    const { rows } = await database.pool.query(
      'select state, turn from perdura.sessions where session = $1',
      [key.session],
    );
    expect(rows).toEqual([{ state: 'idle', turn: 0 }]);
  });

  it('F1 an attempt that was given up, whose bill comes late → paid once; also when it is fenced', async () => {
    const key = await open();
    const usage = (input: number) => ({
      input,
      output: 1,
      cached: 0,
      reasoning: 0,
      costMicros: input,
    });
    const attempt = (n: number, outcome: 'running' | 'completed', input: number) => ({
      channel: 'none',
      attempt: {
        kind: 'model' as const,
        turn: 1,
        step: 1,
        attempt: n,
        model: 'm',
        outcome,
        usage: usage(input),
      },
    });
    const writer: Writer = { ...key, run: 'run0', stage: 1, head: 0 };
    await store.append(writer, attempt(1, 'running', 100));
    await store.append(writer, attempt(2, 'running', 100));
    await store.append(writer, attempt(2, 'completed', 90));
    const spent = async () => {
      const { rows } = await database.pool.query<{ cost_micros: string }>(
        'select cost_micros from perdura.sessions where session = $1',
        [key.session],
      );
      return Number(rows[0]!.cost_micros);
    };
    expect(await spent()).toBe(190);
    await store.append({ ...writer, stage: 5 }, { channel: 'none' });
    await expect(store.append(writer, attempt(1, 'completed', 95))).rejects.toMatchObject({
      type: 'Store.Fenced',
    });
    expect(await spent()).toBe(185);
  });

  it('F1 state: an attempt that finds the answer of a killed one → the session stays idle', async () => {
    const key = await open();
    const writer: Writer = { ...key, run: 'run0', stage: 1, head: 0 };
    const place = { turn: 1, step: 1, attempt: 1 };
    const taken = { seq: 1, key: 'u1', ...place, messageId: 'u1', body: user('u1') };
    const body: TranscriptMessage = { role: 'user', id: 'said', text: 'as an answer' };
    const taking = {
      channel: 'none',
      messages: [taken],
      updates: { state: 'running', turn: 1 },
      onlyIfNew: true,
    } as const;
    const state = async () => {
      const { rows } = await database.pool.query<{ state: string }>(
        'select state from perdura.sessions where session = $1',
        [key.session],
      );
      return rows[0]!.state;
    };
    const probe = { seq: 2, key: 'a1' };
    await store.append(writer, { ...taking, probe });
    expect(await state()).toBe('running');
    await store.append(writer, {
      channel: 'none',
      messages: [{ seq: 2, key: 'a1', ...place, body }],
      updates: { state: 'idle', head: 2 },
    });
    const { existing } = await store.append(writer, { ...taking, probe });
    expect(existing.map(({ seq }) => seq)).toContain(2);
    expect(await state()).toBe('idle');
  });
});
