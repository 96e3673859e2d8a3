/** Pools of agents, and those that work and wait in one. Pure. */
import type { PoolMember, PoolRecord } from '../../store/pool-store.js';
import { oneLine } from './clean.js';
import type { Style } from './style.js';
import { table } from './table.js';
import { ago, plural } from './units.js';

export function poolsText(pools: readonly PoolRecord[], style: Style): string {
  if (pools.length === 0) return 'There are no pools.\n';
  const head = ['POOL', 'AT WORK', 'MAX', 'PER TENANT', 'WAITING', 'FROM'].map(style.dim);
  const rows = pools.map(({ name, atWork, maxAtWork, maxPerTenant, waiting, declared }) => [
    name,
    String(atWork),
    String(maxAtWork),
    maxPerTenant === undefined ? '–' : String(maxPerTenant),
    String(waiting),
    declared ? 'configuration' : 'run time',
  ]);
  return table([head, ...rows]);
}

/** `now` in ms since the epoch. */
export function poolText(
  pool: PoolRecord,
  agents: { readonly working: readonly PoolMember[]; readonly waiting: readonly PoolMember[] },
  style: Style,
  now: number,
): string {
  const tenants = [
    ['TENANT', 'AT WORK', 'MAX', 'WAITING', 'SLOTS GIVEN'].map(style.dim),
    ...pool.byTenant.map(({ tenant, atWork, max, waiting, grants }) => [
      oneLine(tenant, 40),
      String(atWork),
      String(max),
      String(waiting),
      String(grants),
    ]),
  ];
  const members = [
    ['PLACE', 'SESSION', 'TENANT', 'AGENT', 'TURN', 'PRIORITY', 'SINCE', 'WHY'].map(style.dim),
    ...[...agents.working, ...agents.waiting].map((member) => [
      member.position === undefined ? 'at work' : String(member.position),
      oneLine(member.session, 40),
      oneLine(member.tenant, 24),
      oneLine(member.agent, 24),
      String(member.turn),
      String(member.priority),
      ago(member.since, now),
      member.reason ?? '',
    ]),
  ];
  const { name, atWork, maxAtWork, waiting } = pool;
  const parts = [
    `${style.bold(name)} ${style.dim(`· ${atWork} of ${maxAtWork} at work · ${waiting} waiting`)}\n`,
  ];
  if (pool.byTenant.length > 0) parts.push(table(tenants));
  if (members.length > 1) parts.push(table(members));
  const shown = members.length - 1;
  const hidden = atWork + waiting - shown;
  if (hidden > 0) {
    parts.push(style.dim(`${plural(hidden, 'agent')} not shown: --all-tenants, --limit\n`));
  }
  return parts.join('\n');
}
