/**
 * A message to many: from handing it over to the last session having it, by one worker. The sessions
 * are paused, so that no turn of theirs is measured.
 */
import type { Environment } from './environment.js';
import { timed } from './statistics.js';

export interface Broadcast {
  readonly receivers: number;
  /** Deliveries a second, the median of the rounds. */
  readonly perSecond: number;
}

const AT_ONCE = 10;

export async function measureBroadcast(
  { runtime }: Pick<Environment, 'runtime'>,
  { receivers, rounds }: { receivers: number; rounds: number },
): Promise<Broadcast> {
  const names = Array.from({ length: receivers }, (_, i) => `broadcast-${i}`);
  const queue = [...names];
  const open = async () => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      await (await runtime.start({ session: name })).pause();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, open));
  await runtime.groups.create({ name: 'broadcast', members: names });
  const rates: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const ms = await timed(async () => {
      const { id } = await runtime.groups.send('broadcast', { text: `round ${round}` });
      for (;;) {
        const { counts } = await runtime.messages.deliveries(id, { limit: 1 });
        if (counts.delivered === receivers) return;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    });
    rates.push((receivers * 1_000) / ms);
  }
  await runtime.groups.delete('broadcast');
  await Promise.all(names.map((name) => runtime.session(name).end()));
  return { receivers, perSecond: rates.sort((a, b) => a - b)[Math.floor(rounds / 2)]! };
}
