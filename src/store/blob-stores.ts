/** Artifacts (tool output too large for a message) and spilled queues. */
import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { PerduraError } from '../contracts/failures.js';
import type { SessionKey } from '../contracts/ids.js';
import type { InboxMessage } from '../contracts/message.js';
import type { Database } from './database.js';
import { toJson } from './json.js';
import type { Artifacts, Spills } from './stores.js';

/** An artifact, whole. */
export interface Artifact {
  readonly id: string;
  readonly mediaType: string;
  readonly bytes: number;
  readonly content: Buffer;
}

interface ArtifactRow {
  readonly media_type: string;
  readonly bytes: number;
  readonly content: Buffer;
}

export class ArtifactStore implements Artifacts {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Keeps `content`. The id is made of the session and the content, so that a retry that
   * keeps the same output again makes no second artifact.
   */
  async put(owner: SessionKey, mediaType: string, content: Buffer): Promise<string> {
    const id = artifactId(owner.session, mediaType, content);
    await this.#database.db
      .insertInto('perdura.artifacts')
      .values({
        ...owner,
        artifact: id,
        media_type: mediaType,
        bytes: content.byteLength,
        content,
      })
      .onConflict((oc) => oc.doNothing())
      .execute();
    return id;
  }

  /** Rejects with `Artifact.NotFound` when this session has no such artifact. */
  async get(owner: SessionKey, id: string): Promise<Artifact> {
    const row = (await this.#own(owner, id)) ?? (await this.#shared(owner, id));
    if (!row) {
      throw new PerduraError('Artifact.NotFound', `There is no artifact "${id}" in this session.`);
    }
    return { id, mediaType: row.media_type, bytes: row.bytes, content: row.content };
  }

  #own({ tenant, session }: SessionKey, id: string): Promise<ArtifactRow | undefined> {
    return this.#database.db
      .selectFrom('perdura.artifacts')
      .select(['media_type', 'bytes', 'content'])
      .where('tenant', '=', tenant)
      .where('session', '=', session)
      .where('artifact', '=', id)
      .executeTakeFirst();
  }

  /** Of the past that a fork shares. */
  async #shared({ tenant, session }: SessionKey, id: string): Promise<ArtifactRow | undefined> {
    const { rows } = await sql<ArtifactRow>`
      with recursive above(transcript, at) as (
        select t.parent, t.created_at from perdura.transcripts t
          where t.tenant = ${tenant} and t.transcript = ${session} and t.parent is not null
        union all
        select t.parent, t.created_at from above
          join perdura.transcripts t on t.tenant = ${tenant} and t.transcript = above.transcript
          where t.parent is not null)
      select a.media_type, a.bytes, a.content from above
        join perdura.transcripts t on t.tenant = ${tenant} and t.transcript = above.transcript
        join perdura.artifacts a on a.tenant = ${tenant} and a.session = t.session
          and a.artifact = ${id} and a.created_at <= above.at
        limit 1`.execute(this.#database.db);
    return rows[0];
  }
}

/** The id that {@link ArtifactStore.put} gives to this content. */
export function artifactId(session: string, mediaType: string, content: Buffer): string {
  const hash = createHash('sha256').update(`${session}\0${mediaType}\0`).update(content);
  return `art_${hash.digest('hex').slice(0, 24)}`;
}

export class SpillStore implements Spills {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Keeps a batch. Its id is made of what is in it, so an id never means two batches: a workflow
   * task that failed is run again with other messages, while the first is perhaps still writing.
   */
  async put(owner: SessionKey, messages: readonly InboxMessage[]): Promise<string> {
    const content = toJson(messages);
    const spill = `spill_${createHash('sha256').update(content).digest('hex').slice(0, 32)}`;
    await this.#database.db
      .insertInto('perdura.spills')
      .values({ ...owner, spill, messages: content })
      .onConflict((oc) => oc.doNothing())
      .execute();
    return spill;
  }

  /** Rejects with `Store.Fenced` when it was deleted: what it held was taken by a later step. */
  async get(owner: SessionKey, spill: string): Promise<InboxMessage[]> {
    const row = await this.#database.db
      .selectFrom('perdura.spills')
      .select('messages')
      .where('tenant', '=', owner.tenant)
      .where('session', '=', owner.session)
      .where('spill', '=', spill)
      .executeTakeFirst();
    if (!row) {
      throw new PerduraError(
        'Store.Fenced',
        `Batch ${spill} of session ${owner.session} was taken by a later step.`,
      );
    }
    return row.messages as InboxMessage[];
  }

  /**
   * Deletes the session's batches but these. Called when no attempt of an earlier run can write any
   * more. Not as soon as a batch is in the transcript: a run that is reset takes it again.
   */
  async keepOnly(owner: SessionKey, spills: readonly string[]): Promise<void> {
    let query = this.#database.db
      .deleteFrom('perdura.spills')
      .where('tenant', '=', owner.tenant)
      .where('session', '=', owner.session);
    if (spills.length > 0) query = query.where('spill', 'not in', spills);
    await query.execute();
  }
}
