/**
 * Faults in pairs: something breaks at a place between a tool's effect and its record, for every
 * place and every effect (test/support/fault-pairs.ts). A ledger outside of the runtime counts
 * what the tools did.
 *
 *     PERDURA_PAIRS=all PERDURA_PAIRS_SEED=7 npx vitest run pairs
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { AgentRuntime } from '../../../src/client/agent-runtime.js';
import type { Session } from '../../../src/client/session.js';
import { HANDLERS } from '../../../src/contracts/session.js';
import { supervise, type SupervisedProcess } from '../../../src/stack/process-supervisor.js';
import { migrate } from '../../../src/store/migrate.js';
import { Ledger } from '../../../src/testing/ledger.js';
import {
  ScriptedModel,
  type ScriptedResponse,
  type SeenRequest,
} from '../../../src/testing/scripted-model.js';
import { DatabaseProxy } from '../../support/database-proxy.js';
import {
  batches,
  shuffled,
  titleOf,
  type AttackedTool,
  type Batch,
  type Fault,
} from '../../support/fault-pairs.js';
import { eventually } from '../../support/observe.js';
import { seeded } from '../../support/random.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { ToolGates } from '../../support/tool-gates.js';
import { workerProcessEnvironment } from '../../support/worker-process.js';

const SEED = Number(process.env.PERDURA_PAIRS_SEED ?? randomBytes(3).readUIntBE(0, 3));
const ALL = process.env.PERDURA_PAIRS === 'all';
const random = seeded(SEED);
const chosen = shuffled(batches({ all: ALL }), random).map(
  (batch) => [titleOf(batch), batch] as const,
);
/** In so many ms an interrupt has reached the tool or the model, whatever is away. */
const HEARD_MS = 2_000;
/** A session that has not answered after so many ms is stuck: twice the longest deadline. */
const STUCK_MS = 60_000;
const name = `p${randomBytes(5).toString('hex')}`;

/** A session under attack. */
interface Attacked {
  readonly session: Session;
  readonly tool: AttackedTool;
}

