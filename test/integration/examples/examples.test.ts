/**
 * Every example as its reader starts it, in a process of its own. An example checks itself,
 * so all there is to see here is that it ends, and how.
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, inject, it } from 'vitest';
import { CACHED_WORKFLOWS_ENVIRONMENT } from '../../support/cached-workflows.js';

const EXAMPLES = new URL('../../../examples/', import.meta.url);
const examples = readdirSync(EXAMPLES)
  .filter((name) => /^\d\d-/.test(name))
  .sort();

describe('examples', () => {
  it('examples: the folders → numbered without a gap, each listed in the README', () => {
    expect(examples.map((name) => Number(name.slice(0, 2)))).toEqual(examples.map((_, i) => i + 1));
    const listed = readFileSync(new URL('README.md', EXAMPLES), 'utf8').matchAll(
      /\]\((\d\d-[\w-]+)/g,
    );
    expect([...listed].map(([, name]) => name)).toEqual(examples);
    const root = readFileSync(new URL('../README.md', EXAMPLES), 'utf8');
    expect(root).toContain(`${examples.length + 1} programs`);
  });

  it.each(['basic-agent', ...examples])(
    'examples: %s → checks itself, exits with 0',
    { timeout: 90_000 },
    async (name) => {
      const { code, output } = await run(name);
      expect(code, output).toBe(0);
    },
  );
});

/** On the servers of this run, and with nothing else of our environment that steers a session. */
function run(name: string): Promise<{ code: number | null; output: string }> {
  const file = /^\d/.test(name) ? `${name}/main.ts` : `${name}.ts`;
  const main = fileURLToPath(new URL(file, EXAMPLES));
  const child = spawn(process.execPath, ['--import', 'tsx', main], {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      NO_COLOR: '1',
      TEMPORAL_ADDRESS: inject('temporalAddress'),
      DATABASE_URL: inject('databaseUrl'),
      ...CACHED_WORKFLOWS_ENVIRONMENT,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    // One that hangs is told to end before vitest gives up on it: its output says where it was.
    timeout: 80_000,
    killSignal: 'SIGTERM',
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text: Buffer) => (output += text.toString()));
  }
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })));
}
