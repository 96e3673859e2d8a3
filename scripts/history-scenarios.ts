/**
 * The lives of sessions that are recorded into test/histories. Add one for each new thing that
 * the workflow can do; never change what one does under its name.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Session } from '../src/client/session.js';
import { tool } from '../src/contracts/define-tool.js';
import type { ToolRun } from '../src/contracts/tool.js';
import type { TestStack, TestStackOptions } from '../src/testing/test-stack.js';

export interface Scenario {
  /** What the history has in it, for the list in test/histories/README.md. */
  readonly what: string;
  readonly options?: TestStackOptions;
  /** Lives the session. What it returns is recorded as it stands then. */
  readonly play: (stack: TestStack) => Promise<Session>;
}

function adder(name: string, run: ToolRun) {
  return tool({
    name,
    description: 'Adds two numbers.',
    parameters: z.object({ a: z.number(), b: z.number() }),
    effect: 'read',
    run,
    execute: ({ a, b }) => a + b,
  });
}

function waiting(name: string, timeoutMs?: number) {
  return tool({
    name,
    description: 'Asks a person.',
    run: 'workflow',
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
}

function client(name: string, timeoutMs?: number) {
  return tool({
    name,
    description: 'Runs where the user is.',
    run: 'client',
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
}

const ADDERS = { config: { tools: [adder('add', 'local'), adder('add_remotely', 'activity')] } };

const SLOW = { text: 'One, two, three, and so on.', chunkSize: 2, chunkDelayMs: 300 } as const;

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'plain-turn': {
    what: 'two turns of one model call',
    play: async ({ model, runtime }) => {
      model.enqueue('Hello.', 'Hello again.');
      const session = await runtime.start({ message: 'hello' });
      await session.ask('hello again');
      return session;
    },
  },
  'parallel-tools': {
    what: 'a step with two local tools and two activities, and a step with a wrong call',
    options: ADDERS,
    play: async ({ model, runtime }) => {
      const call = (name: string, a: number) => ({ name, arguments: { a, b: 1 } });
      model.enqueue(
        {
          toolCalls: [
            call('add', 1),
            call('add_remotely', 2),
            call('add', 3),
            call('add_remotely', 4),
          ],
        },
        { toolCalls: [{ name: 'substract', arguments: {} }] },
        'Done.',
      );
      const session = await runtime.start();
      await session.ask('add');
      return session;
    },
  },
  'several-steps': {
    what: 'an activity of three steps, a tool with one of its own, another of two; then a turn whose second step fails for good',
    options: ADDERS,
    play: async ({ model, runtime }) => {
      const add = { toolCalls: [{ name: 'add', arguments: { a: 1, b: 2 } }] };
      const far = { toolCalls: [{ name: 'add_remotely', arguments: { a: 1, b: 2 } }] };
      model.enqueue(add, add, far, add, 'Done.', add, { error: { status: 400, message: 'no' } });
      const session = await runtime.start();
      await session.ask('add');
      await session.ask('once more').catch(() => undefined);
      while ((await session.status()).state !== 'error') await sleep(20);
      return session;
    },
  },
  interrupt: {
    what: 'a turn interrupted in its stream, and a turn after it',
    play: async ({ model, runtime }) => {
      model.enqueue(SLOW, 'Yes?');
      const session = await runtime.start();
      const { id } = await session.send('count');
      for await (const item of session.events()) if (item.type === 'delta') break;
      await session.interrupt('enough');
      await session.answerTo(id).catch(() => undefined);
      await session.ask('are you there?');
      return session;
    },
  },
  'failed-turn': {
    what: 'a turn that fails for good, and a turn after it',
    play: async ({ model, runtime }) => {
      model.enqueue({ error: { status: 401, message: 'no such key' } }, 'Better.');
      const session = await runtime.start();
      await session.ask('hello').catch(() => undefined);
      await session.ask('once more');
      return session;
    },
  },
  'continue-as-new': {
    what: 'a chain of runs, with messages of three turns',
    options: { settings: { historyLimit: 20 } },
    play: async ({ model, runtime }) => {
      model.enqueue('One.', 'Two.', 'Three.');
      const session = await runtime.start();
      for (const text of ['first', 'second', 'third']) await session.ask(text);
      return session;
    },
  },
  'pause-resume': {
    what: 'a pause, a message that waits, a resume',
    play: async ({ model, runtime }) => {
      model.enqueue('At last.');
      const session = await runtime.start();
      await session.pause();
      const { id } = await session.send('hello');
      await session.resume();
      await session.answerTo(id);
      return session;
    },
  },
  terminate: {
    what: 'a session that was ended in the middle of a turn, with a message waiting',
    play: async ({ model, runtime }) => {
      model.enqueue(SLOW);
      const session = await runtime.start({ message: 'count' });
      await model.until(({ requests }) => requests.length === 1);
      await session.send('too late');
      await session.end('closing time');
      await runtime.temporal.workflow.getHandle(session.workflowId).result();
      return session;
    },
  },
  'signal-and-wake-up': {
    what: 'a session of plain signals, one of them refused, and a wake-up',
    play: async ({ model, runtime }) => {
      model.enqueue('Hello.', 'Awake.');
      const session = await runtime.start();
      const handle = runtime.temporal.workflow.getHandle(session.workflowId);
      await handle.signal('message', { text: '' });
      await handle.signal('message', 'hello');
      await session.wakeUpAfter(50);
      await model.until(({ requests }) => requests.length === 2);
      while ((await session.status()).state !== 'idle') await sleep(20);
      return session;
    },
  },
  'waiting-calls': {
    what: 'a step with a tool and two calls that wait, of which one is answered and one is not in time; then one that is interrupted',
    options: {
      config: {
        tools: [adder('add_remotely', 'activity'), waiting('approve'), waiting('hurry', 1_000)],
      },
    },
    play: async ({ model, runtime }) => {
      model.enqueue(
        {
          toolCalls: [
            { name: 'add_remotely', arguments: { a: 1, b: 2 } },
            { name: 'approve' },
            { name: 'hurry' },
          ],
        },
        'Done.',
        { toolCalls: [{ name: 'approve' }] },
      );
      const session = await runtime.start();
      const { id } = await session.send('approve it');
      for await (const item of session.events()) {
        if (item.type !== 'tool.waiting') continue;
        await (item.name === 'approve' ? session.answer(item.key, 'yes') : session.answerTo(id));
        if (item.name === 'hurry') break;
      }
      await session.send('once more');
      for await (const item of session.events()) {
        if (item.type === 'tool.waiting' && item.turn === 2) break;
      }
      await session.interrupt('changed my mind');
      return session;
    },
  },
  'unknown-agent': {
    what: 'a session of an agent that does not exist: refused, and its workflow failed',
    play: async ({ runtime }) => {
      const session = await runtime.start({ agent: 'nobody' });
      await runtime.temporal.workflow
        .getHandle(session.workflowId)
        .result()
        .catch(() => undefined);
      return session;
    },
  },
  replies: {
    what: 'messages with `replyTo`: answered, refused, answered again, to an asker that is gone; a turn interrupted by a signal',
    play: async ({ model, runtime }) => {
      model.enqueue('Hello.', 'Hello again.', SLOW);
      const asker = await runtime.start();
      await asker.status();
      const session = await runtime.start();
      const { workflow } = runtime.temporal;
      const handle = workflow.getHandle(session.workflowId);
      const ask = (id: string, text: string, workflowId = asker.workflowId) =>
        handle.signal('message', { id, text, replyTo: { workflowId } });
      const turns = async (turn: number) => {
        for (;;) {
          const status = await session.status();
          if (status.turn === turn && status.state === 'idle') return;
          await sleep(20);
        }
      };
      await ask('1', 'hello');
      await turns(1);
      await ask('1', 'hello');
      await ask('1', 'another text');
      await ask('2', 'hello again', 'nobody');
      await turns(2);
      await ask('3', 'count');
      for await (const item of session.events()) if (item.type === 'delta') break;
      await handle.signal('interrupt', 'enough');
      await turns(3);
      return session;
    },
  },
  'while-working': {
    what: 'messages during turns: one that steers a series of steps, one that interrupts, one that rolls back with a message that steers, one that is refused',
    options: ADDERS,
    play: async ({ model, runtime }) => {
      const add = { toolCalls: [{ name: 'add', arguments: { a: 1, b: 2 } }] };
      model.enqueue({ ...SLOW, ...add }, 'Both are done.', SLOW, SLOW, 'That instead.');
      const session = await runtime.start();
      const speaking = async (turn: number) => {
        for await (const item of session.events()) {
          if (item.type === 'delta' && item.turn === turn) return;
        }
      };
      const first = session.ask('add slowly');
      await speaking(1);
      await session.send('and hurry', { whileWorking: 'steer' });
      await first;
      await session.send('count');
      await speaking(2);
      await session.send('count again', { whileWorking: 'interrupt' });
      await speaking(3);
      await session.send('nobody waits', { whileWorking: 'reject' }).catch(() => undefined);
      await session.send('faster', { whileWorking: 'steer' });
      await session.ask('something else', { whileWorking: 'rollback' });
      return session;
    },
  },
  'client-calls': {
    what: 'a step with three calls that the client answers, refuses and leaves until their deadline; answers that come too late; a call of a turn that is rolled back',
    options: { config: { tools: [client('pick'), client('hurry', 2_000)] } },
    play: async ({ model, runtime }) => {
      model.enqueue(
        { toolCalls: [{ name: 'pick' }, { name: 'pick' }, { name: 'hurry' }] },
        'Picked.',
        { toolCalls: [{ name: 'pick' }] },
        'Something else.',
      );
      const session = await runtime.start();
      const waiting = async (many: number) => {
        for (;;) {
          const { waiting = [] } = await session.status();
          if (waiting.length === many) return waiting.map(({ key }) => key);
          await sleep(50);
        }
      };
      const first = session.ask('pick');
      const [one, two] = await waiting(3);
      await session.answer(one!, 'green');
      await session.answer(one!, 'red').catch(() => undefined);
      await session.refuse(two!, 'no more');
      await first;
      await session.send('pick again');
      await waiting(1);
      await session.ask('something else', { whileWorking: 'rollback' });
      return session;
    },
  },
  'quiet-tasks': {
    what: 'an interrupt and a refused signal in one task, after tasks in which nothing was done',
    play: async (stack) => {
      const { model, runtime } = stack;
      model.enqueue({ text: 'Hello.', firstDelayMs: 1_000 });
      const session = await runtime.start();
      const handle = runtime.temporal.workflow.getHandle(session.workflowId);
      const { id } = await session.send('hello');
      await model.until(({ requests }) => requests.length === 1);
      await handle.signal('resume');
      await session.answerTo(id);
      const length = async () => (await handle.fetchHistory()).events?.length ?? 0;
      // The end of the turn and the task that it begins.
      let before = await length();
      for (let still = 0; still < 10; still++) {
        await sleep(50);
        const now = await length();
        if (now !== before) still = 0;
        before = now;
      }
      await stack.stopWorker();
      const interrupted = session.interrupt();
      while ((await length()) === before) await sleep(20);
      await handle.signal('message', 42);
      await stack.startWorker();
      await interrupted;
      return session;
    },
  },
  'sub-agents': {
    what: 'a step that asks two sub-agents, one of which fails, and a turn that is interrupted while one works',
    options: {
      config: {
        agents: [
          {
            name: 'assistant',
            instructions: 'You lead.',
            agents: [{ agent: 'helper' }],
          },
          { name: 'helper', instructions: 'You help.', description: 'Helps.' },
        ],
      },
    },
    play: async ({ model, runtime }) => {
      const ask = (task: string) => ({ name: 'helper', arguments: { task } });
      model.reply('work', 'Worked.');
      model.reply('fail', { error: { status: 400, message: 'no' } });
      model.reply('slow', SLOW);
      model.reply(({ lastUserText, messages }) => lastUserText === 'go' && messages.length === 1, {
        toolCalls: [ask('work'), ask('fail')],
      });
      model.reply('go', 'Both are done.');
      model.reply('on', { toolCalls: [ask('slow')] });
      const session = await runtime.start();
      await session.ask('go');
      await session.send('on');
      await model.until(({ requests }) =>
        requests.some(({ lastUserText }) => lastUserText.includes('slow')),
      );
      await session.interrupt('enough');
      return session;
    },
  },
  'pool-waiting': {
    what: 'turns in line of a pool: one gets its slot, one is interrupted, one is paused and resumed; one whose call waits for the client gives its slot back',
    options: {
      config: {
        agents: [{ name: 'assistant', instructions: 'You wait.', pool: 'recorded' }],
        pools: { recorded: { maxAtWork: 0 } },
        tools: [client('look')],
      },
    },
    play: async ({ model, runtime }) => {
      model.enqueue('One.', 'Three.', { toolCalls: [{ name: 'look', arguments: {} }] }, 'Four.');
      const pool = runtime.pool('recorded');
      await pool.setLimits({ maxAtWork: 0 });
      const session = await runtime.start();
      const line = async (count: number) => {
        while ((await pool.status()).waiting !== count) await sleep(20);
      };
      const first = session.ask('one');
      await line(1);
      await pool.setLimits({ maxAtWork: 1 });
      await first;
      await pool.setLimits({ maxAtWork: 0 });
      await session.send('two');
      await line(1);
      await session.interrupt('enough');
      const third = session.ask('three');
      await line(1);
      await session.pause();
      await line(0);
      await session.resume();
      await line(1);
      await pool.setLimits({ maxAtWork: 1 });
      await third;
      const fourth = session.ask('four');
      for (;;) {
        const { waiting = [] } = await session.status();
        const [call] = waiting;
        if (call && (await pool.status()).atWork === 0) {
          await session.answer(call.key, 'a garden');
          break;
        }
        await sleep(20);
      }
      await fourth;
      return session;
    },
  },
};
