import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  buildContext,
  cutBefore,
  ratioOf,
  visiblePart,
} from '../../../src/context/context-builder.js';
import { tokensOf, type CachedMessage } from '../../../src/context/entries.js';
import type { TranscriptMessage } from '../../../src/contracts/message.js';

const user = (text: string): TranscriptMessage => ({ role: 'user', id: text.slice(0, 8), text });
const model = (text: string, calls: readonly string[] = [], args = '{}'): TranscriptMessage => ({
  role: 'assistant',
  id: text.slice(0, 8),
  text,
  finish: calls.length > 0 ? 'tools' : 'stop',
  model: 'm',
  ...(calls.length > 0
    ? { toolCalls: calls.map((id) => ({ id, name: 'look', arguments: args })) }
    : {}),
});
const result = (callId: string, text: string): TranscriptMessage => ({
  role: 'tool',
  callId,
  name: 'look',
  content: [{ type: 'text', text }],
});
const transcript = (...messages: readonly TranscriptMessage[]): CachedMessage[] =>
  messages.map((message, i) => ({ seq: i + 1, turn: 1, message, tokens: tokensOf(message) }));

/** Providers refuse anything else: each call followed by its result, and no result without a call. */
function expectClosed(messages: readonly TranscriptMessage[]): void {
  let open: string[] = [];
  for (const message of messages) {
    if (message.role === 'tool') {
      expect(open).toContain(message.callId);
      open = open.filter((id) => id !== message.callId);
    } else {
      expect(open).toEqual([]);
      if (message.role === 'assistant') open = (message.toolCalls ?? []).map(({ id }) => id);
    }
  }
  expect(open).toEqual([]);
}

