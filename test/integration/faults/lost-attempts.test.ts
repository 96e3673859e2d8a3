/** What is on record of attempts that nobody ends: their worker was killed, or their cluster is gone. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { AgentRuntime } from '../../../src/client/agent-runtime.js';
import type { Session } from '../../../src/client/session.js';
import { compiledModule } from '../../../src/stack/compiled.js';
import { settleForgottenSessions } from '../../../src/stack/forgotten-sessions.js';
import { supervise, type SupervisedProcess } from '../../../src/stack/process-supervisor.js';
import { AttemptLog } from '../../../src/store/attempts.js';
import { openDatabase } from '../../../src/store/database.js';
import { migrate } from '../../../src/store/migrate.js';
import { ScriptedModel } from '../../../src/testing/scripted-model.js';
import { startTestStack, type TestStack } from '../../../src/testing/test-stack.js';
import { Harness } from '../../support/harness.js';
import { eventually, userTexts } from '../../support/observe.js';
import { workerProcessEnvironment } from '../../support/worker-process.js';

async function attemptsOf({ tenant, id }: Session) {
  const database = openDatabase(inject('databaseUrl'), { maxConnections: 1 });
  try {
    return await new AttemptLog(database).list({ tenant, session: id });
  } finally {
    await database.close();
  }
}

/** Reads until the model has said `count` pieces. */
async function heard(session: Session, count: number): Promise<void> {
  let pieces = 0;
  for await (const item of session.events()) {
    if (item.type === 'delta' && ++pieces >= count) return;
  }
}

describe('a worker that is killed while the model speaks', () => {
  const name = `b${randomBytes(5).toString('hex')}`;
  let model: ScriptedModel;
  let runtime: AgentRuntime;
  let worker: SupervisedProcess;
  beforeAll(async () => {
    await migrate(inject('databaseUrl'));
    model = await ScriptedModel.start();
    worker = await supervise({
      name: 'worker',
      module: compiledModule('worker/main.js'),
      environment: () => workerProcessEnvironment({ modelUrl: model.baseUrl, taskQueue: name }),
    });
    runtime = await AgentRuntime.connect({
      temporalAddress: inject('temporalAddress'),
      databaseUrl: inject('databaseUrl'),
      tenant: name,
      taskQueue: name,
    });
  });
  afterAll(async () => {
    await worker?.stop();
    await runtime?.close();
    await model?.stop();
  });

  it('F1 bill: the attempt that was lost → the question, and what it is known to have said', async () => {
    // One piece each 20 ms: after 150 of them it has been noted what was said before.
    model.enqueue({ text: 'word '.repeat(2_000), chunkSize: 5, chunkDelayMs: 20 }, 'whole');
    const session = await runtime.start({ message: 'Tell me everything.' });
    await heard(session, 150);
    worker.kill('SIGKILL');
    await eventually(async () => (await session.record())?.state === 'idle');

    const attempts = await attemptsOf(session);
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['lost', 'completed']);
    const [lost] = attempts;
    expect(lost!.inputTokens).toBeGreaterThan(0);
    expect(lost!.outputTokens).toBeGreaterThan(20);
    expect(lost!.costMicros).toBeGreaterThan(0);
    const record = (await session.record())!;
    const sum = (of: 'inputTokens' | 'outputTokens' | 'costMicros') =>
      attempts.reduce((total, attempt) => total + attempt[of], 0);
    expect(record.inputTokens).toBe(sum('inputTokens'));
    expect(record.outputTokens).toBe(sum('outputTokens'));
    expect(record.costMicros).toBe(sum('costMicros'));
  });
});

describe('a session whose Temporal cluster is gone', () => {
  let gone: TestStack;
  let here: Harness;
  let runtime: AgentRuntime;
  beforeAll(async () => {
    [gone, here] = await Promise.all([
      startTestStack({ databaseUrl: inject('databaseUrl') }),
      Harness.start(),
    ]);
    runtime = await AgentRuntime.connect({
      temporalAddress: inject('temporalAddress'),
      databaseUrl: inject('databaseUrl'),
      tenant: gone.tenant,
      taskQueue: here.taskQueue,
    });
  });
  afterAll(async () => {
    await Promise.all([gone?.stop(), here?.stop(), runtime?.close()]);
  });

  /** A session in the middle of its first turn, on the cluster that is not there any more. */
  const speaking = async (): Promise<Session> => {
    gone.model.enqueue({ text: 'x '.repeat(500), chunkSize: 10, hang: 40 });
    const session = await gone.runtime.start({ message: 'first' });
    await heard(session, 1);
    return runtime.session(session.id);
  };
  const lost = async (session: Session) => {
    const { turns } = await session.timeline();
    expect(turns[0]).toMatchObject({ outcome: 'interrupted', reason: 'its workflow was lost' });
    expect(turns[0]!.steps[0]!.attempts.map(({ outcome }) => outcome)).toEqual(['lost']);
    const { inputTokens } = turns[0]!.steps[0]!.attempts[0]!;
    expect(inputTokens).toBeGreaterThan(0);
    expect((await session.record())!.inputTokens).toBeGreaterThanOrEqual(inputTokens);
  };

  it('F9 message: sent to it → its workflow starts again, the turn that was cut off is closed', async () => {
    const session = await speaking();
    here.model.enqueue('I am back.');
    expect(await session.ask('Where were we?')).toMatchObject({ turn: 2, text: 'I am back.' });
    await lost(session);
    expect(userTexts(await session.transcript())).toEqual(['first', 'Where were we?']);
    expect(await session.record()).toMatchObject({ state: 'idle', turns: 2 });
  });

  it('F10 interrupt, pause: of a session without a workflow → Session.NoWorkflow, what to do', async () => {
    const session = await speaking();
    for (const call of [() => session.interrupt(), () => session.pause()]) {
      await expect(call()).rejects.toMatchObject({ type: 'Session.NoWorkflow' });
    }
  });

  it('sessions: of a server that kept them in memory → settled when the next one begins', async () => {
    const session = await speaking();
    here.model.enqueue('hi');
    const other = await here.runtime.start();
    await other.ask('hello');
    const before = await other.record();
    await settleForgottenSessions(inject('databaseUrl'), session.tenant);
    await lost(session);
    expect(await session.record()).toMatchObject({ state: 'idle', turns: 1 });
    // Nothing is fenced: where the workflow is elsewhere after all, it goes on.
    await gone.runtime.session(session.id).interrupt();
    gone.model.enqueue('still here');
    const { text } = await gone.runtime.session(session.id).ask('Are you there?');
    expect(text).toBe('still here');
    expect(await other.record()).toEqual(before);
  });
});
