/** Whether another attempt at a step may begin, by what is on record of the earlier ones. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { admitAttempt } from '../../../activities/session/attempt-limits.js';
import type { Execution } from '../../../activities/execution.js';
import { NO_USAGE } from '../../../src/contracts/message.js';
import { AttemptLog } from '../../../src/store/attempts.js';
import { openDatabase, type Database } from '../../../src/store/database.js';
import { migrate } from '../../../src/store/migrate.js';
import { TranscriptStore, type AttemptRecord } from '../../../src/store/transcript-store.js';

type Outcome = AttemptRecord['outcome'];
const ERROR = { message: 'x' };

describe('attempts', () => {
  let database: Database;
  let store: TranscriptStore;
  let attempts: AttemptLog;
  beforeAll(async () => {
    await migrate(inject('databaseUrl'));
    database = openDatabase(inject('databaseUrl'), { maxConnections: 2 });
    store = new TranscriptStore(database);
    attempts = new AttemptLog(database);
  });
  afterAll(() => database.close());

  /** A session in a step of its first turn, before another attempt at it. */
  const session = async () => {
    const key = { tenant: 'limits', session: randomUUID() };
    const place = { ...key, transcript: key.session, run: randomUUID() };
    await store.openSession({ ...place, workflowId: key.session, agent: 'a' });
    let attempt = 1;
    const write = (record: object) =>
      store.append(
        { ...place, stage: 1, head: 0 },
        { channel: 'c', attempt: record as AttemptRecord },
      );
    return {
      /** An attempt with its bill, millionths of a USD. */
      async made(
        outcome: Outcome,
        costMicros: number,
        more: { step?: number; failure?: string } = {},
      ) {
        const { step = 1, failure } = more;
        const usage = { ...NO_USAGE, input: 10, output: 1, costMicros };
        const record = { kind: 'model', turn: 1, step, attempt: attempt++, model: 'm', usage };
        await write({ ...record, outcome: 'running' });
        if (outcome === 'running') return;
        await write({
          ...record,
          outcome,
          ...(failure ? { failure: { type: failure, ...ERROR } } : {}),
        });
      },
      next(left?: { ms: number; costMicros?: number }, elapsedMs = 0, step = 1) {
        const execution = { key, run: place.run, attempt, elapsedMs: () => elapsedMs };
        return admitAttempt({ attempts, maxModelAttempts: 2 }, execution as unknown as Execution, {
          stage: 1,
          step,
          ...(left ? { left } : {}),
        });
      },
    };
  };

  it('attempt: the first one → asks nothing of the store', async () => {
    const { next } = await session();
    expect(await next({ ms: 0, costMicros: 0 })).toEqual({ usage: NO_USAGE });
  });

  it('attempt: after others → what all of its step have cost, those that died included', async () => {
    const { made, next } = await session();
    await made('completed', 1_000);
    await made('failed', 20, { step: 2, failure: 'Model.StreamCut' });
    await made('running', 3, { step: 2 });
    expect(await next(undefined, 0, 2)).toMatchObject({ usage: { costMicros: 23, input: 20 } });
  });

  it('attempt: the cost of its activity has reached what was left → Turn.CostLimit', async () => {
    const { made, next } = await session();
    await made('completed', 1_000);
    await made('running', 500, { step: 2 });
    await expect(next({ ms: 1e6, costMicros: 1_500 }, 0, 2)).rejects.toMatchObject({
      type: 'Turn.CostLimit',
    });
    await expect(next({ ms: 1e6, costMicros: 1_501 }, 0, 2)).resolves.toBeDefined();
    await expect(next({ ms: 1e6 }, 0, 2)).resolves.toBeDefined();
  });

  it('attempt: begins when the time that was left is over → Turn.TimeLimit', async () => {
    const { made, next } = await session();
    await made('failed', 0, { failure: 'Model.DeadlineExceeded' });
    await expect(next({ ms: 1_000 }, 999)).resolves.toBeDefined();
    await expect(next({ ms: 1_000 }, 1_000)).rejects.toMatchObject({ type: 'Turn.TimeLimit' });
    await expect(next(undefined, 1e9)).resolves.toBeDefined();
  });

  it('attempt: four were lost with their workers, two may fail → Worker.Lost, not tried again', async () => {
    const { made, next } = await session();
    await made('running', 1);
    await made('running', 1);
    await made('failed', 1, { failure: 'Worker.Lost' });
    await expect(next()).resolves.toBeDefined();
    await made('running', 1);
    await expect(next()).rejects.toMatchObject({ type: 'Worker.Lost', nonRetryable: true });
    // Of another step they say nothing.
    await expect(next(undefined, 0, 2)).resolves.toBeDefined();
  });

  it('attempt: workers were stopped in order, ever again → none is counted', async () => {
    const { made, next } = await session();
    for (let i = 0; i < 20; i++) await made('failed', 1, { failure: 'Worker.Shutdown' });
    await expect(next()).resolves.toMatchObject({ usage: { costMicros: 20 } });
  });
});
