/**
 * Looks after pools of agents for one worker process: tells workflows of the slots that they were
 * given, and makes up for what nobody else would do. A process that died between a commit and its
 * signal has left a workflow that does not know; one that died at work has left a slot. Another
 * process finds both, with one query every few seconds while a pool has somebody at work or in line.
 */
import type { SessionSignals } from '../activities/deps.js';
import { SLOT_SIGNAL, type Pool, type SlotGrant } from '../src/contracts/pool.js';
import type { ToolLogger } from '../src/contracts/tool.js';
import type { Pools } from '../src/store/stores.js';

/** Between two looks at pools where somebody is at work or waits, ms. */
const BUSY_MS = 2_000;
/** Between two looks at pools where nobody is: those of other processes may have died, ms. */
const QUIET_MS = 15_000;

export class PoolKeeper {
  readonly #signals: Pick<SessionSignals, 'signal'>;
  readonly #log: ToolLogger;
  readonly #names = new Set<string>();
  readonly #telling = new Set<Promise<void>>();
  #pools: Pools | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor({
    signals,
    log,
  }: {
    readonly signals: Pick<SessionSignals, 'signal'>;
    readonly log: ToolLogger;
  }) {
    this.#signals = signals;
    this.#log = log;
  }

  /** Enters the pools of the configuration in the store. Rejects with `Store.Unavailable`. */
  async begin(pools: Pools, declared: readonly Pool[]): Promise<void> {
    this.#pools = pools;
    if (declared.length === 0) return;
    await pools.declare(declared);
    this.watch(declared.map(({ name }) => name));
  }

  /** From now on it looks after these, too. */
  watch(names: readonly string[]): void {
    const before = this.#names.size;
    for (const name of names) this.#names.add(name);
    // Soon: what has just begun is busy.
    if (this.#names.size > before || this.#quiet) this.#look(BUSY_MS);
  }

  /** Tells these workflows of their slots. What fails is told again by a later look. */
  tell(grants: readonly SlotGrant[]): void {
    for (const grant of grants) {
      const telling = this.#tell(grant).catch((error: unknown) => {
        const { tenant, session, pool } = grant;
        this.#log.warn({ tenant, session, pool, error }, 'a slot could not be told, trying again');
      });
      this.#telling.add(telling);
      void telling.finally(() => this.#telling.delete(telling));
    }
  }

  /** Resolves when what was begun has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await Promise.all(this.#telling);
  }

  async #tell(grant: SlotGrant): Promise<void> {
    const { tenant, session, workflowId, stage } = grant;
    const told = await this.#signals.signal({ tenant, session, workflowId }, SLOT_SIGNAL, {
      session,
      stage,
    });
    if (!told && !this.#closed) await this.#pools?.gone(grant);
  }

  /** Whether the next look is one that is far. */
  #quiet = true;

  #look(ms: number): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#quiet = ms === QUIET_MS;
    // Not all processes at the same moment.
    this.#timer = setTimeout(() => void this.#sweep(), ms * (0.75 + Math.random() / 2));
    this.#timer.unref();
  }

  async #sweep(): Promise<void> {
    let claims = 1;
    try {
      claims = (await this.#pools?.sweep([...this.#names])) ?? 0;
    } catch (error) {
      this.#log.debug({ error }, 'the pools could not be looked at, trying again');
    }
    this.#look(claims > 0 ? BUSY_MS : QUIET_MS);
  }
}
