/** Durable events, read back with the texts of the messages that they are about. */
import { sql } from 'kysely';
import type { SessionEvent, SessionEventBody } from '../contracts/events.js';
import type { SessionKey } from '../contracts/ids.js';
import type { TranscriptMessage } from '../contracts/message.js';
import { TURN_END_TYPES } from '../contracts/turn-end.js';
import type { Database } from './database.js';

/** Events of one session after number `after`, oldest first, at most `limit`. */
export async function readEvents(
  { pool }: Database,
  tenant: string,
  session: string,
  { after = 0, limit = 500 }: { after?: number; limit?: number } = {},
): Promise<SessionEvent[]> {
  // Named, so that it is planned once per connection: readers ask it with every event.
  const { rows } = await pool.query<{
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

/** Number of the last event of each of these sessions; one without events may be left out. */
export async function readLastEvents(
  { pool }: Database,
  keys: readonly SessionKey[],
): Promise<{ key: SessionKey; n: number }[]> {
  const { rows } = await pool.query<{ tenant: string; session: string; n: string }>({
    name: 'perdura-last-events',
    text: `select s.tenant, s.session, s.last_event as n
      from unnest($1::text[], $2::text[]) as k(tenant, session)
      join perdura.sessions s on s.tenant = k.tenant and s.session = k.session`,
    values: [keys.map(({ tenant }) => tenant), keys.map(({ session }) => session)],
  });
  return rows.map(({ n, ...key }) => ({ key, n: Number(n) }));
}

/** Where the message with this id of the sender was accepted: the turn, and the event's number. */
export async function findMessage(
  { db }: Database,
  tenant: string,
  session: string,
  messageId: string,
): Promise<{ n: number; turn: number } | undefined> {
  const row = await db
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
    .where('m.superseded_at', 'is', null)
    .select(['e.n', 'm.turn'])
    .executeTakeFirst();
  return row && { n: Number(row.n), turn: row.turn };
}

/** How a turn ended, looked for after event number `after`. */
export async function findTurnEnd(
  database: Database,
  tenant: string,
  session: string,
  { turn, after }: { turn: number; after: number },
): Promise<SessionEvent | undefined> {
  const row = await database.db
    .selectFrom('perdura.events')
    .where('tenant', '=', tenant)
    .where('session', '=', session)
    .where('n', '>', String(after))
    .where('type', 'in', TURN_END_TYPES)
    .where(sql<number>`(body->>'turn')::int`, '=', turn)
    .orderBy('n')
    .select('n')
    .executeTakeFirst();
  if (!row) return undefined;
  const [event] = await readEvents(database, tenant, session, {
    after: Number(row.n) - 1,
    limit: 1,
  });
  return event;
}
