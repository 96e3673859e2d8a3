/**
 * The kill sweep: worker processes are killed with SIGKILL, again and again, in the middle of
 * model calls and tools, while messages come in; then everything is counted.
 *
 *     PERDURA_SWEEP_KILLS=200 PERDURA_SWEEP_MESSAGES=5000 PERDURA_SWEEP_SEED=7 npx vitest run kill-sweep
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { History } from '@temporalio/common/lib/proto-utils.js';
import { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { AgentRuntime } from '../../../src/client/agent-runtime.js';
import type { Session } from '../../../src/client/session.js';
import { HANDLERS } from '../../../src/contracts/session.js';
import { migrate } from '../../../src/store/migrate.js';
import { Ledger } from '../../../src/testing/ledger.js';
import { ScriptedModel, type SeenRequest } from '../../../src/testing/scripted-model.js';
import { buildBundle } from '../../../worker/bundle.js';
import { seeded } from '../../support/random.js';
import { WorkerProcesses } from '../../support/worker-process.js';

const KILLS = Number(process.env.PERDURA_SWEEP_KILLS ?? 20);
const MESSAGES = Number(process.env.PERDURA_SWEEP_MESSAGES ?? 500);
const SESSIONS = 10;
/**
 * The Java test server hands an update to the workflow ahead of a signal that its history has
 * earlier, when both come in one task; then signals and updates are each in order.
 */
const TOTAL_ORDER = inject('production');
const SEED = Number(process.env.PERDURA_SWEEP_SEED ?? randomBytes(3).readUIntBE(0, 3));
const name = `k${randomBytes(5).toString('hex')}`;

const TOOLS = ['look', 'note', 'mark', 'stamp'] as const;

/** Which tools a message makes the model call: decided by the message, so that a retry decides the same. */
function toolsFor(text: string): string[] {
  const n = Number(/m-(\d+)/.exec(text)?.[1] ?? 0);
  const first = TOOLS[n % 5];
  return first === undefined ? [] : n % 3 === 0 ? [first, TOOLS[(n + 1) % 4]!] : [first];
}

function answer(request: SeenRequest) {
  const of = request.lastUserText;
  const pace = { chunkSize: 4, chunkDelayMs: 4 };
  if (request.messages.at(-1)?.role !== 'user') return { ...pace, text: `finished ${of}` };
  const calls = toolsFor(of);
  return calls.length === 0
    ? { ...pace, text: `finished ${of}` }
    : { toolCalls: calls.map((tool) => ({ name: tool, arguments: { of } })) };
}

