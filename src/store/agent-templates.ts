/** Templates of agents, as their tenant has registered them. */
import type { Database } from './database.js';
import { toJson } from './json.js';
import type { AgentTemplates } from './stores.js';

/** A template that was registered. What its body holds is known to the factory. */
export interface TemplateRecord {
  readonly template: string;
  readonly body: unknown;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly updatedAt: string;
}

export class AgentTemplateStore implements AgentTemplates {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Enters a template, in place of the one of that name. */
  async put(tenant: string, template: string, body: object): Promise<void> {
    const json = toJson(body);
    await this.#database.db
      .insertInto('perdura.agent_templates')
      .values({ tenant, template, body: json })
      .onConflict((conflict) =>
        conflict
          .columns(['tenant', 'template'])
          .doUpdateSet({ body: json, updated_at: new Date() }),
      )
      .execute();
  }

  /** Whether there was one. */
  async remove(tenant: string, template: string): Promise<boolean> {
    const { numDeletedRows } = await this.#database.db
      .deleteFrom('perdura.agent_templates')
      .where('tenant', '=', tenant)
      .where('template', '=', template)
      .executeTakeFirst();
    return numDeletedRows > 0n;
  }

  /** By name. */
  async list(tenant: string): Promise<TemplateRecord[]> {
    const rows = await this.#database.db
      .selectFrom('perdura.agent_templates')
      .selectAll()
      .where('tenant', '=', tenant)
      .orderBy('template')
      .execute();
    return rows.map((row) => ({
      template: row.template,
      body: row.body,
      createdAt: row.created_at.toISOString(),
      updatedAt: row.updated_at.toISOString(),
    }));
  }
}
