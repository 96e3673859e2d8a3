/**
 * `npm run example 01`: runs the example whose name begins with that. `npm run example all`
 * runs them all on one pair of servers, and exits with 1 when one of them was wrong.
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { findServers } from './support.js';

const HERE = new URL('./', import.meta.url);
const FIRST = 'basic-agent';
const examples = [
  FIRST,
  ...readdirSync(HERE)
    .filter((name) => /^\d\d-/.test(name))
    .sort(),
];
const wanted = process.argv[2] ?? '';
const chosen =
  wanted === 'all' ? examples : examples.filter((name) => wanted && name.startsWith(wanted));

if (chosen.length === 0) {
  console.error(`Which one? npm run example ${FIRST}\n\n  ${[...examples, 'all'].join('\n  ')}`);
  process.exitCode = 1;
} else if (chosen.length === 1) {
  process.exitCode = await run(chosen[0]!);
} else {
  const { startTestServers } = await import('perdura/testing');
  const servers = await startTestServers(await findServers());
  Object.assign(process.env, {
    TEMPORAL_ADDRESS: servers.temporalAddress,
    DATABASE_URL: servers.databaseUrl,
  });
  const failed: string[] = [];
  for (const name of chosen) {
    console.log(`\n── ${name} ──`);
    if ((await run(name)) !== 0) failed.push(name);
  }
  await servers.stop();
  console.log(
    failed.length === 0 ? `\nAll ${chosen.length} are right.` : `\nWrong: ${failed.join(', ')}`,
  );
  process.exitCode = failed.length === 0 ? 0 : 1;
}

/** A process of its own for each, as a reader would start it. */
function run(name: string): Promise<number> {
  const main = fileURLToPath(new URL(name === FIRST ? `${name}.ts` : `${name}/main.ts`, HERE));
  const child = spawn(process.execPath, ['--import', 'tsx', main], { stdio: 'inherit' });
  // Ctrl-C reaches the child too; this process waits until it has cleaned up.
  process.on('SIGINT', () => undefined);
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
}
