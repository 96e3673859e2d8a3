/** Digests of accepted MCP tool descriptions, shared by all workers. */
import type { McpPins } from '../contracts/mcp.js';
import { DEFAULT_TENANT } from '../contracts/ids.js';
import type { Database } from './database.js';

/** The operator's pins are kept under the default tenant. */
export class McpPinStore implements McpPins {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async load(server: string, tenant = DEFAULT_TENANT): Promise<Map<string, string>> {
    const rows = await this.#database.db
      .selectFrom('perdura.mcp_pins')
      .select(['tool', 'digest'])
      .where('tenant', '=', tenant)
      .where('server', '=', server)
      .execute();
    return new Map(rows.map((row) => [row.tool, row.digest]));
  }

  async pin(
    server: string,
    tool: string,
    digest: string,
    tenant = DEFAULT_TENANT,
  ): Promise<string> {
    const { db } = this.#database;
    await db
      .insertInto('perdura.mcp_pins')
      .values({ tenant, server, tool, digest })
      .onConflict((oc) => oc.doNothing())
      .execute();
    const row = await db
      .selectFrom('perdura.mcp_pins')
      .select('digest')
      .where('tenant', '=', tenant)
      .where('server', '=', server)
      .where('tool', '=', tool)
      .executeTakeFirstOrThrow();
    return row.digest;
  }

  async accept(
    server: string,
    tool: string,
    digest: string,
    tenant = DEFAULT_TENANT,
  ): Promise<void> {
    await this.#database.db
      .insertInto('perdura.mcp_pins')
      .values({ tenant, server, tool, digest })
      .onConflict((oc) => oc.columns(['tenant', 'server', 'tool']).doUpdateSet({ digest }))
      .execute();
  }
}
