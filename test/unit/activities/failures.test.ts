/** What leaves an activity as a failure: Temporal's core ends the worker for text that is no UTF-8. */
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { DefaultFailureConverter, defaultPayloadConverter } from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import { toFailure } from '../../../activities/failures.js';
import { PerduraError } from '../../../src/contracts/failures.js';

const ILL_FORMED = /\u0000|\p{Surrogate}/u;
const ODD: readonly [string, string][] = [
  ['a lone high surrogate', 'cut \ud83d'],
  ['a lone low surrogate', '\ude00 cut'],
  ['NUL', 'a\u0000b'],
  ['U+FFFF', 'a\uffffb'],
  ['1 MB of combining marks', 'e' + '\u0301'.repeat(512 * 1024)],
];

function cause(text: string): Error {
  const deepest = new TypeError(text);
  const middle = new Error(`in between: ${text}`, { cause: deepest });
  middle.name = `Odd${text}`;
  return middle;
}

/** Every string of the failure as it goes over the wire. */
function stringsOf(thrown: unknown): string[] {
  const converter = new DefaultFailureConverter();
  const failure = converter.errorToFailure(thrown, defaultPayloadConverter);
  const texts: string[] = [];
  for (let at: typeof failure | null | undefined = failure; at; at = at.cause) {
    texts.push(at.message ?? '', at.stackTrace ?? '', at.applicationFailureInfo?.type ?? '');
  }
  return texts;
}

describe('failures of activities', () => {
  it.each(ODD)(
    'failure: %s in its message, stack, type and causes → short, valid UTF-8',
    (_, text) => {
      const named = new Error(text, { cause: cause(text) });
      named.name = text;
      for (const error of [
        new PerduraError('Model.BadRequest', text, { cause: cause(text) }),
        new PerduraError('Model.BadRequest', 'plain', { cause: cause(text) }),
        ApplicationFailure.create({ type: text, message: text, cause: cause(text) }),
        named,
        text,
      ]) {
        const texts = stringsOf(toFailure(error));
        expect(texts.length).toBeGreaterThan(2);
        for (const each of texts) {
          expect(!ILL_FORMED.test(each)).toBe(true);
          expect(each.length).toBeLessThan(5_000);
        }
      }
    },
  );

  it('failure: causes in a circle → cut off', () => {
    const one = new Error('one \ud83d');
    one.cause = new Error('two', { cause: one });
    expect(
      stringsOf(toFailure(new PerduraError('Tool.Failed', 'x', { cause: one }))).length,
    ).toBeLessThan(40);
    expect(stringsOf(toFailure(one)).length).toBeLessThan(40);
  });

  it('failure: type, retry and delay → kept; a sound error of Temporal → itself', () => {
    const limited = new PerduraError('Model.RateLimited', 'wait \ud83d', { retryAfterMs: 9 });
    expect(toFailure(limited)).toMatchObject({ nonRetryable: false, nextRetryDelay: 9 });
    expect(toFailure(limited, false)).toMatchObject({
      type: 'Model.RateLimited',
      nonRetryable: true,
    });
    const final = ApplicationFailure.nonRetryable('odd \ud83d', 'Mine', 1);
    expect(toFailure(final)).toMatchObject({ type: 'Mine', nonRetryable: true, details: [1] });
    const cancelled = new CancelledFailure('CANCELLED');
    expect(toFailure(cancelled)).toBe(cancelled);
  });
});
