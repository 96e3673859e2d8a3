/**
 * `npm run bench -- [--json FILE] [--turns 200] [--sessions 5] [--quick] [--peers]`: what
 * Perdura costs and how fast it is, beside a hand-written Temporal loop, in one run. What is
 * measured, and how, is in README.md.
 */
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { startEnvironment } from './environment.js';
import { measureAll, measureStore } from './measure.js';
import { runPeers } from './peers.js';
import { renderReport, renderStoreReport } from './report.js';

const USE = `npm run bench -- [--json FILE] [--turns 200] [--sessions 5] [--quick] [--strict] [--profile DIR]
                [--peers | --only-peers | --only-store]
What is measured, and how: bench/README.md`;

const { values } = readArguments({
  options: {
    help: { type: 'boolean', default: false },
    json: { type: 'string' },
    turns: { type: 'string' },
    sessions: { type: 'string' },
    /** Fewer sessions and turns: to see that everything works, not how fast it is. */
    quick: { type: 'boolean', default: false },
    /** LangGraph, its supervisor and DBOS too (their packages are installed first). */
    peers: { type: 'boolean', default: false },
    /** Only those. */
    'only-peers': { type: 'boolean', default: false },
    /** The store by itself, and nothing else. */
    'only-store': { type: 'boolean', default: false },
    /** Writes V8 CPU profiles of the workers into this folder. */
    profile: { type: 'string' },
    /** Exit code 1 when a goal is missed. */
    strict: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(USE);
  process.exit(0);
}
const quick = values.quick;
const plan = {
  turns: whole('turns', values.turns, quick ? 60 : 200, 50),
  sessions: whole('sessions', values.sessions, quick ? 1 : 5, 1),
  quick,
};

const environment = await startEnvironment(
  values.profile === undefined ? {} : { profileDir: values.profile },
);
let missed = 0;
try {
  const progress = (text: string) => process.stderr.write(`  ${text}\n`);
  const machine = {
    cpus: cpus().length,
    node: process.version,
    temporal: environment.temporalKind,
    quick,
  };
  const only = values['only-peers'] || values['only-store'];
  const results = only
    ? undefined
    : { at: new Date().toISOString(), machine, ...(await measureAll(environment, plan, progress)) };
  if (results) {
    const report = renderReport(results);
    missed = report.missed;
    console.log(`\n${report.text}\n`);
  }
  const store = values['only-store'] ? await measureStore(environment, plan, progress) : undefined;
  if (store) {
    const report = renderStoreReport(store);
    missed = report.missed;
    console.log(`\n${report.text}\n`);
  }
  const wanted = values.peers || values['only-peers'];
  const peers = wanted ? await runPeers(environment, plan, progress) : undefined;
  if (peers) console.log(`${peers.text}\n`);
  const json = {
    ...results,
    ...store,
    ...(peers ? { peers: peers.results, peerDelegation: peers.delegation } : {}),
  };
  if (values.json) await writeFile(values.json, `${JSON.stringify(json, null, 2)}\n`);
} finally {
  await environment.stop();
}
process.exitCode = values.strict && missed > 0 ? 1 : 0;

function whole(name: string, text: string | undefined, otherwise: number, least: number): number {
  const value = Number(text ?? otherwise);
  if (Number.isInteger(value) && value >= least) return value;
  console.error(`--${name} is "${text}": use a whole number from ${least}.`);
  process.exit(2);
}

function readArguments<T extends ParseArgsConfig>(config: T) {
  try {
    return parseArgs<T>(config);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${USE}`);
    process.exit(2);
  }
}
