/** A database that is down, empty, or of another version: who starts is refused, what runs waits. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { NativeConnection } from '@temporalio/worker';
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  inject,
  it,
  onTestFinished,
} from 'vitest';
import { z } from 'zod';
import { AgentRuntime } from '../../../src/client/agent-runtime.js';
import type { Session } from '../../../src/client/session.js';
import { tool } from '../../../src/contracts/define-tool.js';
import type { FailureType } from '../../../src/contracts/failures.js';
import { HANDLERS } from '../../../src/contracts/session.js';
import { compiledModule } from '../../../src/stack/compiled.js';
import { migrate, pendingMigrations } from '../../../src/store/migrate.js';
import { startTestStack, type TestStack } from '../../../src/testing/test-stack.js';
import { createWorker } from '../../../worker/create-worker.js';
import { DatabaseGate, execute, freshDatabase } from '../../support/databases.js';
import { eventually, saidTexts, userTexts } from '../../support/observe.js';

describe('a start', () => {
  /** Databases by what is wrong with them. */
  const urls = {} as Record<FailureType, string>;
  const drops: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    const admin = inject('databaseUrl');
    const [empty, newer] = await Promise.all([freshDatabase(admin), freshDatabase(admin)]);
    drops.push(empty.drop, newer.drop);
    await migrate(newer.url);
    await execute(
      newer.url,
      `insert into perdura.kysely_migration values ('9999-of-tomorrow', now()::text)`,
    );
    const gate = await DatabaseGate.before(admin);
    await gate.close();
    urls['Store.Unavailable'] = gate.url;
    urls['Store.NotMigrated'] = empty.url;
    urls['Store.TooNew'] = newer.url;
  });
  afterAll(() => Promise.all(drops.map((drop) => drop())));

  const refusals = [
    ['down', 'Store.Unavailable', /No PostgreSQL answers at 127\.0\.0\.1:\d+\/.*ECONNREFUSED/],
    ['not migrated', 'Store.NotMigrated', /\/test_\w+ lacks 0001-sessions/],
    ['of a newer version', 'Store.TooNew', /was migrated by a newer version.*9999-of-tomorrow/],
  ] as const;

  it.each(refusals)('F25 start: worker, database %s → refused as %s', async (_, type, message) => {
    const connection = await NativeConnection.connect({ address: inject('temporalAddress') });
    onTestFinished(() => connection.close());
    const config = { agents: [], tools: [], mcp: {}, providers: {} };
    const made = createWorker({ config, connection, databaseUrl: urls[type] });
    await expect(made).rejects.toMatchObject({ type, message: message_(message) });
  });

  it.each(refusals)('F25 start: SDK, database %s → refused as %s', async (_, type, message) => {
    const temporalAddress = inject('temporalAddress');
    const made = AgentRuntime.connect({ temporalAddress, databaseUrl: urls[type] });
    await expect(made).rejects.toMatchObject({ type, message: message_(message) });
  });

  describe.each(refusals)('database %s', (_, type, message) => {
    it.each([['worker'], ['sessions'], ['run', 'hello'], ['dev']])(
      'F25 start: `perdura %s` → says so and what to do, exit code 1, the password is nowhere',
      async (...argv) => {
        // `dev` migrates what is not migrated.
        if (argv[0] === 'dev' && type === 'Store.NotMigrated') return;
        const { code, stderr } = await perdura([...argv, '--json'], urls[type]);
        expect(code).toBe(1);
        const { error } = JSON.parse(stderr.trim().split('\n').at(-1)!) as {
          error: { type: string; message: string; remedy: string };
        };
        expect(error.type).toBe(type);
        expect(error.message).toMatch(message);
        expect(error.remedy).toMatch(
          type === 'Store.Unavailable'
            ? /DATABASE_URL/
            : type === 'Store.NotMigrated'
              ? /perdura migrate/
              : /version/,
        );
        const { password } = new URL(urls[type]);
        if (password) expect(stderr).not.toContain(password);
      },
    );

    it('F25 start: `perdura doctor` → the same, beside the other checks', async () => {
      const { code, stdout } = await perdura(['doctor', '--json'], urls[type]);
      expect(code).toBe(1);
      expect(stdout).toMatch(type === 'Store.Unavailable' ? /No PostgreSQL answers/ : message);
    });
  });

  it('F25 migrate: a database of a newer version → refused, nothing is changed', async () => {
    const url = urls['Store.TooNew'];
    await expect(migrate(url)).rejects.toMatchObject({ type: 'Store.TooNew' });
    await expect(pendingMigrations(url)).rejects.toMatchObject({ type: 'Store.TooNew' });
    await expect(migrate(urls['Store.Unavailable'])).rejects.toMatchObject({
      type: 'Store.Unavailable',
    });
    expect(await pendingMigrations(urls['Store.NotMigrated'])).not.toHaveLength(0);
  });
});

