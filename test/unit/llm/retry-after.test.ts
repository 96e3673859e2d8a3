/** The forms of Retry-After: F13. */
import { describe, expect, it } from 'vitest';
import { fc, test } from './property.js';
import { MAX_RETRY_AFTER_MS, retryAfterMs } from '../../../src/llm/retry-after.js';

const NOW = Date.parse('2026-11-21T08:00:00Z');
const read = (headers: Record<string, string>) => retryAfterMs((name) => headers[name], NOW);

describe('Retry-After', () => {
  it.each([
    ['seconds', { 'retry-after': '20' }, 20_000],
    ['fractions of a second', { 'retry-after': '0.25' }, 250],
    ['with spaces', { 'retry-after': ' 2 ' }, 2_000],
    ['an HTTP date', { 'retry-after': 'Sat, 21 Nov 2026 08:00:10 GMT' }, 10_000],
    ['the RFC 850 date', { 'retry-after': 'Saturday, 21-Nov-26 08:00:05 GMT' }, 5_000],
    ['retry-after-ms', { 'retry-after-ms': '1500' }, 1_500],
    ['retry-after-ms before seconds', { 'retry-after-ms': '10', 'retry-after': '9' }, 10],
    ['garbage in ms, then seconds', { 'retry-after-ms': 'soon', 'retry-after': '9' }, 9_000],
    ['an hour', { 'retry-after': '3600' }, MAX_RETRY_AFTER_MS],
    ['a date of next year', { 'retry-after': 'Sun, 21 Nov 2027 08:00:00 GMT' }, MAX_RETRY_AFTER_MS],
    ['a date that is past', { 'retry-after': 'Fri, 20 Nov 2026 08:00:00 GMT' }, undefined],
    ['zero', { 'retry-after': '0' }, undefined],
    ['negative', { 'retry-after': '-5' }, undefined],
    ['infinite', { 'retry-after': 'Infinity' }, undefined],
    ['exponential', { 'retry-after': '1e9' }, undefined],
    ['garbage', { 'retry-after': 'Sat, garbage' }, undefined],
    ['empty', { 'retry-after': '' }, undefined],
    ['absent', {}, undefined],
  ] as [string, Record<string, string>, number | undefined][])('%s → %s', (_, headers, ms) => {
    expect(read(headers)).toBe(ms);
  });

  test('any text: undefined, or whole ms within the cap', fc.string(), (value) => {
    for (const name of ['retry-after', 'retry-after-ms']) {
      const ms = read({ [name]: value });
      if (ms === undefined) continue;
      expect(Number.isInteger(ms) && ms > 0 && ms <= MAX_RETRY_AFTER_MS).toBe(true);
    }
  });
});
