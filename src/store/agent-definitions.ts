/**
 * Definitions of agents. A version is kept for ever under the digest of its definition; an agent
 * that was made at run time also has a row that says which version is its newest.
 */
import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { Agent } from '../contracts/agent.js';
import { canonicalJson } from '../contracts/canonical-json.js';
import type { Database } from './database.js';
import { toJson } from './json.js';
import type { AgentDefinitions } from './stores.js';

/** A definition, complete, with its version. */
export interface AgentVersion {
  /** 16 hex characters. */
  readonly version: string;
  readonly definition: Agent;
}

/** A version in the list of those of an agent. */
export interface AgentVersionRecord extends AgentVersion {
  /** ISO 8601: when a worker or the factory first knew it. */
  readonly createdAt: string;
}

/** An agent that was made at run time. */
export interface MadeAgent extends AgentVersion {
  readonly agent: string;
  /** Name of the template that it was made from. */
  readonly template?: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** An agent that is to be made. */
export interface MakeAgent extends AgentVersion {
  readonly template?: string;
  /** In place of the one of that name. Sessions that run go on with their version. */
  readonly replace?: boolean;
}

/** Rolls a batch back. */
class Taken extends Error {
  override name = '';
}

/** The version of a definition: equal definitions have equal versions, wherever they are written. */
export function versionOf(definition: Agent): string {
  return createHash('sha256').update(canonicalJson(definition)).digest('hex').slice(0, 16);
}

export class AgentDefinitionStore implements AgentDefinitions {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Keeps a version, once. */
  async keep(tenant: string, { version, definition }: AgentVersion): Promise<void> {
    await this.#database.db
      .insertInto('perdura.agent_versions')
      .values({ tenant, agent: definition.name, version, definition: toJson(definition) })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }

  /** `undefined` for a version that the tenant does not have. */
  async read(tenant: string, agent: string, version: string): Promise<Agent | undefined> {
    const row = await this.#database.db
      .selectFrom('perdura.agent_versions')
      .select('definition')
      .where('tenant', '=', tenant)
      .where('agent', '=', agent)
      .where('version', '=', version)
      .executeTakeFirst();
    return row?.definition as Agent | undefined;
  }

  /** Versions of an agent, or of all, the newest first. */
  async versions(tenant: string, agent?: string): Promise<AgentVersionRecord[]> {
    let query = this.#database.db
      .selectFrom('perdura.agent_versions')
      .selectAll()
      .where('tenant', '=', tenant)
      .orderBy('created_at', 'desc')
      .orderBy('version');
    if (agent !== undefined) query = query.where('agent', '=', agent);
    return (await query.execute()).map((row) => ({
      version: row.version,
      definition: row.definition as Agent,
      createdAt: row.created_at.toISOString(),
    }));
  }

  /**
   * Enters agents that are made at run time, with their versions, all of them or none. Answers with the
   * name of one that there is already with another definition, where it is not to be replaced.
   */
  async makeAll(tenant: string, all: readonly MakeAgent[]): Promise<string | undefined> {
    const taken = new Taken();
    try {
      await this.#database.db.transaction().execute(async (db) => {
        // In one order, or two batches could wait for each other.
        const ordered = [...all].sort((a, b) => (a.definition.name < b.definition.name ? -1 : 1));
        for (const { version, definition, template = null, replace = false } of ordered) {
          const { name } = definition;
          await db
            .insertInto('perdura.agent_versions')
            .values({ tenant, agent: name, version, definition: toJson(definition) })
            .onConflict((conflict) => conflict.doNothing())
            .execute();
          const { rows } = await sql<{ version: string }>`
            insert into perdura.agents as a (tenant, agent, version, template)
              values (${tenant}, ${name}, ${version}, ${template})
              on conflict (tenant, agent) do update set
                version = case when ${replace} then excluded.version else a.version end,
                template = case when ${replace} then excluded.template else a.template end,
                updated_at = case when ${replace} then now() else a.updated_at end
              returning version`.execute(db);
          if (rows[0]!.version === version) continue;
          taken.name = name;
          throw taken;
        }
      });
      return undefined;
    } catch (error) {
      if (error === taken) return taken.name;
      throw error;
    }
  }

  /** Whether there was such an agent. Its versions stay, and so do the sessions that run them. */
  async remove(tenant: string, agent: string): Promise<boolean> {
    const { numDeletedRows } = await this.#database.db
      .deleteFrom('perdura.agents')
      .where('tenant', '=', tenant)
      .where('agent', '=', agent)
      .executeTakeFirst();
    return numDeletedRows > 0n;
  }

  /** The newest version of an agent that was made at run time. */
  async made(tenant: string, agent: string): Promise<MadeAgent | undefined> {
    return (await this.#made(tenant, agent))[0];
  }

  /** Agents made at run time, by name. */
  allMade(tenant: string): Promise<MadeAgent[]> {
    return this.#made(tenant);
  }

  async #made(tenant: string, agent?: string): Promise<MadeAgent[]> {
    let query = this.#database.db
      .selectFrom('perdura.agents as a')
      .innerJoin('perdura.agent_versions as v', (join) =>
        join
          .onRef('v.tenant', '=', 'a.tenant')
          .onRef('v.agent', '=', 'a.agent')
          .onRef('v.version', '=', 'a.version'),
      )
      .select([
        'a.agent',
        'a.version',
        'a.template',
        'a.created_at',
        'a.updated_at',
        'v.definition',
      ])
      .where('a.tenant', '=', tenant)
      .orderBy('a.agent');
    if (agent !== undefined) query = query.where('a.agent', '=', agent);
    return (await query.execute()).map((row) => ({
      agent: row.agent,
      version: row.version,
      definition: row.definition as Agent,
      ...(row.template === null ? {} : { template: row.template }),
      createdAt: row.created_at.toISOString(),
      updatedAt: row.updated_at.toISOString(),
    }));
  }
}