describe('fault pairs', () => {
  let model: ScriptedModel;
  let ledger: Ledger;
  let gates: ToolGates;
  let proxy: DatabaseProxy;
  let worker: SupervisedProcess;
  let runtime: AgentRuntime;
  const totals = { pairs: 0, effects: 0, unknown: 0, interrupted: 0, slowestStopMs: 0 };

  beforeAll(async () => {
    await migrate(inject('databaseUrl'));
    [model, ledger, gates, proxy] = await Promise.all([
      ScriptedModel.start(),
      Ledger.start(join(temporaryFolder(), 'ledger.jsonl')),
      ToolGates.start(),
      DatabaseProxy.before(inject('databaseUrl')),
    ]);
    model.reply(/^/, answer);
    const environment = () => ({
      ...workerProcessEnvironment({
        modelUrl: model.baseUrl,
        ledgerUrl: ledger.url,
        taskQueue: name,
        config: 'pairs.config.ts',
        databaseUrl: proxy.url,
      }),
      PAIRS_GATES: gates.url,
      NODE_OPTIONS: '--import tsx',
    });
    const module = fileURLToPath(new URL('../../fixtures/fault-worker.ts', import.meta.url));
    worker = await supervise({ name: 'worker', module, environment, stableAfterMs: 500 });
    runtime = await AgentRuntime.connect({
      temporalAddress: inject('temporalAddress'),
      databaseUrl: inject('databaseUrl'),
      tenant: name,
      taskQueue: name,
    });
  });

  // What one pair leaves broken must not fail the next.
  afterEach(async ({ task }) => {
    proxy.pass();
    if (task.result?.state !== 'fail') return;
    const { pid } = worker;
    worker.kill('SIGKILL');
    gates.open();
    await eventually(() => worker.isReady && worker.pid !== pid);
  });

  afterAll(async () => {
    const { pairs, effects, unknown, interrupted, slowestStopMs } = totals;
    console.log(
      `seed ${SEED} · pairs ${pairs} · effects ${effects} · OUTCOME_UNKNOWN ${unknown} · ` +
        `interrupted ${interrupted}, the slowest after ${slowestStopMs} ms`,
    );
    proxy?.pass();
    await worker?.stop();
    await runtime?.close();
    await Promise.all([model?.stop(), ledger?.stop(), gates?.stop(), proxy?.close()]);
  });

  it.each(chosen)(
    'F2 F5 F25 pair: %s → done once or told, nothing lost, the next message works',
    { timeout: 150_000 },
    async (_, batch) => {
      const attacked = await sessionsOf(batch);
      const arrived = await stand(batch, attacked);
      await strike(batch, attacked, arrived);
      const problems = await Promise.all(attacked.map((one) => examine(batch, one)));
      totals.pairs += attacked.length;
      expect(problems.flat()).toEqual([]);
    },
  );

  it.each(['outage', 'silence'] as const)(
    'F20 F25 pair: model speaking, database %s, turn interrupted → its stream is closed within 2 s, the next message works',
    { timeout: 150_000 },
    async (fault) => {
      const session = await runtime.start();
      await session.ask('next');
      await session.send({ id: 'speak', text: `speak ${session.id}` });
      const speaks = (request: SeenRequest) => request.lastUserText.endsWith(session.id);
      await model.until(({ requests }) => requests.some(speaks));
      breakDatabase(fault);
      const stoppedAt = Date.now();
      const stopped = interrupt(session);
      await model.until(({ closedEarly }) => closedEarly.some(({ request }) => speaks(request)));
      const closed = model.closedEarly.find(({ request }) => speaks(request))!;
      proxy.pass();
      await stopped;
      expect(closed.at - stoppedAt).toBeLessThan(HEARD_MS);
      expect((await session.ask('next')).text).toBe('next');
    },
  );

  async function sessionsOf({ tools }: Batch): Promise<Attacked[]> {
    await eventually(() => worker.isReady);
    return Promise.all(
      tools.map(async (tool) => {
        const session = await runtime.start();
        // Its worker, bus and connections are in use before anything breaks.
        expect((await session.ask('next')).text).toBe('next');
        return { session, tool };
      }),
    );
  }

  /** Has every session call its tool, and waits until all stand at the place. */
  async function stand({ place }: Batch, attacked: readonly Attacked[]): Promise<() => void> {
    const { stop } = place;
    const ids = new Set(attacked.map(({ session }) => session.id));
    let hold: { until: (count: number) => Promise<void> };
    let release: () => void;
    if ('gate' in stop) {
      gates.close(stop.gate);
      hold = gates;
      release = () => gates.open();
    } else {
      const held = proxy.hold((message) => {
        if (!stop.writes.test(message)) return undefined;
        // An artifact's statement comes before its values: whose it is is not known yet.
        const of = [...ids].find((id) => message.includes(id));
        return of ?? (message.includes('artifacts') ? `artifact ${random()}` : undefined);
      }, stop.at);
      hold = held;
      release = () => held.release();
    }
    for (const { session, tool } of attacked) {
      const long = place.long ? ' long' : '';
      await session.send({ id: 'call', text: `call ${tool.name} ${session.id}${long}` });
    }
    await within(20_000, hold.until(attacked.length), `${place.what} is not reached`);
    return release;
  }

  async function strike(
    { fault, interrupted, place }: Batch,
    attacked: readonly Attacked[],
    release: () => void,
  ): Promise<void> {
    const { pid } = worker;
    switch (fault) {
      case 'kill':
        worker.kill('SIGKILL');
        await eventually(() => worker.pid !== pid);
        release();
        return;
      case 'stop':
        worker.kill('SIGTERM');
        // What waits for a tool is handed over; what waits for PostgreSQL gets its answer.
        if (!('gate' in place.stop)) release();
        await eventually(() => worker.pid !== pid, 40_000);
        release();
        return;
      case 'outage':
      case 'silence':
        breakDatabase(fault);
        if (interrupted) await interruptAll(attacked, place.stop);
        release();
        if (fault === 'silence') return;
        // Long enough for a tool's three attempts to be used up.
        await eventually(() => proxy.refused > 3);
        await new Promise((resolve) => setTimeout(resolve, 1_000 + random() * 1_000));
        proxy.pass();
    }
  }

  function breakDatabase(fault: Fault): void {
    if (fault === 'outage') proxy.refuse();
    else proxy.silence();
  }

  /** Interrupts every turn, and waits until the tools that run have heard of it. */
  async function interruptAll(attacked: readonly Attacked[], stop: object): Promise<void> {
    const at = Date.now();
    for (const { session } of attacked) void interrupt(session).catch(() => undefined);
    if (!('gate' in stop)) return;
    for (const { session } of attacked) {
      const left = await eventually(() => gates.left.get(session.id), 15_000);
      totals.interrupted += 1;
      totals.slowestStopMs = Math.max(totals.slowestStopMs, left - at);
    }
    const slowest = Math.max(...attacked.map(({ session }) => gates.left.get(session.id)! - at));
    if (slowest > HEARD_MS) {
      proxy.pass();
      throw new Error(`An interrupt reached its tool after ${slowest} ms.`);
    }
  }

  function interrupt(session: Session): Promise<unknown> {
    return runtime.temporal.workflow
      .getHandle(session.workflowId)
      .executeUpdate(HANDLERS.interrupt, { args: [{ reason: 'enough' }] });
  }

  /** What is wrong with a session after its fault; empty for nothing. */
  async function examine(batch: Batch, { session, tool }: Attacked): Promise<string[]> {
    const problems: string[] = [];
    const wrong = (what: string) => problems.push(`${tool.name}: ${what}`);
    const ending = await session
      .answerTo('call', { signal: AbortSignal.timeout(STUCK_MS) })
      .then(({ text }) => text, typeOf);
    if (ending !== 'finished' && !(batch.interrupted && ending === 'Turn.Interrupted')) {
      wrong(`the turn ended with ${ending}`);
    }
    const next = await session
      .ask({ id: 'next-2', text: 'next' }, { signal: AbortSignal.timeout(STUCK_MS) })
      .then(({ text }) => text, typeOf);
    if (next !== 'next') wrong(`the next message ended with ${next}`);

    const transcript = await session.transcript();
    const users = transcript.flatMap(({ message: m }) => (m.role === 'user' ? [m.id] : []));
    if (users.length !== 3 || users[1] !== 'call' || users[2] !== 'next-2') {
      wrong(`messages lost or doubled: ${users.join(', ')}`);
    }
    const results = transcript.flatMap(({ message: m }) => (m.role === 'tool' ? [m] : []));
    const calls = transcript.flatMap(({ message: m }) =>
      m.role === 'assistant' ? (m.toolCalls ?? []) : [],
    );
    if (calls.length !== results.length) {
      wrong(`${calls.length} calls have ${results.length} results`);
    }
    const failures = results.flatMap(({ failure }) => (failure ? [failure] : []));
    for (const { type, message } of failures) {
      if (type === 'Tool.OutcomeUnknown') totals.unknown += 1;
      const told =
        (type === 'Tool.OutcomeUnknown' && tool.effect === 'once') ||
        (batch.interrupted && type === 'Tool.Interrupted');
      if (!told) wrong(`the model was told ${type}: ${message}`);
    }
    const entries = ledger.entries.filter(({ label }) => label === session.id);
    const effects = entries.filter(({ effect }) => effect).length;
    totals.effects += effects;
    const most = tool.effect === 'once' || tool.effect === 'keyed' ? 1 : Infinity;
    if (effects > most) wrong(`${effects} effects of one call`);
    if (results.length > failures.length && effects === 0) wrong('a result without an effect');
    return problems;
  }
});

/** As a model does: it calls a tool again whose failure says nothing of an effect. */
function answer(request: SeenRequest): string | ScriptedResponse {
  const [what, tool, of, long] = request.lastUserText.split(' ');
  if (what === 'next') return 'next';
  if (what === 'speak') return { text: 'word '.repeat(2_000), chunkSize: 5, chunkDelayMs: 10 };
  const last = request.messages.at(-1)!;
  const results = request.messages.filter(({ role }) => role === 'tool').length;
  const settled = last.role === 'tool' && /^done|OUTCOME_UNKNOWN/.test(last.text);
  if (settled || results > 3) return 'finished';
  const args = { of, ...(long ? { long: true } : {}) };
  return { toolCalls: [{ name: tool!, arguments: args }] };
}

function typeOf(error: unknown): string {
  const { type, message } = error as { type?: string; message?: string };
  return type ?? message ?? String(error);
}

async function within<T>(ms: number, promise: Promise<T>, otherwise: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${otherwise} within ${ms} ms.`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
