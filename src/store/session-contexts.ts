/** The contexts that sessions are given: for whom each runs. */
import { sql } from 'kysely';
import type { SessionKey } from '../contracts/ids.js';
import type { GivenContext } from '../contracts/runtime-context.js';
import type { Database } from './database.js';
import { toJson } from './json.js';
import type { SessionContexts } from './stores.js';

export class SessionContextStore implements SessionContexts {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Keeps the context of a session that has none. The first one stands: a session changes no user. */
  async put({ tenant, session }: SessionKey, context: GivenContext): Promise<void> {
    await this.#database.db
      .insertInto('perdura.session_contexts')
      .values({
        tenant,
        session,
        user_id: context.user?.id ?? null,
        organisation: context.organisation?.id ?? null,
        context: toJson(context),
      })
      .onConflict((oc) => oc.doNothing())
      .execute();
  }

  /** Gives a session that has none the context of another one of its tenant, as that is now. */
  async inherit({ tenant, session }: SessionKey, from: string): Promise<void> {
    await sql`
      insert into perdura.session_contexts (tenant, session, user_id, organisation, context)
        select tenant, ${session}, user_id, organisation, context from perdura.session_contexts
          where tenant = ${tenant} and session = ${from}
        on conflict do nothing`.execute(this.#database.db);
  }

  /** `undefined` for a session that was given none. */
  async get({ tenant, session }: SessionKey): Promise<GivenContext | undefined> {
    const row = await this.#database.db
      .selectFrom('perdura.session_contexts')
      .select('context')
      .where('tenant', '=', tenant)
      .where('session', '=', session)
      .executeTakeFirst();
    return row && (row.context as GivenContext);
  }

  /** Sessions of a user, in the order of their names, behind `after`. */
  async sessionsOf(
    tenant: string,
    user: string,
    { after = '', limit = 100 }: { after?: string; limit?: number } = {},
  ): Promise<string[]> {
    const rows = await this.#database.db
      .selectFrom('perdura.session_contexts')
      .select('session')
      .where('tenant', '=', tenant)
      .where('user_id', '=', user)
      .where('session', '>', after)
      .orderBy('session')
      .limit(limit)
      .execute();
    return rows.map(({ session }) => session);
  }

  /** Takes what was said out of a session; see `functions/erase_session.sql`. Answers with messages. */
  async erase({ tenant, session }: SessionKey): Promise<number> {
    const { rows } = await sql<{ r: { messages: number } }>`
      select perdura.erase_session(${toJson({ tenant, session })}::jsonb) as r`.execute(
      this.#database.db,
    );
    return rows[0]!.r.messages;
  }
}
