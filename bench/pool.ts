/**
 * A pool: many sessions that all want to work, of which a few may. Turns per second of one worker
 * beside the same without a pool, and the memory of sessions that wait.
 */
import { randomBytes } from 'node:crypto';
import { messageOf } from './conversations.js';
import type { Environment } from './environment.js';
import { settled } from './many-sessions.js';
import { timed } from './statistics.js';

export interface PoolResults {
  readonly sessions: number;
  /** Agents at work at once. */
  readonly maxAtWork: number;
  /** From the moment when the pool opens until all have had their turn. */
  readonly turnsPerSecond: number;
  /** Until all sessions are in line, by the time of one. */
  readonly queuedPerSecond: number;
  /** Growth of the worker process by sessions that wait, all threads included. */
  readonly perWaitingSessionKB: number;
  /** Growth of the JavaScript heap of its main thread. */
  readonly heapPerWaitingSessionKB: number;
}

/** Sessions that pay for what is loaded and compiled once. */
const WARM_UP = 50;
const AT_ONCE = 20;
/** Between two looks at the pool, ms. */
const LOOK_MS = 50;

export async function measurePool(
  environment: Environment,
  { sessions, maxAtWork }: { sessions: number; maxAtWork: number },
): Promise<PoolResults> {
  const queue = `${environment.queues.perdura}-pool`;
  const runtime = await environment.runtimeOn(queue);
  const name = `bench-${randomBytes(4).toString('hex')}`;
  const pool = await runtime.createPool(name, { maxAtWork: 0 });
  const worker = await environment.startWorker('perdura', queue, { BENCH_POOL: name });
  const until = async (done: (status: { waiting: number; atWork: number }) => boolean) => {
    while (!done(await pool.status())) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  };
  const line = async (count: number) => {
    let left = count;
    const one = async () => {
      while (left-- > 0) await runtime.start({ agent: 'pooled', message: messageOf(1) });
    };
    await Promise.all(Array.from({ length: AT_ONCE }, one));
    await until(({ waiting }) => waiting === count);
  };
  const run = async () => {
    await pool.setLimits({ maxAtWork });
    await until(({ waiting, atWork }) => waiting + atWork === 0);
    await pool.setLimits({ maxAtWork: 0 });
  };

  await line(WARM_UP);
  await run();
  const before = await settled(worker);
  const queuedMs = await timed(() => line(sessions));
  const after = await settled(worker);
  const ms = await timed(run);
  await worker.stop();
  return {
    sessions,
    maxAtWork,
    turnsPerSecond: (sessions * 1_000) / ms,
    queuedPerSecond: (sessions * 1_000) / queuedMs,
    perWaitingSessionKB: (after.rssKB - before.rssKB) / sessions,
    heapPerWaitingSessionKB: (after.heapKB - before.heapKB) / sessions,
  };
}
