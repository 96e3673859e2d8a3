/** Many sessions at once: turns per second of one worker, and the memory that idle ones hold. */
import type { Environment } from './environment.js';
import type { BenchProcess } from './child.js';
import { messageOf, startPerdura } from './conversations.js';
import { timed } from './statistics.js';

export interface Concurrent {
  readonly sessions: number;
  readonly turnsPerSecond: number;
}

/** All sessions talk at the same time, each waiting for its own answers. */
export async function measureConcurrent(
  environment: Environment,
  { sessions, turns }: { sessions: number; turns: number },
): Promise<Concurrent> {
  const conversations = await Promise.all(
    Array.from({ length: sessions }, () => startPerdura(environment)),
  );
  const ms = await timed(() =>
    Promise.all(
      conversations.map(async (conversation) => {
        for (let turn = 1; turn <= turns; turn++) await conversation.turn(messageOf(turn));
      }),
    ),
  );
  await Promise.all(conversations.map((each) => each.end()));
  return { sessions, turnsPerSecond: (sessions * turns * 1000) / ms };
}

export interface IdleMemory {
  readonly sessions: number;
  /** Growth of the worker process, all threads included. */
  readonly perIdleSessionKB: number;
  /** Growth of the JavaScript heap of its main thread, where the transcripts are cached. */
  readonly heapPerIdleSessionKB: number;
}

/** A worker of its own, warmed up; then so many sessions have one turn each and stay idle. */
export async function measureIdleMemory(
  environment: Environment,
  sessions: number,
): Promise<IdleMemory> {
  const queue = `${environment.queues.perdura}-idle`;
  const runtime = await environment.runtimeOn(queue);
  const worker = await environment.startWorker('perdura', queue);
  await idle(runtime, WARM_UP);
  const before = await settled(worker);
  await idle(runtime, sessions);
  const after = await settled(worker);
  await worker.stop();
  return {
    sessions,
    perIdleSessionKB: (after.rssKB - before.rssKB) / sessions,
    heapPerIdleSessionKB: (after.heapKB - before.heapKB) / sessions,
  };
}

/** Sessions that pay for what is loaded and compiled once. */
const WARM_UP = 50;
const AT_ONCE = 10;

async function idle(runtime: Environment['runtime'], count: number): Promise<void> {
  let left = count;
  const one = async () => {
    while (left-- > 0) {
      const conversation = await startPerdura({ runtime });
      await conversation.turn(messageOf(1));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

/** The lowest of a few looks, since garbage is collected when V8 likes. */
export async function settled(worker: BenchProcess) {
  const looks = [];
  for (let look = 0; look < 3; look++) {
    looks.push(await worker.usage(true));
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  return {
    rssKB: Math.min(...looks.map(({ rssKB }) => rssKB)),
    heapKB: Math.min(...looks.map(({ heapKB }) => heapKB)),
  };
}