describe('buildContext', () => {
  const roomy = { limit: 100_000, fixed: 0 };

  it('everything fits → everything is shown, as it is', () => {
    const all = transcript(user('a'), model('', ['c1']), result('c1', 'x'), model('b'));
    expect(buildContext(all, roomy).messages).toEqual(all.map(({ message }) => message));
  });

  it('old tool output, where the window fills up → trimmed; the newest stays whole', () => {
    const long = 'x'.repeat(4_000);
    const all = transcript(
      ...Array.from({ length: 12 }, (_, i) => [
        user(`question ${i}`),
        model('', [`c${i}`]),
        result(`c${i}`, long),
        model('answer'),
      ]).flat(),
    );
    const context = buildContext(all, { limit: 8_000, fixed: 100 });
    expect(context.overflow).toBe(false);
    const outputs = context.messages.flatMap((m) => (m.role === 'tool' ? m.content : []));
    expect(outputs[0]).toMatchObject({ text: expect.stringContaining('Old output of look') });
    expect(outputs.at(-1)).toMatchObject({ text: long });
    expectClosed(context.messages);
  });

  it('trimming → moves in strides: what is before the line stays the same as messages come', () => {
    const base = Array.from({ length: 20 }, (_, i) => [
      user(`question ${i}`),
      model('', [`c${i}`]),
      result(`c${i}`, 'x'.repeat(2_000)),
      model('answer'),
    ]).flat();
    const room = { limit: 9_000, fixed: 0 };
    const lines = [0, 1, 2, 3].map((more) => {
      const all = transcript(...base, ...Array.from({ length: more }, () => user('more')));
      return buildContext(all, room).messages.filter(
        (m) => m.role === 'tool' && JSON.stringify(m).includes('Old output'),
      ).length;
    });
    expect(new Set(lines).size).toBeLessThanOrEqual(2);
  });

  it('large arguments, where nothing else helps → left out, as valid JSON', () => {
    const args = JSON.stringify({ text: 'y'.repeat(80_000) });
    const all = transcript(user('a'), model('', ['c1'], args), result('c1', 'stored'));
    const context = buildContext(all, { limit: 5_000, fixed: 0 });
    expect(context.overflow).toBe(false);
    const made = context.messages[1]!;
    const shown = made.role === 'assistant' ? made.toolCalls![0]!.arguments : '';
    expect(JSON.parse(shown)).toEqual({ left_out: `${args.length} characters` });
    expectClosed(context.messages);
  });

  it('nothing more to trim → overflow', () => {
    expect(
      buildContext(transcript(user('x'.repeat(50_000))), { limit: 1_000, fixed: 0 }).overflow,
    ).toBe(true);
  });

  it('summary: → stands for what it covers, the newest one alone', () => {
    const summary = (text: string, to: number): TranscriptMessage => ({
      role: 'summary',
      text,
      covers: { from: 1, to },
    });
    const all = transcript(
      user('a'),
      model('b'),
      summary('one', 2),
      user('c'),
      model('d'),
      summary('two', 4),
      user('e'),
    );
    expect(visiblePart(all).map(({ message }) => ('text' in message ? message.text : ''))).toEqual([
      'two',
      'd',
      'e',
    ]);
  });

  it('ratio: of the newest answer, within bounds', () => {
    const [one, two] = transcript(user('a'), model('b'));
    expect(ratioOf([one!])).toBe(1);
    expect(
      ratioOf([
        { ...one!, ratio: 2 },
        { ...two!, ratio: 1.5 },
      ]),
    ).toBe(1.5);
    expect(ratioOf([{ ...one!, ratio: 1_000 }])).toBe(4);
  });

  const turn = fc.record({
    text: fc.nat(3_000),
    calls: fc.array(fc.record({ size: fc.nat(6_000), answered: fc.boolean() }), { maxLength: 3 }),
    args: fc.nat(6_000),
  });

  it('any transcript in any window → calls and results are paired; no overflow is more than the limit', () => {
    fc.assert(
      fc.property(
        fc.array(turn, { maxLength: 12 }),
        fc.integer({ min: 256, max: 20_000 }),
        fc.nat(12),
        (turns, limit, covered) => {
          let call = 0;
          const messages: TranscriptMessage[] = turns.flatMap(({ text, calls, args }) => {
            const ids = calls.map(() => `c${++call}`);
            return [
              user('u'.repeat(text + 1)),
              model('m', ids, JSON.stringify({ a: 'x'.repeat(args) })),
              ...calls.flatMap(({ size, answered }, i) =>
                answered ? [result(ids[i]!, 'r'.repeat(size))] : [],
              ),
            ];
          });
          const upto = Math.min(covered, messages.length);
          if (upto > 0)
            messages.push({ role: 'summary', text: 's', covers: { from: 1, to: upto } });
          const all = transcript(...messages);
          const context = buildContext(all, { limit, fixed: 50 });
          expectClosed(context.messages);
          if (!context.overflow) expect(context.tokens).toBeLessThanOrEqual(limit);
          // Nobody else's words are lost without an overflow or a summary.
          const shown = context.messages.filter(({ role }) => role === 'user').length;
          expect(shown).toBe(
            visiblePart(all).filter(({ message }) => message.role === 'user').length,
          );
        },
      ),
      { numRuns: 200 },
    );
  });

  it('a transcript that has grown → the context of one that was never seen before', () => {
    const step = fc.constantFrom<TranscriptMessage['role']>('user', 'assistant', 'tool', 'summary');
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 30 }),
        fc.integer({ min: 256, max: 600 }),
        (roles, limit) => {
          const messages = roles.map((role, i): TranscriptMessage => {
            if (role === 'user') return user('u'.repeat(200));
            if (role === 'assistant')
              return model('m', [`c${i + 1}`], `{"a":"${'x'.repeat(400)}"}`);
            if (role === 'tool') return result(`c${i}`, 'r'.repeat(400));
            return { role, text: 's', covers: { from: 1, to: Math.max(1, i - 2) } };
          });
          const all = transcript(...messages);
          for (let length = 0; length <= all.length; length++) {
            const grown = all.slice(0, length);
            expect(buildContext(grown, { limit, fixed: 50 })).toEqual(
              buildContext(structuredClone(grown), { limit, fixed: 50 }),
            );
          }
        },
      ),
    );
  });

  it('cutBefore: any transcript → never between a call and its result, and something new or nothing', () => {
    fc.assert(
      fc.property(fc.array(turn, { maxLength: 10 }), fc.nat(5_000), (turns, keep) => {
        let call = 0;
        const all = transcript(
          ...turns.flatMap(({ text, calls }) => {
            const ids = calls.map(() => `c${++call}`);
            return [
              user('u'.repeat(text + 1)),
              model('m', ids),
              ...calls.map(({ size }, i) => result(ids[i]!, 'r'.repeat(size))),
            ];
          }),
        );
        const cut = cutBefore(all, keep);
        expect(cut).toBeLessThan(Math.max(1, all.length));
        expect(all[cut]?.message.role).not.toBe('tool');
      }),
    );
  });
});
