/**
 * A task for another agent, ours beside LangGraph's supervisor: turns that give a task away and turns
 * that call a tool instead, one of each side after the other, in one conversation of each. Both sides
 * make three model calls for the one and two for the other, against the same model server.
 */
import type { Environment } from './environment.js';
import { startPeer } from './peer-process.js';
import { median, timed } from './statistics.js';

export interface DelegationResult {
  readonly name: string;
  /** Medians, ms. */
  readonly withMs: number;
  readonly withoutMs: number;
  readonly overheadMs: number;
}

interface Side {
  readonly name: string;
  readonly times: { readonly delegate: number[]; readonly alone: number[] };
  turn(text: string): Promise<number>;
  stop(): Promise<void>;
}

/** The first rounds open connections and fill caches, and are not counted. */
const WARM_UP = 5;

/** Needs a worker of ours that runs. Ours is the first result. */
export async function measureDelegation(
  environment: Environment,
  rounds: number,
): Promise<DelegationResult[]> {
  const sides: Side[] = [];
  try {
    sides.push(await ours(environment));
    const peer = await startPeer(environment, 'supervisor');
    sides.push({
      name: peer.name,
      times: { delegate: [], alone: [] },
      turn: (text) => peer.turn(text),
      stop: () => peer.stop(),
    });
    for (let round = 0; round < WARM_UP + rounds; round++) {
      for (const { times, turn } of sides) {
        times.alone.push(await turn(`What is 40 and 2? (${round})`));
        times.delegate.push(await turn(`@delegate what is 40 and 2? (${round})`));
      }
    }
    return sides.map(({ name, times }) => {
      const withMs = median(times.delegate.slice(WARM_UP));
      const withoutMs = median(times.alone.slice(WARM_UP));
      return { name, withMs, withoutMs, overheadMs: withMs - withoutMs };
    });
  } finally {
    for (const each of sides) await each.stop();
  }
}

async function ours({ runtime }: Environment): Promise<Side> {
  const session = await runtime.start({ agent: 'lead' });
  let tasks = 0;
  return {
    name: 'Perdura',
    times: { delegate: [], alone: [] },
    turn: (text) =>
      timed(async () => {
        if (text.startsWith('@delegate')) tasks += 1;
        const answer = await session.ask(text);
        if (!answer.text.includes('42')) throw new Error(`Perdura answered "${answer.text}".`);
      }),
    stop: async () => {
      const begun = (await session.below()).length;
      await session.end();
      if (begun !== tasks) throw new Error(`${begun} sub-agents of ${tasks} began.`);
    },
  };
}

export function renderDelegation(results: readonly DelegationResult[]): string {
  const row = (cells: readonly string[]) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(30) : cell.padStart(16))).join('');
  const ms = (value: number) => `${value.toFixed(1)} ms`;
  const [first] = results;
  return [
    row(['', 'with a sub-agent', 'with a tool', 'overhead', 'ours over it']),
    ...results.map(({ name, withMs, withoutMs, overheadMs }) =>
      row([
        name,
        ms(withMs),
        ms(withoutMs),
        ms(overheadMs),
        name === first!.name ? '' : `${(first!.withMs / withMs).toFixed(2)} ×`,
      ]),
    ),
  ].join('\n');
}