describe('kill sweep', () => {
  let model: ScriptedModel;
  let ledger: Ledger;
  let runtime: AgentRuntime;
  let folder: string;
  let processes: WorkerProcesses | undefined;
  const random = seeded(SEED);
  let progress = 0;
  let kills = 0;

  /** Kills a worker each time that so much has happened: no clock decides. */
  const onProgress = (pid?: number) => {
    progress += 1;
    if (kills >= KILLS || progress < ((kills + 1) * MESSAGES * 2) / (KILLS + 2)) return;
    const alive = processes!.workers.filter((worker) => worker.pid !== undefined && worker.isReady);
    const victim =
      alive.find((worker) => worker.pid === pid) ?? alive[Math.floor(random() * alive.length)];
    if (!victim) return;
    kills += 1;
    // Every fifth worker is asked to end, and hands over what it cannot finish (F5).
    victim.kill(kills % 5 === 0 ? 'SIGTERM' : 'SIGKILL');
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'perdura-sweep-'));
    await migrate(inject('databaseUrl'));
    [model, ledger] = await Promise.all([
      ScriptedModel.start(),
      Ledger.start(join(folder, 'ledger.jsonl')),
    ]);
    model.reply(/./, (request) => {
      onProgress();
      return answer(request);
    });
    // In the middle of the tool: the ledger has written, the tool has not yet heard so.
    ledger.onEntry(({ pid }) => onProgress(pid));
    processes = await WorkerProcesses.start({
      modelUrl: model.baseUrl,
      ledgerUrl: ledger.url,
      taskQueue: name,
      environment: {
        // Each session continues as new every few turns, so kills fall into that too (F4).
        PERDURA_HISTORY_LIMIT: '120',
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

  it(`F1 F2 F3 F4 F5 workers: ${KILLS} kills among ${MESSAGES} messages → lost 0, doubled 0, in order`, async () => {
    const sessions = await Promise.all(
      Array.from({ length: SESSIONS }, (_, i) => runtime.start({ session: `sweep-${i}` })),
    );
    const accepted = await Promise.all(
      sessions.map((session, i) => sendAll(runtime, session, i, seeded(SEED + i))),
    );
    await Promise.all(sessions.map((session, i) => settled(session, accepted[i]!.length)));

    const bundle = { workflowBundle: await buildBundle() };
    let lost = 0;
    let runs = 0;
    let outOfOrder = 0;
    let doubledMessages = 0;
    let unanswered = 0;
    for (const [i, session] of sessions.entries()) {
      const transcript = await session.transcript();
      const taken = transcript.flatMap(({ message }) =>
        message.role === 'user' ? [message.id] : [],
      );
      lost += accepted[i]!.filter((id) => !taken.includes(id)).length;
      doubledMessages += taken.length - new Set(taken).size;
      const acceptance = await acceptedInOrder(runtime, session.workflowId);
      // What a worker that is killed next would have to do.
      for (const history of acceptance.histories) {
        await Worker.runReplayHistory(bundle, history, session.workflowId);
      }
      runs += acceptance.runs;
      for (const ids of TOTAL_ORDER ? [acceptance.ids] : [acceptance.signals, acceptance.updates]) {
        const order = taken.filter((id) => ids.includes(id));
        outOfOrder += order.filter((id, at) => id !== ids[at]).length;
      }
      const said = transcript.flatMap(({ message }) =>
        message.role === 'assistant' && message.toolCalls === undefined ? [message.text] : [],
      );
      // What a run without faults says: one answer to each message, in order.
      unanswered += taken.filter((id, at) => said[at] !== `finished ${id}`).length;
    }
    const doubled = ledger.doubled().length + doubledMessages;
    const { attempts, unknown } = await audit(sessions);
    console.log(
      `seed ${SEED} · kills ${kills} · runs ${runs} · messages ${accepted.flat().length} · lost ${lost} · doubled ${doubled} · ` +
        `out of order ${outOfOrder} · stuck ${unanswered} · OUTCOME_UNKNOWN ${unknown} · ` +
        `model calls ${model.requests.length}, on record ${attempts}`,
    );
    expect({ kills, lost, doubled, outOfOrder, unanswered }).toEqual({
      kills: KILLS,
      lost: 0,
      doubled: 0,
      outOfOrder: 0,
      unanswered: 0,
    });
    expect(attempts).toBeGreaterThanOrEqual(model.requests.length);
  }, 600_000);
});

/** Sends one session's messages, in order: by update and by signal, some of them twice. */
async function sendAll(
  runtime: AgentRuntime,
  session: Session,
  i: number,
  random: () => number,
): Promise<string[]> {
  const ids: string[] = [];
  const handle = runtime.temporal.workflow.getHandle(session.workflowId);
  for (let j = 0; j < MESSAGES / SESSIONS; j++) {
    const id = `m-${i * 1_000 + j}`;
    const message = { id, text: id };
    if (random() < 0.3) await handle.signal(HANDLERS.message, message);
    else await session.send(message);
    if (random() < 0.1) await session.send(message);
    ids.push(id);
  }
  return ids;
}

/** Resolves when so many turns have ended. */
async function settled(session: Session, turns: number): Promise<void> {
  let ended = 0;
  for await (const item of session.events()) {
    if (item.type === 'turn.failed')
      throw new Error(`${item.failure.type}: ${item.failure.message}`);
    if (item.type === 'turn.completed' && ++ended === turns) return;
  }
}

/**
 * Ids of messages as Temporal accepted them: signals and updates in the order of the history,
 * over all runs of the workflow. That is the order that the transcript must have.
 */
async function acceptedInOrder(
  runtime: AgentRuntime,
  workflowId: string,
): Promise<{
  ids: string[];
  signals: string[];
  updates: string[];
  runs: number;
  histories: History[];
}> {
  const histories: History[] = [];
  const perRun: { id: string; signal: boolean }[][] = [];
  let runId: string | undefined;
  do {
    const handle = runtime.temporal.workflow.getHandle(workflowId, runId);
    const history = await handle.fetchHistory();
    const { events } = history;
    histories.unshift(history);
    perRun.unshift(
      (events ?? []).flatMap((event) => {
        const signaled = event.workflowExecutionSignaledEventAttributes?.input?.payloads?.[0];
        const payload =
          signaled ??
          event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest?.input?.args
            ?.payloads?.[0];
        if (!payload?.data) return [];
        const { id } = JSON.parse(Buffer.from(payload.data).toString()) as { id?: string };
        return id === undefined ? [] : [{ id, signal: signaled != null }];
      }),
    );
    const started = events?.[0]?.workflowExecutionStartedEventAttributes;
    runId = started?.continuedExecutionRunId || undefined;
  } while (runId !== undefined);
  // A message that came twice was accepted the first time.
  const all = perRun.flat().filter(({ id }, at, list) => list.findIndex((m) => m.id === id) === at);
  const idsOf = (signal: boolean) => all.filter((m) => m.signal === signal).map(({ id }) => id);
  return {
    ids: all.map(({ id }) => id),
    signals: idsOf(true),
    updates: idsOf(false),
    runs: perRun.length,
    histories,
  };
}

async function audit(sessions: Session[]): Promise<{ attempts: number; unknown: number }> {
  let attempts = 0;
  let unknown = 0;
  for (const session of sessions) {
    const { turns } = await session.timeline();
    for (const { steps } of turns) {
      for (const step of steps) {
        attempts += step.attempts.length;
        unknown += step.tools.filter(
          ({ result }) => result?.failure?.type === 'Tool.OutcomeUnknown',
        ).length;
      }
    }
  }
  return { attempts, unknown };
}
