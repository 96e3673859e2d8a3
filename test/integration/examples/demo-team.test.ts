/**
 * `npm run demo:team` as its reader starts it: with servers of its own, and without an API key. What
 * it prints is compared with what it must show, and what it has started is looked for.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../support/temporary-folder.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

describe('demo:team', () => {
  it(
    'H9 H12 demo:team: a group, a plan that fails and changes, a killed worker → all printed, lost 0, doubled 0, nothing left',
    { timeout: 150_000 },
    async () => {
      const data = temporaryFolder();
      const { code, output, seconds } = await demo([], data);
      expect(code, output).toBe(0);
      expect(output).toContain('a scripted offline model plays every agent');

      expect(output).toMatch(/├─ lead-\w+ · agent lead · 1 turn, 5 steps · [\d,]+ → [\d,]+ tokens/);
      expect(output).toMatch(/│ {2}├─ reader-\w+ · agent reader/);
      expect(output).toMatch(/│ {2}└─ librarian-\w+ · agent librarian/);

      const said = /Who said what to whom ──\n(.*?)\n── The plan/s.exec(output)![1]!;
      const order = [...said.matchAll(/^ {2}\S+ ([a-z]+)\S* (to|wrote|asked|answered) /gm)];
      expect(order.map(([, from, how]) => `${from} ${how}`)).toEqual([
        'you to',
        'lead asked',
        'reader answered',
        'lead asked',
        'librarian answered',
        'lead to',
        'checker to',
        'writer wrote',
        'writer to',
        'reviewer to',
      ]);
      expect(said).toContain('quotes stand in the files, word for word');

      expect(output).toMatch(/✗ s1 catalogue: The folder has no catalogue/);
      expect(output).toMatch(/✓ s2 reader: done\n {2}version 2: made because s1 failed/);
      expect(output).toMatch(/✓ s3 librarian: done/);

      const killed = /kill -9 (\d+): the worker/.exec(output)?.[1];
      const heir = /worker (\d+) made the call again, with the same key/.exec(output)?.[1];
      expect(Number(killed)).toBeGreaterThan(0);
      expect(Number(heir)).toBeGreaterThan(0);
      expect(heir).not.toBe(killed);

      expect(output).toMatch(/together +18 model calls/);
      expect(output).toContain('harbour-log.md, line 4: “Tuesday: crane 2 stopped');
      const report = readFileSync(join(data, 'demo-team', 'report.md'), 'utf8');
      expect(report).toContain('The largest that I read is harbour-log.md');
      // The ledger was written by another process, before each of its answers.
      const ledger = readFileSync(join(data, 'demo-team', 'ledger.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { effect: boolean; attempt: number; pid: number });
      expect(ledger.map(({ attempt, effect }) => [attempt, effect])).toEqual([
        [1, true],
        [2, false],
        [1, true],
      ]);
      expect(ledger.slice(0, 2).map(({ pid }) => String(pid))).toEqual([killed, heir]);
      expect(output).toMatch(/6 messages for 21 receivers: 15 have it once/);
      expect(output).toMatch(/\nlost 0 · doubled 0\n/);
      expect(output).toMatch(/of \d+ processes none is left/);
      expect(leftOf(data)).toEqual([]);
      console.log(`demo:team: ${seconds} s`);
    },
  );

  it(
    'demo:team: your own question about your own folder → answered from it',
    { timeout: 150_000 },
    async () => {
      const folder = temporaryFolder();
      writeFileSync(
        join(folder, 'ship.txt'),
        'The ship is called Aurora.\nIts captain is Ines Roth.\n',
      );
      const data = temporaryFolder();
      const { code, output } = await demo(
        ['Who is mentioned as captain?', '--folder', folder],
        data,
      );
      expect(code, output).toBe(0);
      expect(output).toContain('The task: Who is mentioned as captain?');
      expect(readFileSync(join(data, 'demo-team', 'report.md'), 'utf8')).toContain('ship.txt');
      expect(readdirSync(folder)).toEqual(['ship.txt']);
    },
  );

  it('demo:team: a folder that is not there, an unknown option → said, and an exit code', async () => {
    const data = temporaryFolder();
    const missing = await demo(['--folder', join(data, 'nowhere')], data);
    expect(missing.code).toBe(1);
    expect(missing.output).toContain('is not a folder that can be read');
    const unknown = await demo(['--folders', data], data);
    expect(unknown.code).toBe(2);
    expect(unknown.output).toContain('Use: npm run demo:team');
  });
});

/** In a shell, as npm does it, with nothing of our environment that would lend it servers. */
async function demo(
  args: readonly string[],
  data: string,
): Promise<{ code: number | null; output: string; seconds: number }> {
  const began = Date.now();
  const [command = '', ...rest] = scripts['demo:team']!.split(' ');
  const child = spawn(command === 'node' ? process.execPath : command, [...rest, ...args], {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      JAVA_HOME: process.env.JAVA_HOME,
      NO_COLOR: '1',
      PERDURA_DATA_DIR: data,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    // One that hangs is told to end before vitest gives up on it: its output says where it was.
    timeout: 140_000,
    killSignal: 'SIGTERM',
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text: Buffer) => (output += text.toString()));
  }
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, output, seconds: Math.round((Date.now() - began) / 1_000) };
}

/** Processes that have inherited the name of the folder, or have it in their command line. */
function leftOf(folder: string): string[] {
  if (!existsSync('/proc/self/environ')) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) =>
      ['environ', 'cmdline'].some((file) => textOf(`/proc/${pid}/${file}`).includes(folder)),
    );
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // It has ended meanwhile, or is another user's.
    return '';
  }
}
