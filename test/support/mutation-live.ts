/**
 * Whether a mutated file is what ran. Code moves, and a mutation of what nobody loads any more
 * would say that the tests notice nothing, or, worse, be taken out as useless.
 *
 * SQL is looked for in the database, what the sandbox runs in the bundle; of everything else the
 * copy itself says that it was loaded.
 */
import { execFile } from 'node:child_process';
import { appendFile, readFile, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';

const NOT_LIVE = 'was replaced, and is not what ran: mutate the code that is live';

/** To be called before the tests run; what it answers, behind them: it throws for dead code. */
export async function watchMutant(
  copy: string,
  file: string,
  replacement: string,
): Promise<(databaseUrl: string) => Promise<void>> {
  const refuse = (live: boolean): void => {
    if (!live) throw new Error(`${file} ${NOT_LIVE}.`);
  };
  // A migration that is loaded may hold a function that a later one has replaced.
  if (file.endsWith('.sql') || file.includes('/migrations/')) {
    return async (databaseUrl) => refuse(await isInstalled(databaseUrl, replacement));
  }
  if (await isBundled(copy, file, replacement)) return () => Promise.resolve();
  refuse(!file.startsWith('workflows/'));
  const journal = join(copy, 'loaded');
  const note = `\nvoid import('node:fs').then((fs) => fs.appendFileSync(${JSON.stringify(journal)}, 'x'));\n`;
  await appendFile(join(copy, file), note);
  return async () => refuse((await readFile(journal, 'utf8').catch(() => '')) !== '');
}

async function isInstalled(databaseUrl: string, text: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rowCount } = await client.query('select from pg_proc where strpos(prosrc, $1) > 0', [
      text,
    ]);
    return (rowCount ?? 0) > 0;
  } finally {
    await client.end();
  }
}

/** The bundle that a worker of the copy builds holds its sources, beside what was made of them. */
async function isBundled(copy: string, file: string, text: string): Promise<boolean> {
  const script = join(copy, 'bundle.ts');
  const sources = join(copy, 'sources.json');
  await writeFile(
    script,
    `import { writeFileSync } from 'node:fs';
import { buildBundle } from './worker/bundle.js';
const { code } = await buildBundle();
const map = code.split('base64,').at(-1)!;
writeFileSync(${JSON.stringify(sources)}, Buffer.from(map, 'base64'));
`,
  );
  await promisify(execFile)(process.execPath, ['--import', 'tsx', script], { cwd: copy });
  const map = JSON.parse(await readFile(sources, 'utf8')) as {
    readonly sources: readonly string[];
    readonly sourcesContent?: readonly string[];
  };
  const path = join(await realpath(copy), file);
  return map.sources.some(
    (source, i) => source === path && map.sourcesContent?.[i]?.includes(text),
  );
}
