/** The store goes away between the effect of a tool and its record, for every class of effect. */
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Session } from '../../../src/client/session.js';
import { tool } from '../../../src/contracts/define-tool.js';
import { PerduraError } from '../../../src/contracts/failures.js';
import type { ToolMessage } from '../../../src/contracts/message.js';
import { ToolContent, type ToolEffect, type ToolRun } from '../../../src/contracts/tool.js';
import { startTestStack, type TestStack } from '../../../src/testing/test-stack.js';
import { DatabaseGate } from '../../support/databases.js';
import { eventually } from '../../support/observe.js';

const EFFECTS = ['read', 'idempotent', 'keyed', 'once'] as const;
const RUNS = ['local', 'activity'] as const;
const KINDS = RUNS.flatMap((run) => EFFECTS.map((effect) => [effect, run] as const));
/** More than a tool shows, and a picture: both are kept as artifacts before the result is written. */
const LONG = `charged ${'x'.repeat(40_000)} end`;
const PIXEL = 'iVBORw0KGgo=';

describe('a tool whose store goes away', () => {
  let gate: DatabaseGate;
  let stack: TestStack;
  /** Idempotency keys of the runs of the tool. */
  let keys: string[] = [];
  let meanwhile: () => unknown = () => undefined;

  const charge = (effect: ToolEffect, run: ToolRun, output: unknown, name = 'charge') =>
    tool({
      name: `${name}_${effect}_${run}`,
      description: 'Charges a card.',
      effect,
      run,
      timeoutMs: 30_000,
      retry: { maximumAttempts: 2, initialIntervalMs: 10 },
      execute: async (_, { idempotencyKey }) => {
        keys.push(idempotencyKey);
        await meanwhile();
        return output;
      },
    });

  beforeAll(async () => {
    gate = await DatabaseGate.before(inject('databaseUrl'));
    const long = new ToolContent([
      { type: 'text', text: LONG },
      { type: 'image', mediaType: 'image/png', data: PIXEL },
    ]);
    const asks = tool({
      name: 'asks_store',
      description: 'Asks a store that is away.',
      effect: 'read',
      run: 'activity',
      retry: { maximumAttempts: 2, initialIntervalMs: 10 },
      execute: async (_, { idempotencyKey }) => {
        keys.push(idempotencyKey);
        // Three outages: more than its two attempts.
        if (keys.length > 3) return 'asked';
        gate.down();
        throw new PerduraError('Store.Unavailable', 'PostgreSQL is away.');
      },
    });
    stack = await startTestStack({
      config: {
        tools: [
          asks,
          ...KINDS.map(([effect, run]) => charge(effect, run, 'charged')),
          ...KINDS.map(([effect, run]) => charge(effect, run, long, 'long')),
        ],
      },
      temporalAddress: inject('temporalAddress'),
      databaseUrl: gate.url,
      settings: { heartbeatTimeoutMs: 2_000 },
    });
    stack.model.reply(/^/, (request) => {
      const text = request.lastUserText;
      if (text === 'warm') return 'warm';
      // Pictures follow the result as a message of their own.
      const told = request.messages.findLast(({ role }) => role === 'tool');
      if (told) return `told: ${told.text}`;
      return { toolCalls: [{ name: text, arguments: {} }] };
    });
  });
  afterEach(() => {
    gate.up();
    meanwhile = () => undefined;
  });
  afterAll(async () => {
    await stack.stop();
    await gate.close();
  });

  /** A session that has been used: its worker, bus and reader hold connections. */
  const warm = async (): Promise<Session> => {
    keys = [];
    const session = await stack.runtime.start();
    await session.ask({ id: 'warm', text: 'warm' });
    return session;
  };
  const goesDown = () => {
    meanwhile = () => undefined;
    gate.down();
  };
  /** Longer than two attempts of the tool take. */
  const missed = (times = 10) => eventually(() => gate.refused > times);
  const resultOf = async (session: Session): Promise<ToolMessage> => {
    const messages = (await session.transcript()).map(({ message }) => message);
    const results = messages.filter((message) => message.role === 'tool');
    expect(results).toHaveLength(1);
    return results[0]!;
  };

  /** A local tool that reads runs before the answer that called it is written; both come again. */

  it.each(KINDS)(
    'F2 F25 tool: `%s` as %s, the store goes away after its effect → its result is told, with an effect it runs once',
    async (effect, run) => {
      const session = await warm();
      meanwhile = goesDown;
      const text = `charge_${effect}_${run}`;
      await session.send({ id: text, text });
      await missed();
      gate.up();
      expect((await session.answerTo(text)).text).toBe('told: charged');
      expect(keys).toHaveLength(1);
      expect((await resultOf(session)).failure).toBeUndefined();
    },
  );

  it.each(KINDS)(
    'F19 F25 tool: `%s` as %s, the store goes away before its long output is kept → kept, with an effect it runs once',
    async (effect, run) => {
      const session = await warm();
      meanwhile = goesDown;
      const text = `long_${effect}_${run}`;
      await session.send({ id: text, text });
      await missed(6);
      gate.up();
      expect((await session.answerTo(text)).text).toMatch(/^told: charged x[^]* end/);
      expect(keys).toHaveLength(1);
      const { content, artifact } = await resultOf(session);
      expect(artifact).toMatch(/^art_/);
      expect(content.at(-1)).toMatchObject({ type: 'image', mediaType: 'image/png' });
    },
  );

  it.each(KINDS.filter(([effect]) => effect === 'once' || effect === 'keyed'))(
    'F2 F25 tool: `%s` as %s, store and worker go away after its effect → unknown, or the same key again',
    async (effect, run) => {
      const session = await warm();
      meanwhile = goesDown;
      const text = `charge_${effect}_${run}`;
      await session.send({ id: text, text });
      await missed(4);
      await stack.stopWorker();
      gate.up();
      await stack.startWorker();
      const answer = await session.answerTo(text);
      const { failure } = await resultOf(session);
      if (effect === 'once') {
        expect(answer.text).toMatch(/^told: OUTCOME_UNKNOWN/);
        expect(failure?.type).toBe('Tool.OutcomeUnknown');
        expect(keys).toHaveLength(1);
      } else {
        expect(answer.text).toBe('told: charged');
        expect(keys).toHaveLength(2);
        expect(new Set(keys).size).toBe(1);
      }
    },
  );

  it('F25 tool: its own question to the store fails in an outage → no attempt is used up, it answers when the store is back', async () => {
    const session = await warm();
    await session.send({ id: 'asks', text: 'asks_store' });
    for (let outages = 1; outages <= 3; outages++) {
      await eventually(() => keys.length === outages);
      await missed(3);
      gate.up();
    }
    expect((await session.answerTo('asks')).text).toBe('told: asked');
  });
});
