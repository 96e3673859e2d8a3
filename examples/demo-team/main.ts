/**
 * `npm run demo:team`: four agents in a group answer a question about real files. The first one
 * plans; a step of its plan fails, and it plans anew; the worker of a sub-agent is killed in the
 * middle of a tool call, and another one goes on. What happened is counted from outside.
 *
 *     npm run demo:team -- "What is known about crane 2?" --folder ./my-notes
 *
 * Exits with 0 only if the report was written, nothing was lost, nothing was doubled, and every
 * process that was started has ended.
 */
import { existsSync, statSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { AgentRuntime, PerduraError, withRemedy } from 'perdura';
import { Ledger } from 'perdura/testing';
import { readSettings } from '../../src/config/environment.js';
import { startDevStack, type DevStack } from '../../src/stack/dev.js';
import { StartedProcesses } from '../demo/started-processes.js';
import { count } from './count.js';
import { gather } from './gather.js';
import { printReport } from './print-report.js';
import { Team } from './team.js';

const QUESTION = 'What is known about crane 2, and which file is the longest?';
const HERE = new URL('./', import.meta.url);
/** For the team to fall silent, ms. A real model takes its time. */
const PATIENCE_MS = { offline: 50_000, real: 300_000 };

const { values, positionals } = readArguments();
const question = positionals.join(' ') || QUESTION;
const folder = resolve(values.folder ?? fileURLToPath(new URL('folder', HERE)));

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  console.error(error instanceof PerduraError ? withRemedy(error) : error);
  process.exitCode = 1;
}

function readArguments() {
  try {
    return parseArgs({ allowPositionals: true, options: { folder: { type: 'string' } } });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    console.error(
      `${why}\nUse: npm run demo:team -- "Your question about the files" --folder ./notes`,
    );
    process.exit(2);
  }
}

async function main(): Promise<boolean> {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) {
    throw new PerduraError(
      'Config.Invalid',
      `--folder ${folder} is not a folder that can be read.`,
    );
  }
  const began = Date.now();
  const configFile = fileURLToPath(new URL('perdura.config.ts', HERE));
  const settings = { ...readSettings(), configFile };
  const out = join(settings.dataDir, 'demo-team');
  // The report of an earlier run is not taken for this one's.
  await rm(out, { recursive: true, force: true });
  await mkdir(settings.dataDir, { recursive: true, mode: 0o711 });
  await mkdir(out);
  const ledger = await Ledger.start(join(out, 'ledger.jsonl'));
  // The worker processes inherit these; the configuration reads them.
  Object.assign(process.env, { DEMO_FOLDER: folder, DEMO_OUT: out, DEMO_LEDGER: ledger.url });
  console.log('Starting Temporal, PostgreSQL and two workers (the first time takes longer) …');
  const started = new StartedProcesses();
  let stack: DevStack | undefined;
  let wrong: string[] = ['The demo did not come to its end.'];
  let clean = false;
  try {
    stack = await startDevStack({
      settings,
      workers: 2,
      onProgress: (text) => console.log(`  ${text}`),
    });
    started.note();
    if (stack.modelBaseUrl) {
      console.log(
        '  No OPENAI_API_KEY: a scripted offline model plays every agent, over real HTTP.',
      );
    }
    wrong = await work(stack, ledger, join(out, 'report.md'));
  } finally {
    started.note();
    await stack?.stop();
    await ledger.stop();
    clean = await started.sayWhatIsLeft();
  }
  for (const each of wrong) console.log(`Wrong: ${each}`);
  console.log(`Took ${((Date.now() - began) / 1_000).toFixed(0)} s.`);
  return wrong.length === 0 && clean;
}

/** Lets the team work, prints what came of it, and answers what is not as it should be. */
async function work(stack: DevStack, ledger: Ledger, report: string): Promise<string[]> {
  await using runtime = await AgentRuntime.connect({
    temporalAddress: stack.temporalAddress,
    databaseUrl: stack.databaseUrl,
  });
  const offline = stack.modelBaseUrl !== undefined;
  const team = await Team.meet(runtime, ledger);
  await team.solve(question, {
    folder,
    patienceMs: offline ? PATIENCE_MS.offline : PATIENCE_MS.real,
  });
  const facts = await gather(runtime, team, ledger, report);
  const counts = count(facts);
  printReport(facts, counts);
  console.log(`
Look further:
${[
  ['npx perdura dev', 'start the stack and keep it'],
  [`npx perdura show ${team.lead.id} --tree`, 'the lead with its plan and its sub-agents'],
  [`npx perdura groups history ${team.group}`, 'what was said'],
  ['docs/agents.md', 'how agents work together'],
]
  .map(([command, what]) => `  ${command!.padEnd(42)} ${what}`)
  .join('\n')}`);
  await team.part();
  // A real model may plan otherwise than it was told; the scripted one may not.
  const missing = offline
    ? [
        ...(facts.kill ? [] : ['No worker was killed.']),
        ...(facts.plans.some(({ because }) => because === 'failed')
          ? []
          : ['No plan was made after a failure.']),
      ]
    : [];
  return [...counts.wrong, ...missing];
}
