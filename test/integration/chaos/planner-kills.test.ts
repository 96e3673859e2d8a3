/** Workers are killed in the middle of plans: at model calls, in rounds, while steps fail and are replanned. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { AgentRuntime } from '../../../src/client/agent-runtime.js';
import { migrate } from '../../../src/store/migrate.js';
import { Ledger } from '../../../src/testing/ledger.js';
import { replayHistory } from '../../../src/testing/replay.js';
import { ScriptedModel, type SeenRequest } from '../../../src/testing/scripted-model.js';
import { eventually } from '../../support/observe.js';
import { WorkerProcesses } from '../../support/worker-process.js';

const KILLS = Number(process.env.PERDURA_SWEEP_KILLS ?? 8);
const SESSIONS = 5;
const TURNS = 3;
const name = `p${randomBytes(5).toString('hex')}`;

/** The answer follows from the request alone, so every attempt at a step gets the same one. */
function answer(request: SeenRequest) {
  const { messages, lastUserText } = request;
  const start = messages.findLastIndex(
    ({ role, text }) => role === 'user' && text.startsWith('go '),
  );
  const of = messages[start]!.text.slice(3);
  const plans = messages
    .slice(start)
    .flatMap(({ calls }) => calls.filter((call) => call.name === 'make_plan'));
  const make = (...steps: object[]) => ({
    toolCalls: [{ id: `plan-${of}-${plans.length}`, name: 'make_plan', arguments: { steps } }],
  });
  const keep = (id: string, text: unknown) => ({
    id,
    use: 'keep',
    args: { label: `${of}.${id}`, text },
  });
  if (plans.length === 0) {
    return make(
      keep('a', 'one'),
      keep('b', 'two'),
      keep('c', { $text: [{ $from: 'a' }, '+', { $from: 'b' }] }),
      { id: 'x', use: 'fail', args: { label: of }, after: ['c'] },
      keep('never', { $from: 'x' }),
    );
  }
  if (lastUserText.includes('Failed: x'))
    return make(keep('d', { $from: 'c' }), keep('e', { $from: 'd' }));
  return { text: `finished ${of}` };
}

describe('planner under kills', () => {
  let folder: string;
  let model: ScriptedModel;
  let ledger: Ledger;
  let runtime: AgentRuntime;
  let processes: WorkerProcesses | undefined;
  let progress = 0;
  let kills = 0;

  /** Kills a worker each time that so much has happened: no clock decides. */
  const onProgress = (pid?: number) => {
    progress += 1;
    // Of a turn: three model calls, five effects.
    if (kills >= KILLS || progress < ((kills + 1) * SESSIONS * TURNS * 8) / (KILLS + 2)) return;
    const alive = processes!.workers.filter((worker) => worker.pid !== undefined && worker.isReady);
    const victim = alive.find((worker) => worker.pid === pid) ?? alive[progress % alive.length];
    if (!victim) return;
    kills += 1;
    victim.kill('SIGKILL');
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'perdura-plans-'));
    await migrate(inject('databaseUrl'));
    [model, ledger] = await Promise.all([
      ScriptedModel.start(),
      Ledger.start(join(folder, 'ledger.jsonl')),
    ]);
    model.reply(/./, (request) => {
      onProgress();
      return answer(request);
    });
    ledger.onEntry(({ pid }) => onProgress(pid));
    processes = await WorkerProcesses.start({
      modelUrl: model.baseUrl,
      ledgerUrl: ledger.url,
      taskQueue: name,
      config: 'planning.config.ts',
      environment: {
        // Continues as new every turn or two, also in the middle of a plan.
        PERDURA_HISTORY_LIMIT: '60',
      },
    });
    ({ runtime } = processes);
  });
  afterAll(async () => {
    await processes?.stop();
    await ledger?.stop();
    await model?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it(`F1 F2 C5 planner: ${KILLS} kills in ${SESSIONS * TURNS} plans → each step once, replanned once, histories replay`, async () => {
    const sessions = await Promise.all(
      Array.from({ length: SESSIONS }, (_, i) => runtime.start({ session: `plan-${i}` })),
    );
    await Promise.all(
      sessions.map(async (session, i) => {
        for (let turn = 1; turn <= TURNS; turn++) {
          const { text } = await session.ask(`go ${i}-${turn}`);
          expect(text).toBe(`finished ${i}-${turn}`);
        }
      }),
    );
    expect(kills).toBe(KILLS);
    const effects = ledger.entries.filter(({ effect }) => effect).map(({ label }) => label);
    const wanted = sessions.flatMap((_, i) =>
      Array.from({ length: TURNS }, (_, turn) =>
        ['a', 'b', 'c', 'd', 'e'].map((id) => `${i}-${turn + 1}.${id}`),
      ).flat(),
    );
    expect([...effects].sort()).toEqual([...wanted].sort());
    expect(ledger.doubled()).toEqual([]);
    for (const session of sessions) {
      const { turns } = await eventually(async () => {
        const timeline = await session.timeline();
        return timeline.turns.every(({ outcome }) => outcome === 'completed') && timeline;
      });
      for (const { plans = [] } of turns) {
        expect(plans.map(({ steps }) => steps.map(({ id, state }) => `${id} ${state}`))).toEqual([
          ['a done', 'b done', 'c done', 'x failed', 'never open'],
          ['d done', 'e done'],
        ]);
      }
      const handle = runtime.temporal.workflow.getHandle(session.workflowId);
      await replayHistory(await handle.fetchHistory());
    }
    console.log(
      `planner kills: ${kills} kills, ${SESSIONS * TURNS} plans, ${effects.length} effects, ${ledger.entries.length} attempts: lost 0 · doubled 0`,
    );
  }, 240_000);
});
