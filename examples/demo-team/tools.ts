/** What the team of `npm run demo:team` can do beside reading files. */
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tool } from 'perdura';
import { recordEffect } from 'perdura/testing';
import { z } from 'zod';

const folder = process.env.DEMO_FOLDER ?? new URL('./folder', import.meta.url).pathname;
const out = process.env.DEMO_OUT ?? '.perdura/demo-team';
const ledger = process.env.DEMO_LEDGER ?? '';
/** Files that are looked through for quotes; larger ones are left out, bytes. */
const MOST_FILES = 200;
const MOST_BYTES = 1_000_000;
const REPORT = join(out, 'report.md');

/** Fails unless somebody has put a catalogue into the folder. */
export const catalogue = tool({
  name: 'catalogue',
  description: 'The catalogue of the folder: what each file is about. Faster than reading them.',
  effect: 'read',
  execute: () =>
    readFile(join(folder, '.catalogue.json'), 'utf8').catch((cause: unknown) => {
      throw new Error('The folder has no catalogue: .catalogue.json cannot be read.', { cause });
    }),
});

export const recordFinding = tool({
  name: 'record_finding',
  description: 'Files a finding in the ledger. Call it once, before you answer.',
  parameters: z.object({ finding: z.string().describe('What you found, in one sentence.') }),
  // The ledger knows the keys that it has seen, so a retry does no harm.
  effect: 'keyed',
  timeoutMs: 30_000,
  async execute({ finding }, { idempotencyKey: key, session, signal }) {
    // The first request takes effect and is never answered: here the demo kills the worker.
    const label = `${session}: ${finding.slice(0, 60)}`;
    await recordEffect(ledger, { key, keyed: true, holdFirst: true, label }, signal);
    return 'Recorded.';
  },
});

export const saveReport = tool({
  name: 'save_report',
  description: 'Writes the report of the group, in place of the one that is there.',
  parameters: z.object({ text: z.string().describe('The whole report, in Markdown.') }),
  effect: 'keyed',
  async execute({ text }, { idempotencyKey: key, session, signal }) {
    await mkdir(out, { recursive: true });
    await writeFile(REPORT, `${text.trim()}\n`);
    await recordEffect(ledger, { key, keyed: true, label: `${session}: report` }, signal);
    return `Saved report.md: ${text.length} characters.`;
  },
});

export const readReport = tool({
  name: 'read_report',
  description: 'The report of the group, as it was saved.',
  effect: 'read',
  async execute() {
    const text = await readFile(REPORT, 'utf8');
    const words = text.split(/\s+/).filter(Boolean).length;
    return `report.md has ${text.trimEnd().split('\n').length} lines and ${words} words:\n${text}`;
  },
});

export const checkQuotes = tool({
  name: 'check_quotes',
  description: 'Looks for everything in quotation marks in the files of the folder, word for word.',
  parameters: z.object({ text: z.string().describe('All that was said, with its quotes.') }),
  effect: 'read',
  async execute({ text }) {
    const files = await textFiles();
    const quotes = new Set(
      [...text.matchAll(/[“"]([^“”"\n]{12,}?)…?[”"]/g)].map(([, quote]) => quote!.trim()),
    );
    const found = [...quotes].map((quote) => ({
      quote,
      file: files.find((each) => each.text.includes(quote))?.name,
    }));
    const missing = found.filter(({ file }) => file === undefined);
    const places = [...new Set(found.flatMap(({ file }) => file ?? []))].sort().join(', ');
    return [
      `${found.length - missing.length} of ${found.length} quotes stand in the files, word for word (${places || 'none'}).`,
      ...missing.map(({ quote }) => `Not found: “${quote}”`),
    ].join('\n');
  },
});

async function textFiles(): Promise<{ name: string; text: string }[]> {
  const found: { name: string; text: string }[] = [];
  for (const each of (await readdir(folder, { withFileTypes: true })).slice(0, MOST_FILES)) {
    const path = join(folder, each.name);
    if (!each.isFile() || (await stat(path)).size > MOST_BYTES) continue;
    found.push({ name: each.name, text: await readFile(path, 'utf8') });
  }
  return found;
}
