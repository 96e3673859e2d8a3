/** Durable events, read back with the texts of the messages that they are about. */
import { sql } from 'kysely';
import type { SessionEvent, SessionEventBody } from '../contracts/events.js';
import type { SessionKey } from '../contracts/ids.js';
import type { TranscriptMessage } from '../contracts/message.js';
import { TURN_END_TYPES } from '../contracts/turn-end.js';
import type { Database } from './database.js';
import type { Events } from './stores.js';

export class EventLog implements Events {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Events of one session after number `after`, oldest first, at most `limit`. */
  async read(
    { tenant, session }: SessionKey,
    { after = 0, limit = 500 }: { after?: number; limit?: number } = {},
  ): Promise<SessionEvent[]> {
    // Named, so that it is planned once per connection: readers ask it with every event.
    const { rows } = await this.#database.pool.query<{
      n: string;
      type: string;
      body: object;
      at: Date;
      message: TranscriptMessage | null;
    }>({
      name: 'perdura-events',
      text: `select e.n, e.type, e.body, e.at, m.body as message from perdura.events e
        left join perdura.messages m on m.row_id = e.message_row
        where e.tenant = $1 and e.session = $2 and e.n > $3 order by e.n limit $4`,
      values: [tenant, session, after, limit],
    });
    return rows.map(
      (row) =>
        ({
          n: Number(row.n),
          at: row.at.toISOString(),
          type: row.type as SessionEventBody['type'],
          ...row.body,
          ...textOf(row.message, row.type),
        }) as SessionEvent,
    );
  }

  /** Number of the last event of each of these sessions; one without events may be left out. */
  async last(keys: readonly SessionKey[]): Promise<{ key: SessionKey; n: number }[]> {
    const { rows } = await this.#database.pool.query<{
      tenant: string;
      session: string;
      n: string;
    }>({
      name: 'perdura-last-events',
      text: `select s.tenant, s.session, s.last_event as n
      from unnest($1::text[], $2::text[]) as k(tenant, session)
      join perdura.sessions s on s.tenant = k.tenant and s.session = k.session`,
      values: [keys.map(({ tenant }) => tenant), keys.map(({ session }) => session)],
    });
    return rows.map(({ n, ...key }) => ({ key, n: Number(n) }));
  }

  /** Where the message with this id of the sender was accepted: the turn, and the event's number. */
  async findMessage(
    { tenant, session }: SessionKey,
    messageId: string,
  ): Promise<{ n: number; turn: number } | undefined> {
    const row = await this.#database.db
      .selectFrom('perdura.messages as m')
      .innerJoin('perdura.events as e', (join) =>
        join
          .onRef('e.message_row', '=', 'm.row_id')
          .on('e.tenant', '=', tenant)
          .on('e.session', '=', session)
          .on('e.type', '=', 'message.accepted'),
      )
      .where('m.tenant', '=', tenant)
      .where('m.transcript', '=', session)
      .where('m.message_id', '=', messageId)
      .where((m) => m.or([m('m.superseded_at', 'is', null), m('m.rolled_back', '=', true)]))
      .select(['e.n', 'm.turn'])
      .executeTakeFirst();
    return row && { n: Number(row.n), turn: row.turn };
  }

  /** How a turn ended, looked for after event number `after`. */
  async findTurnEnd(
    key: SessionKey,
    { turn, after }: { turn: number; after: number },
  ): Promise<SessionEvent | undefined> {
    const row = await this.#database.db
      .selectFrom('perdura.events')
      .where('tenant', '=', key.tenant)
      .where('session', '=', key.session)
      .where('n', '>', String(after))
      .where('type', 'in', TURN_END_TYPES)
      .where(sql<number>`(body->>'turn')::int`, '=', turn)
      .orderBy('n')
      .select('n')
      .executeTakeFirst();
    if (!row) return undefined;
    const [event] = await this.read(key, { after: Number(row.n) - 1, limit: 1 });
    return event;
  }

  /** The turn that was begun last, and the number of that event. */
  async lastTurnStart({
    tenant,
    session,
  }: SessionKey): Promise<{ n: number; turn: number } | undefined> {
    const row = await this.#database.db
      .selectFrom('perdura.events')
      .where('tenant', '=', tenant)
      .where('session', '=', session)
      .where('type', '=', 'turn.started')
      .orderBy('n', 'desc')
      .select(['n', sql<number>`(body->>'turn')::int`.as('turn')])
      .executeTakeFirst();
    return row && { n: Number(row.n), turn: row.turn };
  }
}

function textOf(message: TranscriptMessage | null, type: string): object {
  if (message?.role === 'user') return { text: message.text };
  if (message?.role !== 'assistant') return {};
  return {
    text: message.text,
    ...(type === 'step.completed' && {
      ...(message.reasoning && { reasoning: message.reasoning }),
      ...(message.toolCalls && { toolCalls: message.toolCalls }),
    }),
  };
}
