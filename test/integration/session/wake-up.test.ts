import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Session } from '../../../src/client/session.js';
import { eventually, runsOf, userTexts } from '../../support/observe.js';
import { startSkippingStack, type SkippingStack } from '../../support/time-skipping.js';

const DAY = 24 * 3_600_000;
const WOKEN = 'The wake-up time that was asked for has come.';

/** On the Java test server, whatever server the run is on: only it skips time when nobody works. */
describe('wake-up, on a server that skips time', () => {
  let stack: SkippingStack;
  let env: SkippingStack['env'];
  let runtime: SkippingStack['runtime'];
  beforeAll(async () => {
    stack = await startSkippingStack();
    ({ env, runtime } = stack);
    stack.model.reply(/^/, (request) => `re: ${request.lastUserText}`);
  });
  afterAll(() => stack.stop());

  const texts = async (session: Session) => userTexts(await session.transcript());
  const settled = (session: Session, count: number) =>
    eventually(async () => {
      const { turn, state } = await session.status();
      return turn === count && state === 'idle';
    });

  it('wakeUpAfter: 30 days of sleep → the agent wakes once, on that day, and not before', async () => {
    const session = await runtime.start({ message: 'hello' });
    await settled(session, 1);
    const before = await env.currentTimeMs();
    await session.wakeUpAfter(30 * DAY);
    await env.sleep(29 * DAY);
    expect(await texts(session)).toEqual(['hello']);
    await env.sleep(2 * DAY);
    await settled(session, 2);
    expect(await texts(session)).toEqual(['hello', WOKEN]);
    expect((await env.currentTimeMs()) - before).toBeGreaterThanOrEqual(31 * DAY);
    await env.sleep(60 * DAY);
    expect(await texts(session)).toHaveLength(2);
  });

  it('wakeUpAfter: a message comes before → that woke the agent, the time passes unnoticed', async () => {
    const session = await runtime.start({ message: 'hello' });
    await settled(session, 1);
    await session.wakeUpAfter(DAY);
    await env.sleep(DAY / 2);
    await session.send('earlier');
    await settled(session, 2);
    await env.sleep(2 * DAY);
    expect(await texts(session)).toEqual(['hello', 'earlier']);
  });

  it('wakeUpAfter: asked for again → the newest counts', async () => {
    const session = await runtime.start({ message: 'hello' });
    await settled(session, 1);
    await session.wakeUpAfter(DAY);
    await session.wakeUpAfter(3 * DAY);
    await env.sleep(2 * DAY);
    expect(await texts(session)).toEqual(['hello']);
    await env.sleep(2 * DAY);
    await settled(session, 2);
    expect(await texts(session)).toEqual(['hello', WOKEN]);
  });

  it('wakeUpAfter: paused at that time → wakes when it is resumed', async () => {
    const session = await runtime.start({ message: 'hello' });
    await settled(session, 1);
    await session.wakeUpAfter(DAY);
    await session.pause();
    await env.sleep(2 * DAY);
    expect(await texts(session)).toEqual(['hello']);
    await session.resume();
    await settled(session, 2);
    expect(await texts(session)).toEqual(['hello', WOKEN]);
  });

  it('idle: nothing was asked for → a year passes without a timer or an event', async () => {
    const session = await runtime.start({ message: 'hello' });
    await settled(session, 1);
    const h = { runtime } as never;
    const [before] = await runsOf(h, session.workflowId);
    await env.sleep(365 * DAY);
    const [after] = await runsOf(h, session.workflowId);
    expect(after!.events).toBe(before!.events);
    expect(after!.types.filter((type) => type.startsWith('timer'))).toEqual([]);
    await session.send('good morning');
    await settled(session, 2);
    expect(await texts(session)).toEqual(['hello', 'good morning']);
  });
});
