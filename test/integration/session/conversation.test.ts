import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tool } from '../../../src/contracts/define-tool.js';
import { z } from 'zod';
import { Harness } from '../../support/harness.js';

const add = tool({
  name: 'add',
  description: 'Adds two numbers.',
  parameters: z.object({ a: z.number(), b: z.number() }),
  effect: 'read',
  run: 'local',
  execute: ({ a, b }) => a + b,
});

describe('session', () => {
  let h: Harness;
  beforeAll(async () => {
    h = await Harness.start({ tools: [add] });
  });
  afterAll(() => h.stop());

  it('conversation: a message → an answer, and the next message knows the first', async () => {
    h.model.enqueue('Hello Ada.', 'You are Ada.');
    const session = await h.runtime.start({ message: 'I am Ada.' });
    const { text } = await session.ask('Who am I?').catch(async (e) => {
      throw e;
    });
    expect(text).toBe('You are Ada.');
    const transcript = await session.transcript();
    expect(transcript.map(({ message }) => message.role)).toEqual([
      'user',
      'assistant',
      'user',
      'assistant',
    ]);
  });

  it('tools: a call → its result goes back to the model, in call order', async () => {
    h.model.enqueue(
      {
        toolCalls: [
          { name: 'add', arguments: { a: 1, b: 2 } },
          { name: 'add', arguments: { a: 3, b: 4 } },
        ],
      },
      'It is 3 and 7.',
    );
    const session = await h.runtime.start();
    const { text } = await session.ask('add');
    expect(text).toBe('It is 3 and 7.');
    const tools = (await session.transcript()).flatMap(({ message }) =>
      message.role === 'tool' ? [message.content] : [],
    );
    expect(tools).toEqual([[{ type: 'text', text: '3' }], [{ type: 'text', text: '7' }]]);
  });
});
