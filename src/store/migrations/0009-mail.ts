/**
 * Messages to sessions and people: a row for each message, whoever gets it, and one for each of its
 * receivers; groups and their members. A message that a session takes into its transcript is read in
 * the same commit: the trigger costs a write of any other message one comparison.
 */
import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create table perdura.groups (
    tenant text not null,
    name text not null,
    -- Of this group and of no later one with the name.
    id text not null,
    title text,
    state text not null default 'open',
    speak text not null,
    answers boolean not null,
    max_hops int not null,
    max_messages int not null,
    moderator text,
    -- The member whose turn it is, where one speaks at a time.
    speaker text,
    last_position bigint not null default 0,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    primary key (tenant, name),
    unique (tenant, id))`.execute(db);
  await sql`create table perdura.group_members (
    tenant text not null,
    group_name text not null,
    name text not null,
    kind text not null,
    agent text,
    role text not null,
    position bigint generated always as identity,
    joined_at timestamptz not null default clock_timestamp(),
    primary key (tenant, group_name, name),
    foreign key (tenant, group_name) references perdura.groups (tenant, name) on delete cascade)`.execute(
    db,
  );
  await sql`create index group_members_name on perdura.group_members (tenant, name)`.execute(db);
  await sql`create table perdura.mailings (
    tenant text not null,
    id text not null,
    n bigint generated always as identity,
    kind text not null,
    sender text not null,
    by_agent boolean not null,
    group_name text,
    group_id text,
    text text not null,
    priority smallint not null,
    parent text,
    -- The message of a person that it goes back to, or its own id.
    root text not null,
    -- Messages of agents in a row, this one counted.
    hop int not null,
    receivers int not null default 0,
    accepted_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz,
    primary key (tenant, id))`.execute(db);
  await sql`create index mailings_group on perdura.mailings (tenant, group_id, n)
    where group_id is not null`.execute(db);
  await sql`create index mailings_root on perdura.mailings (tenant, root)`.execute(db);
  await sql`create table perdura.deliveries (
    tenant text not null,
    mailing text not null,
    receiver text not null,
    n bigint not null,
    shard smallint not null,
    priority smallint not null,
    state text not null,
    -- Starts the receiver's session where it does not run.
    agent text,
    group_id text,
    -- Whether the receiver is to answer; where several are, in which order they were called.
    asks boolean not null default true,
    called int,
    reason text,
    expires_at timestamptz,
    delivered_at timestamptz,
    read_at timestamptz,
    -- Of an agent in a group: when the turn that read it had ended.
    done_at timestamptz,
    primary key (tenant, mailing, receiver))`.execute(db);
  await sql`create index deliveries_waiting on perdura.deliveries (tenant, shard, priority desc, n)
    where state = 'waiting'`.execute(db);
  await sql`create index deliveries_mailbox on perdura.deliveries (tenant, receiver, n)
    where state in ('held', 'waiting', 'delivered')`.execute(db);
  await sql`create index deliveries_group on perdura.deliveries (tenant, group_id, receiver)
    where group_id is not null and agent is not null and done_at is null`.execute(db);
  // What a turn has taken of ours is looked up by its turn.
  await sql`create index messages_mail on perdura.messages (tenant, transcript, turn)
    where message_id like 'mail.%'`.execute(db);
  await sql`create function perdura.mail_read() returns trigger language plpgsql as $fn$
    begin
      update perdura.deliveries set state = 'read', read_at = clock_timestamp(),
          delivered_at = coalesce(delivered_at, clock_timestamp())
        where tenant = new.tenant and receiver = new.transcript
          and mailing = substr(new.message_id, 6) and state in ('held', 'waiting', 'delivered');
      return null;
    end
    $fn$`.execute(db);
  await sql`create trigger mail_read after insert on perdura.messages
    for each row when (new.message_id like 'mail.%') execute function perdura.mail_read()`.execute(
    db,
  );
}
