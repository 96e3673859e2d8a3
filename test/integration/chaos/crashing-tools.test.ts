/** Tools that take their worker with them: bounded by their attempts, and nobody else's trouble. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { AgentRuntime } from '../../../src/client/agent-runtime.js';
import { compiledModule } from '../../../src/stack/compiled.js';
import { supervise, type SupervisedProcess } from '../../../src/stack/process-supervisor.js';
import { migrate } from '../../../src/store/migrate.js';
import { Ledger } from '../../../src/testing/ledger.js';
import { ScriptedModel } from '../../../src/testing/scripted-model.js';
import { workerProcessEnvironment } from '../../support/worker-process.js';

const CONFIG = fileURLToPath(new URL('../../fixtures/crashing.config.ts', import.meta.url));
const name = `c${randomBytes(5).toString('hex')}`;

describe('a tool that kills its worker', () => {
  let folder: string;
  let model: ScriptedModel;
  let ledger: Ledger;
  let runtime: AgentRuntime;
  let worker: SupervisedProcess;
  /** What the ledger has been told, in order. */
  const ran: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'perdura-crashes-'));
    await migrate(inject('databaseUrl'));
    [model, ledger] = await Promise.all([
      ScriptedModel.start(),
      Ledger.start(join(folder, 'ledger.jsonl')),
    ]);
    ledger.onEntry(({ label = '' }) => void ran.push(label));
    model.reply(/./, ({ messages, lastUserText }) => {
      const results = messages.filter(({ role }) => role === 'tool');
      if (results.length > 0) return `told: ${results.map(({ text }) => text).join(' | ')}`;
      return { toolCalls: lastUserText.split(' ').map((tool) => ({ name: tool, arguments: {} })) };
    });
    worker = await supervise({
      name: 'worker',
      module: compiledModule('worker/main.js'),
      environment: () => ({
        ...workerProcessEnvironment({
          modelUrl: model.baseUrl,
          ledgerUrl: ledger.url,
          taskQueue: name,
        }),
        PERDURA_CONFIG: CONFIG,
      }),
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
    await ledger?.stop();
    await model?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it.each([
    ['at_once', ['Tool.Crashed'], 3],
    ['fine local_read', [undefined, 'Tool.Crashed'], 3],
    ['fine local_keyed', [undefined, 'Tool.Crashed'], 3],
    ['activity_keyed', ['Tool.Crashed'], 3],
    ['fine local_once', [undefined, 'Tool.OutcomeUnknown'], 1],
  ])(
    'F1 F2 tool: `%s`, of which the last aborts the process at every run → %j after %i workers, the other runs once',
    async (calls, failures, deaths) => {
      const before = worker.restarts;
      ran.length = 0;
      const session = await runtime.start();
      expect((await session.ask(calls)).text).toMatch(/^told: /);
      const results = (await session.transcript()).flatMap(({ message }) =>
        message.role === 'tool' ? [message] : [],
      );
      const told = results.map((result) => result.failure?.type);
      expect(told.at(-1)).toBe(failures.at(-1));
      // A `once` tool beside it has its result, or was cut off before that was written.
      const beside = told.slice(0, -1).filter((type) => type !== 'Tool.OutcomeUnknown');
      expect(beside).toEqual(failures.slice(0, -1).slice(0, beside.length));
      expect(told).toHaveLength(failures.length);
      expect(worker.restarts - before).toBe(deaths);
      // Cut off before its effect or after it: never twice, and once where the model has its result.
      const effects = ran.filter((label) => label === 'fine').length;
      expect(effects).toBeGreaterThanOrEqual(beside.length);
      expect(effects).toBeLessThanOrEqual(failures.length - 1);
    },
    120_000,
  );
});
