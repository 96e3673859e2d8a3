/** Rows of `memories`, as entries, and whose they are. */
import { sql, type RawBuilder } from 'kysely';
import type { MemoryEntry, MemoryKind, MemoryOwner } from '../contracts/memory.js';

export interface MemoryRow {
  readonly key: string;
  readonly kind: string;
  readonly text: string;
  readonly version: string;
  readonly session: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly score?: number;
}

/** Of a table that is called `m`. */
export const MEMORY_COLUMNS = sql`m.key, m.kind, m.text, m.version, m.session, m.created_at, m.updated_at`;

/** That a row of `m` is this owner's. */
export function ownedBy({ tenant, user, agent }: MemoryOwner): RawBuilder<boolean> {
  return sql<boolean>`(m.tenant = ${tenant} and m.user_id = ${user} and m.agent = ${agent})`;
}

export function entryOf(row: MemoryRow): MemoryEntry {
  return {
    key: row.key,
    kind: row.kind as MemoryKind,
    text: row.text,
    version: Number(row.version),
    ...(row.session === null ? {} : { session: row.session }),
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
    ...(row.score === undefined ? {} : { score: row.score }),
  };
}
