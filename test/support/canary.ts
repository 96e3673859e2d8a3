/** A word that must be nowhere: looks for it in every row of every table of the schema. */
import type pg from 'pg';

/** Names of the tables of Perdura's schema. */
export async function schemaTables(database: pg.Client): Promise<string[]> {
  const { rows } = await database.query<{ name: string }>(
    `select table_name as name from information_schema.tables
      where table_schema = 'perdura' order by 1`,
  );
  return rows.map(({ name }) => name);
}

/** Tables with a row that holds the word, as text or as bytes. */
export async function schemaTablesHolding(database: pg.Client, canary: string): Promise<string[]> {
  const found: string[] = [];
  const hex = Buffer.from(canary).toString('hex');
  for (const table of await schemaTables(database)) {
    const { rows } = await database.query(
      `select 1 from perdura.${table} t where t::text ilike $1 or t::text ilike $2 limit 1`,
      [`%${canary}%`, `%${hex}%`],
    );
    if (rows.length > 0) found.push(table);
  }
  return found;
}
