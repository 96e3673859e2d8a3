/** What a session costs Temporal, and what a worker without a memory makes of it. */
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { tool } from '../../../src/contracts/define-tool.js';
import type { Session } from '../../../src/client/session.js';
import { replayHistories, replayHistory } from '../../../src/testing/replay.js';
import { Harness } from '../../support/harness.js';
import { eventually, saidTexts, userTexts } from '../../support/observe.js';

const add = tool({
  name: 'add',
  description: 'Adds two numbers.',
  parameters: z.object({ a: z.number(), b: z.number() }),
  effect: 'read',
  run: 'local',
  execute: ({ a, b }) => a + b,
});

describe('history', () => {
  let h: Harness;
  afterEach(() => h.stop());

  const bytesOf = async (session: Session): Promise<number> => {
    const handle = h.runtime.temporal.workflow.getHandle(session.workflowId);
    const { events } = await handle.fetchHistory();
    return JSON.stringify(events).length;
  };

  it('P1 history: a turn late in a conversation → adds as many bytes as an early one', async () => {
    h = await Harness.start({ tools: [add] });
    const session = await h.runtime.start();
    const turn = async (): Promise<void> => {
      h.model.enqueue({ toolCalls: [{ name: 'add', arguments: { a: 1, b: 2 } }] }, 'It is 3.');
      await session.ask('What is 1 + 2?');
      // Its answer is known before its last events are written; a message that comes meanwhile
      // may share a workflow task with them, or not.
      await eventually(async () => (await session.status()).state === 'idle');
    };
    const addedBy = async (turns: number): Promise<number> => {
      const before = await bytesOf(session);
      for (let i = 0; i < turns; i++) await turn();
      return (await bytesOf(session)) - before;
    };
    await turn();
    const early = await addedBy(5);
    await addedBy(25);
    const late = await addedBy(5);
    // Sequence numbers gain digits, and the test server splits workflow tasks as it likes; with the
    // transcript in the history it would be six times as much.
    expect(late / early).toBeLessThan(1.2);
  });

  it('history: as Temporal’s client fetches it → replays, from JSON too', async () => {
    h = await Harness.start();
    const session = await h.runtime.start();
    h.model.enqueue('hello');
    await session.ask('hi');
    const history = await h.runtime.temporal.workflow.getHandle(session.workflowId).fetchHistory();
    await replayHistory(history);
    await replayHistory(historyToJSON(history));
    for (const event of history.events!) {
      const scheduled = event.activityTaskScheduledEventAttributes;
      if (scheduled) scheduled.activityType = { name: 'somethingElse' };
    }
    await expect(replayHistory(history)).rejects.toThrow(/determinis/i);
  });

  it('history: several at once → each has its own verdict, in order', async () => {
    h = await Harness.start();
    h.model.enqueue('one', 'two');
    const { workflow } = h.runtime.temporal;
    const histories = [];
    for (const text of ['a', 'b']) {
      const session = await h.runtime.start();
      await session.ask(text);
      histories.push(await workflow.getHandle(session.workflowId).fetchHistory());
    }
    const [good, bad] = histories;
    const scheduled = bad!.events!.find((event) => event.activityTaskScheduledEventAttributes);
    scheduled!.activityTaskScheduledEventAttributes!.activityType = { name: 'somethingElse' };
    const verdicts = [];
    for await (const { error } of replayHistories([good, bad, good])) verdicts.push(error?.message);
    expect(verdicts).toEqual([undefined, expect.stringMatching(/determinis/i), undefined]);
  });

  it('F30 cache of 2 workflows: eight sessions talk at once → the same results', async () => {
    h = await Harness.start({ tools: [add], worker: { maxCachedWorkflows: 2 } });
    h.model.reply(
      ({ messages }) => messages.at(-1)?.role === 'tool',
      ({ lastUserText }) => `done: ${lastUserText}`,
    );
    h.model.reply(/./, { toolCalls: [{ name: 'add', arguments: { a: 1, b: 2 } }] });
    const texts = ['first', 'second', 'third'];
    const sessions = await Promise.all(Array.from({ length: 8 }, () => h.runtime.start()));
    await Promise.all(
      sessions.map(async (session) => {
        for (const text of texts) expect((await session.ask(text)).text).toBe(`done: ${text}`);
      }),
    );
    for (const session of sessions) {
      const transcript = await session.transcript();
      expect(userTexts(transcript)).toEqual(texts);
      expect(saidTexts(transcript).filter(Boolean)).toEqual(texts.map((text) => `done: ${text}`));
    }
  });
});
