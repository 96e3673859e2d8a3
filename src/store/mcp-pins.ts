/** Digests of accepted MCP tool descriptions, shared by all workers. */
import type { McpPins } from '../contracts/mcp.js';
import { DEFAULT_TENANT } from '../contracts/ids.js';
import type { Database } from './database.js';

/** MCP servers belong to the operator, so pins are kept under the default tenant. */
export class McpPinStore implements McpPins {
  readonly #database: Database;
  readonly #tenant: string;

  constructor(database: Database, tenant = DEFAULT_TENANT) {
    this.#database = database;
    this.#tenant = tenant;
  }

  async load(server: string): Promise<Map<string, string>> {
    const rows = await this.#database.db
      .selectFrom('perdura.mcp_pins')
      .select(['tool', 'digest'])
      .where('tenant', '=', this.#tenant)
      .where('server', '=', server)
      .execute();
    return new Map(rows.map((row) => [row.tool, row.digest]));
  }

  async pin(server: string, tool: string, digest: string): Promise<string> {
    const { db } = this.#database;
    const tenant = this.#tenant;
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

  async accept(server: string, tool: string, digest: string): Promise<void> {
    await this.#database.db
      .insertInto('perdura.mcp_pins')
      .values({ tenant: this.#tenant, server, tool, digest })
      .onConflict((oc) => oc.columns(['tenant', 'server', 'tool']).doUpdateSet({ digest }))
      .execute();
  }
}
