/**
 * Garbage from a plain Temporal client, in every field of every handler and of the input; and
 * from a model and a tool. Workers live, the session goes on, the sender is told. One worker
 * process serves it all, so at the end it is known that it never died.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { AgentRuntime } from '../../../src/client/agent-runtime.js';
import { sessionOf, workflowIdOf } from '../../../src/contracts/ids.js';
import { wellFormed } from '../../../src/contracts/message.js';
import { HANDLERS } from '../../../src/contracts/session.js';
import { supervise, type SupervisedProcess } from '../../../src/stack/process-supervisor.js';
import { migrate } from '../../../src/store/migrate.js';
import { ScriptedModel } from '../../../src/testing/scripted-model.js';
import { Cli } from '../../support/cli.js';
import {
  CARRIED_STATES,
  DELAYS,
  isDelay,
  rawCodec,
  TEXTS,
  UNREADABLE,
  VALUES,
  type Garbage,
} from '../../support/garbage.js';
import { eventually, saidTexts, userTexts } from '../../support/observe.js';
import { metadataOf } from '../../support/shown.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { workerProcessEnvironment } from '../../support/worker-process.js';

const ALL = [...TEXTS, ...VALUES];
/** Dotted, of our own table or of Temporal's handler checks. */
const TYPED = /^[A-Z]\w+\.[A-Z]\w+$/;
const name = `g${randomUUID().slice(0, 8)}`;

const named = (rows: readonly Garbage[]) => rows.map((row) => [row.what, row.value] as const);

