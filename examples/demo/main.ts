/**
 * `npm run demo`: an agent answers a question about real files; its worker is killed in the
 * middle of a tool call; another one goes on. What happened is counted from outside.
 *
 *     npm run demo -- "Which file mentions crane 2?" --folder ./my-notes
 *
 * Exits with 0 only if the answer came, nothing was lost, nothing was doubled, and every
 * process that was started has ended.
 */
import { existsSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { AgentRuntime, PerduraError, withRemedy } from 'perdura';
import { Ledger } from 'perdura/testing';
import { readSettings } from '../../src/config/environment.js';
import { startDevStack, type DevStack } from '../../src/stack/dev.js';
import { Narrator } from './narrator.js';
import { printTimeline } from './print-timeline.js';
import { StartedProcesses } from './started-processes.js';

const QUESTION =
  'Read the files in the folder. What do they say about crane 2, and which file is the longest?';
const CONFIG = fileURLToPath(new URL('./perdura.config.ts', import.meta.url));

const { values, positionals } = readArguments();
const question = positionals.join(' ') || QUESTION;
const folder = resolve(values.folder ?? fileURLToPath(new URL('./folder', import.meta.url)));

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
    console.error(`${why}\nUse: npm run demo -- "Your question about the files" --folder ./notes`);
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
  const settings = { ...readSettings(), configFile: CONFIG };
  await mkdir(settings.dataDir, { recursive: true, mode: 0o711 });
  const ledger = await Ledger.start(join(settings.dataDir, 'demo-ledger.jsonl'));
  // The worker processes inherit these; the configuration reads them.
  Object.assign(process.env, { DEMO_FOLDER: folder, DEMO_LEDGER: ledger.url });
  console.log('Starting Temporal, PostgreSQL and two workers (the first time takes longer) …');
  let stack: DevStack | undefined;
  let good = false;
  let clean = false;
  const started = new StartedProcesses();
  try {
    stack = await startDevStack({
      settings,
      workers: 2,
      onProgress: (text) => console.log(`  ${text}`),
    });
    started.note();
    if (stack.modelBaseUrl) {
      console.log('  No OPENAI_API_KEY: a scripted offline model answers, over real HTTP.');
    }
    good = await converse(stack, ledger);
  } finally {
    started.note();
    await stack?.stop();
    await ledger.stop();
    clean = await started.sayWhatIsLeft();
  }
  return good && clean;
}

async function converse(stack: DevStack, ledger: Ledger): Promise<boolean> {
  const runtime = await AgentRuntime.connect({
    temporalAddress: stack.temporalAddress,
    databaseUrl: stack.databaseUrl,
  });
  try {
    const session = await runtime.start({ title: 'demo' });
    const narrator = new Narrator();
    let killed: number | undefined;
    ledger.onEntry(({ pid, attempt }) => {
      if (attempt > 1 || killed !== undefined) return;
      killed = pid;
      narrator.say(`\n✗ the tool has taken effect and waits — kill -9 ${pid}, its worker\n`);
      process.kill(pid, 'SIGKILL');
    });
    console.log(`\n> ${question}\n`);
    const receipt = await session.send(question);
    let answered = false;
    for await (const item of session.events()) {
      narrator.show(item, killed);
      if (item.type === 'turn.completed') answered = true;
      if (item.type.startsWith('turn.') && item.type !== 'turn.started') break;
    }
    console.log('\n\nTool effects, counted by the ledger (a process outside the runtime):');
    for (const { key, attempt, effect, pid } of ledger.entries) {
      console.log(
        `  ${key.slice(0, 8)}…  attempt ${attempt} from worker ${pid}: ${effect ? 'took effect' : 'known already, no effect'}`,
      );
    }
    console.log('\nTimeline:');
    printTimeline(await session.timeline());
    const transcript = await session.transcript();
    const lost = transcript.some(
      ({ message }) => message.role === 'user' && message.id === receipt.id,
    )
      ? 0
      : 1;
    const doubled = ledger.doubled().length;
    console.log(`\nlost ${lost} · doubled ${doubled}`);
    if (killed === undefined) {
      console.log('(The model did not call record_finding, so no worker was killed this time.)');
    }
    console.log(`
Look further:
  npx perdura dev                      start the stack and keep it
  npx perdura show ${session.id}   this session again, from the store
  npx perdura chat                     talk to an agent in the terminal
  docs/architecture.md                 how it works`);
    // A real model may do otherwise than it was told; the scripted one may not.
    const shown = killed !== undefined || stack.modelBaseUrl === undefined;
    return answered && shown && lost === 0 && doubled === 0;
  } finally {
    await runtime.close();
  }
}
