/** The policies for messages that come during a turn, while the worker that runs the turn is killed. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { AgentRuntime } from '../../../src/client/agent-runtime.js';
import type { Session } from '../../../src/client/session.js';
import type { StoredMessage } from '../../../src/contracts/message.js';
import type { WhileWorking } from '../../../src/contracts/while-working.js';
import { compiledModule } from '../../../src/stack/compiled.js';
import { supervise, type SupervisedProcess } from '../../../src/stack/process-supervisor.js';
import { migrate } from '../../../src/store/migrate.js';
import { replayHistory } from '../../../src/testing/replay.js';
import { ScriptedModel, type SeenRequest } from '../../../src/testing/scripted-model.js';
import type { Harness } from '../../support/harness.js';
import { eventually, historiesOf, Reader } from '../../support/observe.js';
import { workerProcessEnvironment } from '../../support/worker-process.js';

const name = `w${randomBytes(5).toString('hex')}`;
const THOUGHT = 'I think about it for quite some while. '.repeat(6).trim();

const lines = (messages: readonly StoredMessage[]) =>
  messages.map(({ message }) => {
    if (message.role !== 'tool') return `${message.role}: ${message.text}`;
    return `tool: ${message.content.map((part) => (part.type === 'text' ? part.text : '')).join('')}`;
  });
const seen = ({ messages }: SeenRequest) => messages.map(({ role, text }) => `${role}: ${text}`);

describe('a message while the agent works, and its worker is killed', () => {
  let model: ScriptedModel;
  let runtime: AgentRuntime;
  let workers: SupervisedProcess[];

  beforeAll(async () => {
    await migrate(inject('databaseUrl'));
    model = await ScriptedModel.start();
    // "go": thinks aloud, slowly, looks, and says what it has heard last.
    model.reply(/^/, ({ messages, lastUserText }) => {
      const last = messages.at(-1)!;
      if (last.role !== 'user' || last.text !== 'go') return `heard ${lastUserText}`;
      return {
        text: THOUGHT,
        chunkSize: 4,
        chunkDelayMs: 30,
        toolCalls: [{ name: 'look', arguments: { of: 'it' } }],
      };
    });
    workers = await Promise.all(
      [1, 2].map((n) =>
        supervise({
          name: `worker-${n}`,
          module: compiledModule('worker/main.js'),
          environment: () => workerProcessEnvironment({ modelUrl: model.baseUrl, taskQueue: name }),
        }),
      ),
    );
    runtime = await AgentRuntime.connect({
      temporalAddress: inject('temporalAddress'),
      databaseUrl: inject('databaseUrl'),
      tenant: name,
      taskQueue: name,
    });
  }, 120_000);
  afterAll(async () => {
    await Promise.all((workers ?? []).map((worker) => worker.stop()));
    await runtime?.close();
    await model?.stop();
  });

  const killAll = async () => {
    await eventually(() => workers.every((worker) => worker.isReady && worker.pid !== undefined));
    for (const worker of workers) worker.kill('SIGKILL');
  };

  const play = async (policy: WhileWorking, order: 'kill first' | 'message first') => {
    model.requests.length = 0;
    const session = await runtime.start();
    const first = session.ask({ id: 'first', text: 'go' });
    first.catch(() => undefined);
    await new Reader().until(session, 'delta');
    const send = () => session.ask({ id: 'second', text: 'now this' }, { whileWorking: policy });
    let second: Promise<{ turn: number; text: string }>;
    if (order === 'kill first') {
      await killAll();
      second = send();
    } else {
      second = send();
      second.catch(() => undefined);
      await eventually(async () => {
        const events = (await historiesOf({ runtime } as Harness, session.workflowId)).flat();
        const accepted = events.filter((e) => e.workflowExecutionUpdateAcceptedEventAttributes);
        return accepted.length === 2;
      });
      await killAll();
    }
    return { session, first, second };
  };
  const replayed = async (session: Session) => {
    for (const events of await historiesOf({ runtime } as Harness, session.workflowId)) {
      await replayHistory({ events }, { workflowId: session.workflowId });
    }
  };
  const turn = ['user: go', `assistant: ${THOUGHT}`, 'tool: seen it'];

  describe.each(['kill first', 'message first'] as const)('%s', (order) => {
    it('P5 enqueue: → the turn is made again, the message begins the next one', async () => {
      const { session, first, second } = await play('enqueue', order);
      expect(await first).toMatchObject({ turn: 1, text: 'heard go' });
      expect(await second).toMatchObject({ turn: 2, text: 'heard now this' });
      const all = [...turn, 'assistant: heard go', 'user: now this', 'assistant: heard now this'];
      expect(lines(await session.transcript())).toEqual(all);
      expect(seen(model.requests.at(-1)!)).toEqual(all.slice(0, -1));
      await replayed(session);
    }, 120_000);

    it('P5 steer: → the turn is made again, the message joins its next step, once', async () => {
      const { session, first, second } = await play('steer', order);
      expect(await second).toMatchObject({ turn: 1, text: 'heard now this' });
      expect(await first).toMatchObject({ turn: 1, text: 'heard now this' });
      const all = [...turn, 'user: now this', 'assistant: heard now this'];
      expect(lines(await session.transcript())).toEqual(all);
      expect(seen(model.requests.at(-1)!)).toEqual(all.slice(0, -1));
      await replayed(session);
    }, 120_000);

    it('P5 interrupt: → the turn ends, the message begins the next one, once', async () => {
      const { session, first, second } = await play('interrupt', order);
      await expect(first).rejects.toMatchObject({ type: 'Turn.Interrupted' });
      expect(await second).toMatchObject({ turn: 2, text: 'heard now this' });
      const all = lines(await session.transcript());
      expect(all[0]).toBe('user: go');
      expect(all.slice(-2)).toEqual(['user: now this', 'assistant: heard now this']);
      expect(all.length).toBeLessThanOrEqual(4);
      expect(seen(model.requests.at(-1)!)).toEqual(all.slice(0, -1));
      await replayed(session);
    }, 120_000);

    it('P5 rollback: → nothing of the turn is left but its cost, the message begins the next one, once', async () => {
      const { session, first, second } = await play('rollback', order);
      await expect(first).rejects.toMatchObject({ type: 'Turn.RolledBack' });
      expect(await second).toMatchObject({ turn: 2, text: 'heard now this' });
      const all = ['user: now this', 'assistant: heard now this'];
      expect(lines(await session.transcript())).toEqual(all);
      expect(seen(model.requests.at(-1)!)).toEqual(['user: now this']);
      const { turns } = await session.timeline();
      expect(turns.map(({ rolledBack }) => rolledBack)).toEqual([true, undefined]);
      expect(turns[0]!.costMicros + turns[1]!.costMicros).toBe(
        (await session.record())!.costMicros,
      );
      expect((await session.record())!.inputTokens).toBeGreaterThan(
        turns[1]!.steps[0]!.usage!.input,
      );
      await replayed(session);
    }, 120_000);
  });

  it('P5 reject: while no worker runs → Session.Busy once one does, the turn goes on', async () => {
    const { session, first, second } = await play('reject', 'kill first');
    await expect(second).rejects.toMatchObject({ type: 'Session.Busy' });
    expect(await first).toMatchObject({ turn: 1, text: 'heard go' });
    expect(lines(await session.transcript())).toEqual([...turn, 'assistant: heard go']);
    await replayed(session);
  }, 120_000);
});