describe('a running worker', () => {
  let gate: DatabaseGate;
  let stack: TestStack;
  let effects = 0;
  /** What happens in the middle of a model call, or of the tool. */
  let meanwhile: () => void = () => undefined;
  beforeAll(async () => {
    gate = await DatabaseGate.before(inject('databaseUrl'));
    const charge = tool({
      name: 'charge',
      description: 'Charges a card.',
      parameters: z.object({}),
      effect: 'once',
      run: 'activity',
      execute: () => {
        effects += 1;
        meanwhile();
        return 'charged';
      },
    });
    stack = await startTestStack({
      config: { tools: [charge] },
      temporalAddress: inject('temporalAddress'),
      databaseUrl: gate.url,
    });
    stack.model.reply(/^/, (request) => {
      const { text, role } = request.messages.at(-1)!;
      if (text === 'charge') return { toolCalls: [{ name: 'charge', arguments: {} }] };
      if (text === 'break' || text.startsWith('load')) meanwhile();
      return {
        text: `answer to ${role === 'user' ? text : 'the tool'}`,
        chunkSize: 3,
        chunkDelayMs: 4,
      };
    });
  });
  afterEach(() => gate.up());
  afterAll(async () => {
    await stack.stop();
    await gate.close();
  });

  /** The worker has met it again and again. */
  const missed = () => eventually(() => gate.refused > 3);
  const goesDown = () => {
    meanwhile = () => undefined;
    gate.down();
  };
  /** A session that has been used: its worker, bus and reader hold connections. */
  const warm = async (): Promise<Session> => {
    const session = await stack.runtime.start();
    expect((await session.ask({ id: 'warm', text: 'warm' })).text).toBe('answer to warm');
    return session;
  };
  const message = (text: string) => ({ id: text, text });

  it('F25 database: down while the session is idle → a message is accepted, and answered when it is back', async () => {
    const session = await warm();
    gate.down();
    expect(await session.send(message('hello'))).toMatchObject({ duplicate: false });
    await missed();
    gate.up();
    expect((await session.answerTo('hello')).text).toBe('answer to hello');
    expect(userTexts(await session.transcript())).toEqual(['warm', 'hello']);
  });

  it('F25 database: down in the middle of an answer → one answer, complete', async () => {
    const session = await warm();
    meanwhile = goesDown;
    await session.send(message('break'));
    await missed();
    gate.up();
    expect((await session.answerTo('break')).text).toBe('answer to break');
    expect(saidTexts(await session.transcript())).toEqual(['answer to warm', 'answer to break']);
  });

  it('F25 database: down when a `once` tool has taken effect → it is not run again', async () => {
    const session = await warm();
    effects = 0;
    meanwhile = goesDown;
    await session.send(message('charge'));
    await missed();
    gate.up();
    expect((await session.answerTo('charge')).text).toBe('answer to the tool');
    expect(effects).toBe(1);
  });

  it('F25 database: down while a session is paused, resumed and ended → each is noted when it is back', async () => {
    const session = await warm();
    gate.down();
    await session.pause();
    await session.send(message('waits'));
    await missed();
    gate.up();
    await eventually(async () => (await session.record())?.state === 'paused');
    gate.down();
    await session.end('enough');
    await missed();
    gate.up();
    await eventually(async () => (await session.record())?.state === 'terminated');
    expect(userTexts(await session.transcript())).toEqual(['warm', 'waits']);
  });

  it('F25 database: down while a session is paused and ended at once → its end is noted once, with the reason and what waits', async () => {
    const session = await warm();
    gate.down();
    await session.pause();
    await session.send(message('waits'));
    await missed();
    await session.end('enough');
    gate.up();
    const ended = [];
    for await (const item of session.events()) if (item.type === 'session.ended') ended.push(item);
    expect(ended).toMatchObject([{ reason: 'enough' }]);
    expect(userTexts(await session.transcript())).toEqual(['warm', 'waits']);
  });

  it('F25 database: down → a new session is refused by the SDK, and one that is started by hand waits', async () => {
    const session = await warm();
    gate.down();
    await expect(stack.runtime.start()).rejects.toMatchObject({ type: 'Store.Unavailable' });
    await expect(session.transcript()).rejects.toMatchObject({ type: 'Store.Unavailable' });
    const workflowId = `${stack.tenant}-by-hand`;
    const handle = await stack.runtime.temporal.workflow.start('agentSession', {
      workflowId,
      taskQueue: stack.taskQueue,
      args: [{ message: 'by hand' }],
    });
    await handle.signal(HANDLERS.message, 'and more');
    await missed();
    gate.up();
    expect((await stack.runtime.start({ message: 'again' })).id).toMatch(/^s-/);
    const answer = await handle.executeUpdate<{ text: string }, [unknown]>(HANDLERS.ask, {
      args: [{ id: 'by-hand', text: 'last' }],
    });
    expect(answer.text).toMatch(/answer to/);
    await handle.terminate();
  });

  it('F25 database: down and up, again and again, under load → no message lost, doubled or reordered', async () => {
    const sessions = await Promise.all([warm(), warm(), warm()]);
    const texts = Array.from({ length: 12 }, (_, i) => `load ${i}`);
    let calls = 0;
    let outages = 0;
    // In the middle of every fourth model call, whatever the other sessions do then.
    meanwhile = () => {
      if (++calls % 4 > 0 || outages === 6 || gate.isDown) return;
      outages += 1;
      gate.down();
      void eventually(() => gate.refused > 2).finally(() => gate.up());
    };
    await Promise.all(
      sessions.map(async (session) => {
        for (const text of texts) {
          await session.send(message(text));
          if (text.endsWith('3') || text.endsWith('7')) await answered(session, text);
        }
        await answered(session, texts.at(-1)!);
      }),
    );
    expect(outages).toBeGreaterThan(1);
    for (const session of sessions) {
      expect(userTexts(await session.transcript())).toEqual(['warm', ...texts]);
    }
  }, 120_000);
});

/** A caller is told at once that the database is down; asking again is safe. */
async function answered(session: Session, id: string): Promise<void> {
  await eventually(
    () =>
      session.answerTo(id).then(
        () => true,
        (error: unknown) => {
          if ((error as { type?: string }).type === 'Store.Unavailable') return false;
          throw error;
        },
      ),
    90_000,
  );
}

const message_ = (pattern: RegExp) => expect.stringMatching(pattern) as string;

async function perdura(
  argv: string[],
  databaseUrl: string,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'perdura-refused-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const env = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    TEMPORAL_ADDRESS: inject('temporalAddress'),
    TEMPORAL_NAMESPACE: 'default',
    DATABASE_URL: databaseUrl,
    PERDURA_DATA_DIR: folder,
  };
  return promisify(execFile)(process.execPath, [compiledModule('src/cli/main.js'), ...argv], {
    env,
  }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: unknown) => {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, stdout, stderr };
    },
  );
}