describe('garbage', () => {
  let model: ScriptedModel;
  let worker: SupervisedProcess;
  let runtime: AgentRuntime;
  let client: Client;
  let firstPid: number | undefined;
  const log: string[] = [];

  beforeAll(async () => {
    await migrate(inject('databaseUrl'));
    model = await ScriptedModel.start();
    model.reply(/^slow/, { text: 'word '.repeat(4_000), chunkSize: 5, chunkDelayMs: 10 });
    model.reply(
      ({ lastUserText }) => lastUserText.startsWith('say '),
      ({ lastUserText, messages }) => {
        if (messages.at(-1)!.role === 'tool') return 'said';
        const [, what, index] = lastUserText.split(' ');
        return modelGarbage(what!, Number(index));
      },
    );
    model.reply(/^/, (request) => `re: ${request.lastUserText.slice(0, 100)}`);
    const environment = () => ({
      ...workerProcessEnvironment({
        modelUrl: model.baseUrl,
        taskQueue: name,
        config: 'garbage.config.ts',
      }),
      PERDURA_LOG_LEVEL: 'info',
      NODE_OPTIONS: '--import tsx',
    });
    const module = fileURLToPath(new URL('../../fixtures/fault-worker.ts', import.meta.url));
    const onLine = (line: string) => void log.push(line);
    worker = await supervise({ name: 'worker', module, environment, onLine });
    firstPid = worker.pid;
    runtime = await AgentRuntime.connect({
      temporalAddress: inject('temporalAddress'),
      databaseUrl: inject('databaseUrl'),
      tenant: name,
      taskQueue: name,
    });
    client = new Client({
      connection: await Connection.connect({
        address: inject('temporalAddress'),
        // A history of megabytes comes in one message.
        channelArgs: { 'grpc.max_receive_message_length': 64 * 1024 * 1024 },
      }),
      dataConverter: { payloadCodecs: [rawCodec] },
    });
  });

  afterAll(async () => {
    await client?.connection.close();
    await runtime?.close();
    await worker?.stop();
    await model?.stop();
  });

  const start = (args: unknown[], more: { memo?: Record<string, unknown> } = {}) =>
    client.workflow.start('agentSession', {
      workflowId: workflowIdOf({ tenant: name, session: randomUUID() }),
      taskQueue: name,
      args,
      ...more,
    });

  /** Plays on one session, and ends it whatever comes of it: one that is stuck takes no worker along. */
  async function onSession(
    play: (handle: WorkflowHandle) => Promise<void>,
    ...args: Parameters<typeof start>
  ): Promise<void> {
    const handle = await start(...args);
    try {
      await play(handle);
      expect(await failedTasksOf(handle)).toEqual([]);
    } finally {
      await handle.terminate().catch(() => undefined);
    }
  }

  /** `ok`, or the type that the sender was refused with. */
  async function update(handle: WorkflowHandle, handler: string, argument: unknown) {
    return within(handle.executeUpdate(handler, { args: [argument] })).then(
      () => 'ok',
      (error: unknown) => refusalOf(error),
    );
  }

  /**
   * Asks, and resolves when the agent works on it, with what tells how the update ended. A run that
   * megabytes have filled tells whoever asks to ask again, under the same id.
   */
  async function asking(handle: WorkflowHandle): Promise<() => Promise<string>> {
    const message = { text: 'slow', id: randomUUID() };
    for (;;) {
      let told: string | undefined;
      const refusal = update(handle, HANDLERS.ask, message).then((said) => (told = said));
      await eventually(
        async () => told === 'Session.ContinuedAsNew' || (await stateOf(handle)) === 'running',
      );
      if (told !== 'Session.ContinuedAsNew') return () => refusal;
    }
  }

  /** The session takes a message, and answers it. */
  async function goesOn(handle: WorkflowHandle): Promise<void> {
    // A run that megabytes have filled tells whoever asks to ask again.
    for (let said = 'Session.ContinuedAsNew'; said === 'Session.ContinuedAsNew';) {
      const answer = within(
        handle.executeUpdate<{ text: string }, [unknown]>(HANDLERS.ask, { args: ['and now'] }),
      );
      said = await answer.then(({ text }) => text, refusalOf);
      if (said !== 'Session.ContinuedAsNew') expect(said).toBe('re: and now');
    }
  }

  /** Sentences of the events `message.refused`. */
  async function refusedIn({ workflowId }: WorkflowHandle): Promise<string[]> {
    const session = await runtime.find(workflowId);
    const reasons: string[] = [];
    for await (const item of session.events({ live: false })) {
      const { type, reason } = item as { type: string; reason?: string };
      if (type === 'message.refused') reasons.push(reason ?? '');
    }
    return reasons;
  }

  describe.concurrent('from a sender', () => {
    it.each(named(ALL))(
      'garbage: %s in a message, an id, a sender → taken or refused with a type, signals noted in the events and the details',
      { timeout: 90_000 },
      (_, value) =>
        onSession(
          async (handle) => {
            const messages = [
              value,
              { text: value },
              { text: 'with an id', id: value },
              { text: 'with a sender', from: value },
            ];
            let refused = 0;
            for (const message of messages) {
              const sent = await update(handle, HANDLERS.send, message);
              const asked = await update(handle, HANDLERS.ask, message);
              expect([sent, asked]).toEqual([sent, sent]);
              if (sent !== 'ok') expect(sent).toMatch(/^Message\./);
              if (sent !== 'ok') refused += 1;
              await handle.signal(HANDLERS.message, message);
            }
            await goesOn(handle);
            if (refused > 0) {
              const reasons = await eventually(async () => {
                const found = await refusedIn(handle);
                return found.length >= refused && found;
              });
              expect(reasons).toHaveLength(refused);
              const { runs } = await handle.query<{ runs: number }>(HANDLERS.status);
              // The page of a new run does not repeat what an earlier one was told.
              if (runs === 1) {
                expect((await metadataOf(handle)).currentDetails).toMatch(/refused/i);
              }
            }
            const transcript = await (await runtime.find(handle.workflowId)).transcript();
            for (const text of userTexts(transcript)) {
              expect(text).toBe(wellFormed(text));
            }
          },
          [{}],
        ),
    );

    it.each(named(ALL))(
      'garbage: %s as what pause, resume, interrupt and the queries are given → they do what they do',
      { timeout: 90_000 },
      (_, value) =>
        onSession(
          async (handle) => {
            await handle.signal(HANDLERS.pause, value);
            await eventually(async () => (await stateOf(handle)) === 'paused');
            await handle.signal(HANDLERS.resume, value);
            await eventually(async () => (await stateOf(handle)) === 'idle');
            for (const argument of [value, { reason: value }]) {
              const refusal = await asking(handle);
              const told = await update(handle, HANDLERS.interrupt, argument);
              // Refused, the turn goes on.
              if (told !== 'ok') {
                expect(told).toBe('Request.Invalid');
                expect(await stateOf(handle)).toBe('running');
                expect(await update(handle, HANDLERS.interrupt, {})).toBe('ok');
              }
              // Megabytes fill a run: whoever asks is told to ask the next one.
              expect(['Turn.Interrupted', 'Session.ContinuedAsNew']).toContain(await refusal());
            }
            expect(await handle.query(HANDLERS.status, value)).toMatchObject({
              agent: 'assistant',
            });
            expect(await handle.query(HANDLERS.transcriptHead, value)).toHaveProperty('head');
            await goesOn(handle);
          },
          [{}],
        ),
    );

    it.each(named(ALL))(
      'garbage: %s as the reason of an end, while somebody asks → it ends, and who asks is told',
      { timeout: 90_000 },
      (_, value) =>
        onSession(
          async (handle) => {
            const slow = within(handle.executeUpdate(HANDLERS.ask, { args: ['slow'] }));
            const refusal = slow.then(() => 'ok', refusalOf);
            await eventually(async () => (await stateOf(handle)) === 'running');
            await handle.signal(HANDLERS.terminate, value);
            expect(await refusal).toMatch(TYPED);
            expect(await within(handle.result())).toHaveProperty('turns');
          },
          [{}],
        ),
    );

    it.each(named(DELAYS))(
      'garbage: wakeUpAfter %s → refused with a note, or clamped; the session goes on',
      { timeout: 60_000 },
      (_, value) =>
        onSession(
          async (handle) => {
            await goesOn(handle);
            await handle.signal(HANDLERS.wakeUpAfter, value);
            // It has taken the signal, and waits, before anything wakes it; and it waits again.
            await within(stateOf(handle));
            await handle.signal(HANDLERS.pause);
            await within(stateOf(handle));
            await handle.signal(HANDLERS.resume);
            await goesOn(handle);
            if (!isDelay(value)) {
              const { currentDetails } = await metadataOf(handle);
              expect(currentDetails).toMatch(/wake/i);
            }
          },
          [{}],
        ),
    );

    it.each(named(UNREADABLE))(
      'garbage: a payload that is %s → the session goes on',
      { timeout: 90_000 },
      (_, value) =>
        onSession(
          async (handle) => {
            for (const handler of [HANDLERS.send, HANDLERS.ask, HANDLERS.interrupt]) {
              expect(await update(handle, handler, value)).not.toMatch(/^(ok$|stuck)/);
            }
            const { message, pause, resume, wakeUpAfter } = HANDLERS;
            for (const handler of [message, pause, resume, wakeUpAfter]) {
              await handle.signal(handler, value);
            }
            await goesOn(handle);
          },
          [{}],
        ),
    );
  });

  describe.concurrent('in the input', () => {
    /** A session, or a workflow that failed with a type; never a task that fails. */
    const answersOrFails = async (handle: WorkflowHandle): Promise<string> => {
      const ended = handle.result().then(
        () => 'ended',
        (error: unknown) => refusalOf(error),
      );
      // Paused, as a carried state may say, it takes messages and answers none.
      await handle.signal(HANDLERS.resume).catch(() => undefined);
      const asked = update(handle, HANDLERS.ask, 'and now');
      const how = await within(Promise.race([asked, ended]));
      return how === 'ok' || how === 'ended' ? how : (expect(how).toMatch(TYPED), how);
    };

    it.each(named([...ALL, ...UNREADABLE]))(
      'garbage: %s as the input, and as each field of it → a session, or a failure with a type',
      { timeout: 90_000 },
      async (_, value) => {
        const inputs = [
          value,
          { agent: value },
          { title: value },
          { message: value },
          { messages: value },
          { messages: [value, { text: value }, 'fine'] },
        ];
        // A payload can only be unreadable as a whole.
        const whole = UNREADABLE.some((row) => row.value === value);
        for (const input of whole ? [value] : inputs) {
          await onSession(
            async (handle) => {
              await answersOrFails(handle);
            },
            [input],
          );
        }
      },
    );

    it.each(named(TEXTS))(
      'garbage: %s as an agent’s name → Agent.Unknown',
      { timeout: 60_000 },
      (_, value) =>
        onSession(
          async (handle) => {
            await expect(within(handle.result())).rejects.toMatchObject({
              cause: { type: 'Agent.Unknown' },
            });
          },
          [{ agent: value }],
        ),
    );

    it.each(named(CARRIED_STATES))(
      'garbage: a carried state of %s → a session, or a failure with a type',
      { timeout: 60_000 },
      (_, carried) =>
        onSession(
          async (handle) => {
            await answersOrFails(handle);
          },
          [{ carried }],
        ),
    );

    it.each(named([...ALL, ...UNREADABLE].filter(fitsMemo)))(
      'garbage: a memo of %s → the session goes on',
      { timeout: 60_000 },
      (_, value) => onSession(goesOn, [{}], { memo: { agent: value, title: value } }),
    );

    it('garbage: ids and names of handlers that nobody has → refused, the session goes on', () =>
      onSession(
        async (handle) => {
          for (const odd of ['\uffff', 'a\u001bb', '__proto__', 'constructor', 'x'.repeat(900)]) {
            const args = [`with the id ${odd.slice(0, 9)}`] as [unknown];
            await handle.executeUpdate(HANDLERS.send, { args, updateId: odd }).catch(refusalOf);
            expect(await update(handle, odd, 'x')).not.toMatch(/^(ok$|stuck)/);
            // Some of them the server itself refuses.
            await handle.signal(odd, 'x').catch(() => undefined);
            await expect(handle.query(odd)).rejects.toThrow();
          }
          await goesOn(handle);
        },
        [{}],
      ));
  });

  describe.concurrent('from a model and a tool', () => {
    const rows = ALL.map(({ what }, index) => [what, index] as const);

    it.each(rows)(
      'garbage: a model that says %s, as text, as a call’s id, name and arguments → the turn ends, the next message works',
      { timeout: 60_000 },
      (_, index) =>
        onSession(
          async (handle) => {
            for (const what of ['text', 'name', 'arguments', 'id']) {
              // A turn may fail on it, with a type; the session must not.
              const how = await update(handle, HANDLERS.ask, `say ${what} ${index}`);
              if (how !== 'ok') expect(how).toMatch(TYPED);
            }
            await goesOn(handle);
          },
          [{}],
        ),
    );

    it.each(rows)(
      'garbage: a tool that answers, and fails with, %s → the model is told',
      { timeout: 60_000 },
      (_, index) =>
        onSession(
          async (handle) => {
            for (const what of ['result', 'failure']) {
              expect(await update(handle, HANDLERS.ask, `say ${what} ${index}`)).toBe('ok');
            }
            await goesOn(handle);
            const transcript = await (await runtime.find(handle.workflowId)).transcript();
            expect(saidTexts(transcript).filter((text) => text === 'said')).toHaveLength(2);
          },
          [{}],
        ),
    );
  });

  it('garbage: a signal that was refused → `perdura show` says why', () =>
    onSession(
      async (handle) => {
        await goesOn(handle);
        await handle.signal(HANDLERS.message, { text: 7 });
        await eventually(async () => (await refusedIn(handle)).length === 1);
        const { session, tenant } = sessionOf(handle.workflowId);
        const { out, code } = await new Cli(['show', session], {
          cwd: temporaryFolder(),
          env: {
            TEMPORAL_ADDRESS: inject('temporalAddress'),
            TEMPORAL_NAMESPACE: 'default',
            DATABASE_URL: inject('databaseUrl'),
            PERDURA_TENANT: tenant,
          },
        }).ended;
        expect(code).toBe(0);
        expect(out).toMatch(/refused.*not a string|refused.*"text"/);
      },
      [{}],
    ));

  it('garbage: the worker after all of it → the same process, which never began to shut down', () => {
    expect(log.filter((line) => /Initiating Worker shutdown|ended \(/.test(line))).toEqual([]);
    expect([worker.restarts, worker.pid]).toEqual([0, firstPid]);
  });
});

function modelGarbage(what: string, index: number) {
  const { value } = ALL[index]!;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const call = { name: 'garbage', arguments: { index, fails: false } };
  switch (what) {
    case 'text':
      return { text };
    case 'name':
      return { toolCalls: [{ ...call, name: text }] };
    case 'arguments':
      return { toolCalls: [{ ...call, arguments: text }] };
    case 'id':
      return { toolCalls: [{ ...call, id: text.slice(0, 1_000) }] };
    default:
      return { toolCalls: [{ ...call, arguments: { index, fails: what === 'failure' } }] };
  }
}

/**
 * The server itself refuses a memo of megabytes, and says so to whoever starts. A memo that is nested
 * thousands of levels deep overflows the stack of Temporal's SDK before any code of a workflow runs
 * (`fixPrototypes`): its own session never starts, and no other is harmed.
 */
const fitsMemo = ({ what, value }: Garbage) =>
  !what.startsWith('a nest of') && (typeof value !== 'string' || value.length < 200_000);

/** Asked again after 2 s: Temporal's test server forgets a query of a run that continues as new meanwhile. */
async function stateOf(handle: WorkflowHandle): Promise<string> {
  for (;;) {
    const status = handle.query<{ state: string }>(HANDLERS.status);
    const state = await Promise.race([status.then((seen) => seen.state), sleep(2_000)]);
    if (state !== undefined) return state;
  }
}

/** What a sender is told: the type of a failure, or the message of another error. */
function refusalOf(error: unknown): string {
  const { cause, message } = error as {
    cause?: { type?: string; message?: string };
    message: string;
  };
  return cause?.type ?? cause?.message ?? message;
}

/** `UNHANDLED_COMMAND`: a signal came while the workflow continued as new; it does so again. */
const HARMLESS = 1;

/** Why tasks failed. */
async function failedTasksOf(handle: WorkflowHandle): Promise<string[]> {
  const { events } = await handle.fetchHistory();
  return (events ?? []).flatMap(({ workflowTaskFailedEventAttributes: failed }) =>
    failed && Number(failed.cause) !== HARMLESS
      ? [`cause ${failed.cause}: ${failed.failure?.message ?? ''}`]
      : [],
  );
}

/** A session that does not answer within 20 s is stuck. */
async function within<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('stuck: no answer within 20 s')), 20_000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
