/** Digests of accepted MCP tool descriptions, shared by all workers. */
import type { McpPins } from '../contracts/mcp.js';
import { DEFAULT_TENANT } from '../contracts/ids.js';
import type { Database } from './database.js';

/** MCP servers belong to the operator, whose pins are kept under the default tenant. */
export function createMcpPins({ db }: Database): McpPins {
  return {
    async load(server, tenant = DEFAULT_TENANT) {
      const rows = await db
        .selectFrom('perdura.mcp_pins')
        .select(['tool', 'digest'])
        .where('tenant', '=', tenant)
        .where('server', '=', server)
        .execute();
      return new Map(rows.map((row) => [row.tool, row.digest]));
    },
    async pin(server, tool, digest, tenant = DEFAULT_TENANT) {
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
    },
    async accept(server, tool, digest, tenant = DEFAULT_TENANT) {
      await db
        .insertInto('perdura.mcp_pins')
        .values({ tenant, server, tool, digest })
        .onConflict((oc) => oc.columns(['tenant', 'server', 'tool']).doUpdateSet({ digest }))
        .execute();
    },
  };
}
