/**
 * What a sub-agent costs in time: a turn that gives a task to one, over a turn that calls a local tool
 * instead. Both make two model calls in the session that asks; the sub-agent makes one more, which the
 * model answers at once. Taken in turns, in one session.
 */
import type { Environment } from './environment.js';
import { median, nowMs } from './statistics.js';

export interface SubAgentResult {
  readonly withMs: number;
  readonly withoutMs: number;
  readonly overheadMs: number;
}

export async function measureSubAgent(
  { runtime }: Pick<Environment, 'runtime'>,
  rounds: number,
): Promise<SubAgentResult> {
  const session = await runtime.start({ agent: 'lead' });
  const times = { delegate: [] as number[], alone: [] as number[] };
  const turn = async (text: string): Promise<number> => {
    const from = nowMs();
    await session.ask(text);
    return nowMs() - from;
  };
  for (let round = 0; round < rounds; round++) {
    times.alone.push(await turn(`What is 40 and 2? (${round})`));
    times.delegate.push(await turn(`@delegate what is 40 and 2? (${round})`));
  }
  const below = await session.below();
  await session.end();
  if (below.length !== rounds) throw new Error(`${below.length} sub-agents of ${rounds} began.`);
  // The first of each opens connections and fills caches.
  const [withMs, withoutMs] = [median(times.delegate.slice(1)), median(times.alone.slice(1))];
  return { withMs, withoutMs, overheadMs: withMs - withoutMs };
}
