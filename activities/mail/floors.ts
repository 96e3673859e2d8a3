/** A member of groups that cannot speak: the floor of each goes to the next. */
import type { SessionKey } from '../../src/contracts/ids.js';
import type { ActivityDeps } from '../deps.js';
import { courierWaker } from './wake.js';

type FloorDeps = Pick<ActivityDeps, 'groups' | 'signals'>;

/** In these groups, by their ids. */
export async function passFloors(
  deps: FloorDeps,
  { tenant, session }: SessionKey,
  groups: readonly string[],
): Promise<void> {
  const wake = courierWaker(deps, tenant);
  for (const group of groups) {
    for (const shard of await deps.groups.passFloor(tenant, group, session)) await wake(shard);
  }
}

/** The session has ended. */
export async function leaveFloors(deps: FloorDeps, key: SessionKey): Promise<void> {
  const wake = courierWaker(deps, key.tenant);
  for (const shard of new Set(await deps.groups.sessionEnded(key))) await wake(shard);
}
