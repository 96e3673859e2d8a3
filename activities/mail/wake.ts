/** Wakes couriers from activities. */
import { COURIER_SIGNAL, COURIER_WORKFLOW, courierIdOf } from '../../src/contracts/mail.js';
import type { ActivityDeps } from '../deps.js';

export function courierWaker(
  { signals }: Pick<ActivityDeps, 'signals'>,
  tenant: string,
): (shard: number) => Promise<void> {
  return (shard) => {
    const input = { tenant, shard };
    return signals.wake(COURIER_WORKFLOW, courierIdOf(input), COURIER_SIGNAL, input);
  };
}
