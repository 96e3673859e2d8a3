/**
 * npm's `prepare`: builds after `npm ci` in a clone. Leaves an install alone that cannot
 * build (without the development dependencies, or without the sources).
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const there = (path) => existsSync(`${root}${path}`);

if (there('node_modules/typescript') && there('workflows/index.ts')) {
  const { status } = spawnSync('npm', ['run', '--silent', 'build'], {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  process.exitCode = status ?? 1;
}
