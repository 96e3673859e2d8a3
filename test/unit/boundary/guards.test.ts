/** The guards that speak before the bundle does: types without Node, and who imports whom. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);

/** Output of a program of ours that must succeed; vitest shows it when it does not. */
async function succeeds(module: string, ...args: string[]): Promise<void> {
  const said = await run(process.execPath, [`node_modules/${module}`, ...args]).then(
    () => 'ok',
    ({ stdout, stderr }: { stdout: string; stderr: string }) => stdout + stderr,
  );
  expect(said).toBe('ok');
}

describe('boundary', () => {
  it('sandbox: workflows type-checked without Node and without the DOM → no error', () =>
    succeeds('typescript/bin/tsc', '-p', 'workflows/tsconfig.json'));

  it('rooms: every import of the product → allowed by the table of rooms', () =>
    succeeds(
      'dependency-cruiser/bin/dependency-cruise.mjs',
      ...['--config', '.dependency-cruiser.cjs', 'src', 'workflows', 'activities', 'worker'],
    ));
});
