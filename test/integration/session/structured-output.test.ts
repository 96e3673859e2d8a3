import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Harness } from '../../support/harness.js';
import { Reader, saidTexts } from '../../support/observe.js';

const schema = {
  type: 'object',
  properties: { city: { type: 'string' }, degrees: { type: 'number' } },
  required: ['city', 'degrees'],
  additionalProperties: false,
};
const right = '{"city":"Bern","degrees":7}';

describe('structured output', () => {
  let h: Harness;
  beforeAll(async () => {
    h = await Harness.start({ agent: { responseFormat: { name: 'weather', schema } } });
  });
  afterAll(() => h.stop());

  it('answer: against the schema → asked again with what was wrong; the wrong one is superseded and not in the transcript', async () => {
    h.model.enqueue(
      { text: '{"city":"Bern"}', chunkSize: 5, chunkDelayMs: 20 },
      'Seven degrees.',
      right,
    );
    const session = await h.runtime.start();
    const reader = new Reader();
    const reading = reader.until(session, 'turn.completed');
    expect((await session.ask('weather?')).text).toBe(right);
    await reading;
    expect(reader.items.filter(({ type }) => type === 'superseded').length).toBeGreaterThan(0);
    expect(reader.shown.get('1.1')).toBe(right);
    expect(saidTexts(await session.transcript())).toEqual([right]);
    const asked = h.model.requests.at(-2)!;
    expect(asked.responseFormat).toMatchObject({ name: 'weather' });
    expect(asked.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user']);
    expect(asked.messages[1]!.text).toBe('{"city":"Bern"}');
    expect(asked.messages[2]!.text).toMatch(/does not match.*degrees/);
    const { attempts } = (await session.timeline()).turns[0]!.steps[0]!;
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['failed', 'failed', 'completed']);
    // Wrong answers were paid all the same.
    expect((await session.record())!.outputTokens).toBe(
      attempts.reduce((sum, { outputTokens }) => sum + outputTokens, 0),
    );
  });

  it('answer: wrong at every attempt → Model.InvalidOutput after three, the next message works', async () => {
    h.model.enqueue('no', 'nope', '{}', right);
    const session = await h.runtime.start();
    const asked = session.ask('weather?');
    await expect(asked).rejects.toMatchObject({ type: 'Model.InvalidOutput' });
    expect((await session.ask('please')).text).toBe(right);
    h.model.assertDone();
  });

  it('answer: the provider fails between two repairs → the repair is not forgotten', async () => {
    h.model.enqueue('{"city":7,"degrees":7}', { error: { status: 500 } }, right);
    const session = await h.runtime.start();
    expect((await session.ask('weather?')).text).toBe(right);
    expect(h.model.requests.at(-1)!.messages.map(({ text }) => text)[1]).toBe(
      '{"city":7,"degrees":7}',
    );
  });
});
