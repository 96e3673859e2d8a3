/**
 * The same turns with LangGraph JS and with DBOS, beside ours: one turn of each after the
 * other, all against the same model server and the same PostgreSQL. They live in a package of
 * their own, `peers/`, which is installed here when it is not.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { messageOf, startPerdura } from './conversations.js';
import type { Environment } from './environment.js';
import { readGrowth } from './history.js';
import { measureDelegation, renderDelegation, type DelegationResult } from './peer-delegation.js';
import { PEERS_FOLDER, sizeOf, startPeer } from './peer-process.js';
import type { Contender, PeerResult } from './contender.js';
import { median, timed } from './statistics.js';

export async function runPeers(
  environment: Environment,
  { turns, quick }: { turns: number; quick: boolean },
  progress: (text: string) => void,
): Promise<{ text: string; results: PeerResult[]; delegation: DelegationResult[] }> {
  // Also where an earlier version of this page has installed fewer of them.
  if (!existsSync(`${PEERS_FOLDER}node_modules/@langchain/langgraph-supervisor`)) {
    progress('installing bench/peers');
    // Their peer ranges disagree about versions that work together.
    const args = ['ci', '--prefix', PEERS_FOLDER, '--legacy-peer-deps', '--silent'];
    execFileSync('npm', args, { stdio: 'inherit', shell: process.platform === 'win32' });
  }
  progress(`peers: ${turns} turns`);
  const contenders: Contender[] = [];
  try {
    contenders.push(await ours(environment));
    for (const peer of ['langgraph', 'dbos'] as const)
      contenders.push(await startPeer(environment, peer));
    for (let turn = 1; turn <= turns; turn++) {
      for (const each of contenders) each.times.push(await each.turn(messageOf(turn)));
    }
    const results: PeerResult[] = [];
    for (const { name, times, bytes } of contenders) {
      const [startMs, endMs] = [median(times.slice(10, 30)), median(times.slice(-10))];
      results.push({ name, startMs, endMs, ...(await bytes()) });
    }
    progress('peers: sub-agents');
    const delegation = await measureDelegation(environment, quick ? 10 : 60);
    return {
      text: `${render(results, turns)}\n\n${renderDelegation(delegation)}`,
      results,
      delegation,
    };
  } finally {
    for (const each of contenders) await each.stop();
  }
}

async function ours(environment: Environment): Promise<Contender> {
  const worker = await environment.startWorker('perdura');
  const database = new URL(environment.databaseUrl).pathname.slice(1);
  const size = () => sizeOf(environment.databaseUrl, database, 'perdura');
  const before = await size();
  const conversation = await startPerdura(environment);
  return {
    name: 'Perdura',
    times: [],
    turn: (text) => timed(() => conversation.turn(text)),
    bytes: async () => ({
      databaseBytes: (await size()) - before,
      historyBytes: (await readGrowth(environment.client, conversation.workflowId)).bytes,
    }),
    stop: async () => {
      await conversation.end();
      await worker.stop();
    },
  };
}

function render(results: readonly PeerResult[], turns: number): string {
  const row = (cells: readonly string[]) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(30) : cell.padStart(16))).join('');
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(2)} MB`;
  const head = ['', 'turns 11–30', `turns ${turns - 9}–${turns}`, 'in PostgreSQL', 'in Temporal'];
  return [
    row(head),
    ...results.map(({ name, startMs, endMs, databaseBytes, historyBytes }) =>
      row([
        name,
        `${startMs.toFixed(1)} ms`,
        `${endMs.toFixed(1)} ms`,
        mb(databaseBytes),
        historyBytes > 0 ? mb(historyBytes) : '–',
      ]),
    ),
  ].join('\n');
}
