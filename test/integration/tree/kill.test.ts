/** A tree whose worker processes are killed while it works: every task is done once. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { AgentRuntime } from '../../../src/client/agent-runtime.js';
import { migrate } from '../../../src/store/migrate.js';
import { ScriptedModel } from '../../../src/testing/scripted-model.js';
import { WorkerProcesses } from '../../support/worker-process.js';
import { userTexts } from '../../support/observe.js';
import { allEnded, below, by, replayTree, told } from '../../support/tree.js';

const name = `kt${randomBytes(5).toString('hex')}`;
const WIDTH = 4;
const KILLS = Number(process.env.PERDURA_TREE_KILLS ?? 4);

describe('kill in a tree', () => {
  let model: ScriptedModel;
  let runtime: AgentRuntime;
  let processes: WorkerProcesses | undefined;
  let requests = 0;
  let kills = 0;

  beforeAll(async () => {
    await migrate(inject('databaseUrl'));
    model = await ScriptedModel.start();
    /** Each time that so many requests have come: in the middle of a call. */
    const onRequest = () => {
      requests += 1;
      if (kills >= KILLS || requests < (kills + 1) * 5) return;
      // Also the only one, while the other is started again.
      const ready = processes!.workers.filter((worker) => worker.isReady);
      const victim = ready[kills % Math.max(1, ready.length)];
      if (!victim) return;
      kills += 1;
      victim.kill('SIGKILL');
    };
    const passing = (agent: string, to: string) =>
      model.reply(by(agent), (r) => {
        onRequest();
        if (told(r).length > 0) return { text: told(r).join(','), chunkSize: 4, chunkDelayMs: 5 };
        return {
          toolCalls: Array.from({ length: WIDTH }, (_, i) => ({
            name: to,
            arguments: { task: `${r.lastUserText}.${i}` },
          })),
        };
      });
    passing('top', 'middle');
    passing('middle', 'leaf');
    model.reply(by('leaf'), (r) => {
      onRequest();
      return { text: r.lastUserText, chunkSize: 2, chunkDelayMs: 20 };
    });
    processes = await WorkerProcesses.start({
      modelUrl: model.baseUrl,
      taskQueue: name,
      config: 'tree.config.ts',
    });
    ({ runtime } = processes);
  });
  afterAll(async () => {
    await processes?.stop();
    await model?.stop();
  });

  it('tree: its workers are killed while it works → each task given once, every answer in its place', async () => {
    const session = await runtime.start({ agent: 'top' });
    const { text } = await session.ask('t');
    const leaves = Array.from(
      { length: WIDTH ** 2 },
      (_, i) => `t.${Math.floor(i / WIDTH)}.${i % WIDTH}`,
    );
    expect(text.split(',')).toEqual(leaves);
    expect(kills).toBe(KILLS);
    await allEnded({ runtime }, session);
    const children = await below({ runtime }, session);
    expect(children).toHaveLength(WIDTH + WIDTH ** 2);
    const tasks: string[] = [];
    for (const child of children) {
      tasks.push(...userTexts(await runtime.session(child.session).transcript()));
    }
    expect(tasks.sort()).toEqual(
      [...leaves, ...Array.from({ length: WIDTH }, (_, i) => `t.${i}`)].sort(),
    );
    expect(await replayTree({ runtime }, session)).toBe(1 + children.length);
  }, 180_000);
});
