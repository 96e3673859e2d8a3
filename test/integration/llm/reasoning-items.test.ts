/** Encrypted reasoning over the Responses API: kept, and sent back to the model that made it. */
import { afterEach, describe, expect, it } from 'vitest';
import { tool } from '../../../src/contracts/define-tool.js';
import type { SeenRequest } from '../../../src/testing/scripted-model.js';
import { Harness, type HarnessOptions } from '../../support/harness.js';

const read = tool({
  name: 'read',
  description: 'Reads.',
  effect: 'read',
  execute: () => 'read',
});
const calling = { toolCalls: [{ id: 'call_1', name: 'read' }], reasoning: 'I must read.' };

interface WireItem {
  readonly type?: string;
  readonly role?: string;
  readonly id?: string;
  readonly encrypted_content?: string;
}
const inputOf = ({ body }: SeenRequest) => body.input as WireItem[];
/** What kinds of items a request has, in order. */
const kindsOf = (request: SeenRequest) => inputOf(request).map(({ type, role }) => type ?? role);

describe('reasoning items', () => {
  let h: Harness;
  const start = async (options: HarnessOptions) =>
    (h = await Harness.start({ api: 'responses', tools: [read], ...options }));
  afterEach(() => h.stop());

  it('reasoning: of a reasoning model → sent back before the call that it led to, from another worker too', async () => {
    await start({ agent: { model: 'gpt-5-test' } });
    h.model.enqueue(calling, { text: 'done', reasoning: 'I have read.' }, 'again');
    const session = await h.runtime.start();
    expect((await session.ask('x')).text).toBe('done');
    const [first, second] = h.model.requests;
    expect(first!.body).toMatchObject({ store: false, include: ['reasoning.encrypted_content'] });
    expect(kindsOf(second!)).toEqual([
      'user',
      'reasoning',
      'function_call',
      'function_call_output',
    ]);
    const sent = inputOf(second!)[1]!;
    expect(sent.encrypted_content).toMatch(/.+/);

    // What the transcript holds is all that it takes.
    await h.stopWorker();
    await h.startWorker();
    await session.ask('y');
    const third = h.model.requests[2]!;
    expect(kindsOf(third)).toEqual([
      'user',
      'reasoning',
      'function_call',
      'function_call_output',
      'reasoning',
      'assistant',
      'user',
    ]);
    expect(inputOf(third)[1]).toEqual(sent);
  });

  it('reasoning: of a model that does not reason → not asked for', async () => {
    await start({ agent: { model: 'gpt-4o' } });
    h.model.enqueue('done');
    await (await h.runtime.start()).ask('x');
    expect(h.model.requests[0]!.body).not.toHaveProperty('include');
  });

  it('reasoning: refused by the provider → sent without it, the session goes on', async () => {
    await start({ agent: { model: 'gpt-5-test' } });
    const message = 'The encrypted content for item rs_1 could not be verified.';
    h.model.enqueue(calling, { error: { status: 400, message } }, 'done');
    const session = await h.runtime.start();
    expect((await session.ask('x')).text).toBe('done');
    expect(h.model.requests.map(kindsOf)).toEqual([
      ['user'],
      ['user', 'reasoning', 'function_call', 'function_call_output'],
      ['user', 'function_call', 'function_call_output'],
    ]);
  });
});
