/** `perdura pool`: limits of pools, looked at and changed; who works and who waits. */
import type { PoolLimitsChange } from '../../client/agent-pool.js';
import { EXIT, UsageError, type CommandContext } from '../context.js';
import { withRuntime } from '../open-runtime.js';
import { poolText, poolsText } from '../render/pool.js';

export interface PoolLimitOptions {
  readonly max?: string;
  readonly maxPerTenant?: string;
  /** `tenant=count`. */
  readonly tenantMax?: readonly string[];
}

export type CreatePoolOptions = PoolLimitOptions;

export async function listPools(context: CommandContext): Promise<number> {
  const { terminal } = context;
  const pools = await withRuntime(context, (runtime) => runtime.pools());
  terminal.printJson(pools);
  terminal.print(poolsText(pools, terminal.style));
  return EXIT.ok;
}

export async function showPool(
  context: CommandContext,
  name: string,
  options: { readonly limit: string; readonly allTenants?: boolean },
): Promise<number> {
  const { terminal } = context;
  const { allTenants = false } = options;
  const limit = wholeNumber('--limit', options.limit);
  const shown = await withRuntime(context, async (runtime) => {
    const pool = runtime.pool(name);
    const which = { limit, allTenants };
    const [status, working, waiting] = await Promise.all([
      pool.status(),
      pool.working(which),
      pool.waiting(which),
    ]);
    return { ...status, agents: { working, waiting } };
  });
  terminal.printJson(shown);
  terminal.print(poolText(shown, shown.agents, terminal.style, Date.now()));
  return EXIT.ok;
}

export async function createPool(
  context: CommandContext,
  name: string,
  options: CreatePoolOptions,
): Promise<number> {
  const { terminal } = context;
  const { maxAtWork, maxPerTenant, tenants } = limitsOf(options);
  if (maxAtWork === undefined) throw new UsageError('Say how many may be at work: --max 8.');
  const record = await withRuntime(context, async (runtime) => {
    const pool = await runtime.createPool(name, {
      maxAtWork,
      ...(maxPerTenant === undefined || maxPerTenant === null ? {} : { maxPerTenant }),
      ...(tenants === undefined ? {} : { tenants }),
    });
    return pool.status();
  });
  terminal.printJson(record);
  terminal.print(poolsText([record], terminal.style));
  return EXIT.ok;
}

export async function setPool(
  context: CommandContext,
  name: string,
  options: PoolLimitOptions,
): Promise<number> {
  const { terminal } = context;
  const limits = limitsOf(options);
  if (Object.values(limits).every((value) => value === undefined)) {
    throw new UsageError('Say what to change: --max, --max-per-tenant or --tenant-max.');
  }
  const record = await withRuntime(context, (runtime) => runtime.pool(name).setLimits(limits));
  terminal.printJson(record);
  terminal.print(poolsText([record], terminal.style));
  return EXIT.ok;
}

/** Exit code 1 when the agent does not wait there. */
export async function prioritise(
  context: CommandContext,
  name: string,
  session: string,
  priority: string,
): Promise<number> {
  const { terminal } = context;
  const points = /^[+-]?\d{1,5}$/.test(priority) ? Number(priority) : NaN;
  if (Number.isNaN(points)) {
    throw new UsageError(`The priority is "${priority}". Use a whole number.`);
  }
  const moved = await withRuntime(context, (runtime) =>
    runtime.pool(name).prioritise(session, points),
  );
  terminal.printJson({ moved });
  terminal.print(
    moved ? `${session} waits with priority ${points}.\n` : `${session} does not wait there.\n`,
  );
  return moved ? EXIT.ok : EXIT.failed;
}

function limitsOf({ max, maxPerTenant, tenantMax }: PoolLimitOptions): PoolLimitsChange {
  return {
    maxAtWork: max === undefined ? undefined : wholeNumber('--max', max),
    maxPerTenant:
      maxPerTenant === undefined
        ? undefined
        : maxPerTenant === 'none'
          ? null
          : wholeNumber('--max-per-tenant', maxPerTenant),
    tenants: tenantMax === undefined ? undefined : Object.fromEntries(tenantMax.map(tenantLimit)),
  };
}

function tenantLimit(given: string): [tenant: string, most: number] {
  const [, tenant, most] = /^([^=]+)=(.+)$/.exec(given) ?? [];
  if (tenant === undefined || most === undefined) {
    throw new UsageError(`--tenant-max is "${given}". Write <tenant>=<count>.`);
  }
  return [tenant, wholeNumber('--tenant-max', most)];
}

function wholeNumber(name: string, text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new UsageError(`${name} is "${text}". Use a whole number.`);
}
