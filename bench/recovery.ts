/**
 * A worker dies in the middle of an answer: how long until a reader hears the next attempt
 * speak. The second worker is up before the first is killed, and nobody restarts anything.
 */
import type { Environment } from './environment.js';
import { median, nowMs } from './statistics.js';

/** Median of the rounds, ms, from SIGKILL to the first word of the next attempt. */
export async function measureRecovery(environment: Environment, rounds: number): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) times.push(await kill(environment, round));
  return median(times);
}

async function kill(environment: Environment, round: number): Promise<number> {
  const queue = `${environment.queues.perdura}-kill-${round}`;
  const runtime = await environment.runtimeOn(queue);
  // Alone, so that it is this one that speaks.
  const speaker = await environment.startWorker('perdura', queue);
  const session = await runtime.start({ agent: 'assistant', message: '@slow' });
  let killedAt = 0;
  for await (const item of session.events()) {
    if (item.type !== 'delta') continue;
    if (item.attempt === 1 && killedAt === 0) {
      await environment.startWorker('perdura', queue);
      killedAt = nowMs();
      speaker.kill();
    } else if (item.attempt > 1) break;
  }
  const took = nowMs() - killedAt;
  await session.end();
  return took;
}
