/**
 * What a process that talks to sessions shares among its tenants: one connection to Temporal, one
 * pool of PostgreSQL connections, one live bus, one hub for readers. Opened and closed here, and
 * nowhere else in the client.
 */
import { setMaxListeners } from 'node:events';
import { Client, Connection } from '@temporalio/client';
import type { Embedder } from '../contracts/embeddings.js';
import { PerduraError } from '../contracts/failures.js';
import { SLOT_SIGNAL, type SlotGrant } from '../contracts/pool.js';
import type { LiveBus } from '../live/bus.js';
import { PostgresLiveBus } from '../live/postgres-bus.js';
import { openDatabase, type Database } from '../store/database.js';
import { checkReady } from '../store/readiness.js';
import { openStores, type Stores } from '../store/stores.js';
import { VectorMemory } from '../store/vector-memory.js';
import type { Endpoints } from './endpoints.js';
import { ReaderHub } from './reader-hub.js';

/** Connections that the caller already has. They are used, and not closed. */
export interface GivenConnections {
  /** A connection of your own; it is not closed by `close()`. */
  readonly connection?: Connection;
  /** Default over PostgreSQL. The bus of an embedded worker, when it is in this process. */
  readonly bus?: LiveBus;
  /**
   * Makes `memory.recall` find entries by meaning, as workers do: with the model whose vectors they
   * keep (`createEmbedder` of `perdura/llm`). Default: by words.
   */
  readonly embedder?: Embedder;
}

export class Connections {
  readonly client: Client;
  readonly database: Database;
  readonly stores: Stores;
  readonly bus: LiveBus;
  /** Every stream of the process shares it. */
  readonly hub: ReaderHub;
  readonly #closed = new AbortController();
  readonly #telling = new Set<Promise<void>>();
  readonly #given: GivenConnections;

  private constructor(client: Client, database: Database, given: GivenConnections) {
    this.client = client;
    this.database = database;
    this.bus = given.bus ?? new PostgresLiveBus(database);
    const stores = openStores(database, { onGranted: (grants) => this.#tell(grants) });
    const { embedder } = given;
    this.stores = embedder
      ? { ...stores, memory: new VectorMemory({ words: stores.memory, database, embedder }) }
      : stores;
    this.hub = new ReaderHub(this.stores.events, this.bus);
    this.#given = given;
    // Every stream that is read listens to it, and there may be thousands.
    setMaxListeners(0, this.#closed.signal);
  }

  /**
   * Rejects with `Temporal.Unavailable`, `Store.Unavailable`, `Store.NotMigrated` or
   * `Store.TooNew`, which say what is missing.
   */
  static async open(
    { temporal, databaseUrl }: Endpoints,
    given: GivenConnections = {},
  ): Promise<Connections> {
    const { address, namespace } = temporal;
    const connection =
      given.connection ??
      (await Connection.connect(temporal.connection).catch((cause: unknown) => {
        throw new PerduraError(
          'Temporal.Unavailable',
          `No Temporal server answers at ${address}.`,
          { cause },
        );
      }));
    const database = openDatabase(databaseUrl, { maxConnections: 5 });
    await checkReady(database).catch(async (error: unknown) => {
      await database.close();
      if (!given.connection) await connection.close();
      throw error;
    });
    return new Connections(new Client({ connection, namespace }), database, given);
  }

  /**
   * Tells workflows of slots that a change of a pool has given them. What is lost with this process is
   * made up for by a worker, which also sees to workflows that have closed.
   */
  #tell(grants: readonly SlotGrant[]): void {
    for (const { workflowId, session, stage } of grants) {
      const told = this.client.workflow
        .getHandle(workflowId)
        .signal(SLOT_SIGNAL, { session, stage })
        .catch(() => undefined);
      this.#telling.add(told);
      void told.finally(() => this.#telling.delete(told));
    }
  }

  /** Aborted by `close`, with the failure that readers end with. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** Closes what `open` opened. */
  async close(): Promise<void> {
    this.#closed.abort(closedRuntime());
    this.hub.close();
    await Promise.all(this.#telling);
    if (!this.#given.bus) await this.bus.close();
    await this.database.close();
    if (!this.#given.connection) await this.client.connection.close();
  }
}

/** What a reader's stream ends with when its runtime is closed. */
export function closedRuntime(): PerduraError {
  return new PerduraError(
    'Session.Closed',
    'The runtime was closed. Connect again, and read on from the number of the last event.',
  );
}
