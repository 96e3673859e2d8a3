/** Equal values have equal texts: versions of agents are digests of them. */
import { expect, it } from 'vitest';
import { canonicalJson } from '../../../src/contracts/canonical-json.js';

it('canonical JSON: fields in another order, at any depth → the same text', () => {
  const a = { b: 1, a: { d: [{ y: 1, x: 2 }], c: null } };
  const b = { a: { c: null, d: [{ x: 2, y: 1 }] }, b: 1 };
  expect(canonicalJson(a)).toBe(canonicalJson(b));
  expect(canonicalJson(a)).toBe('{"a":{"c":null,"d":[{"x":2,"y":1}]},"b":1}');
});

it('canonical JSON: the order of a list → another text', () => {
  expect(canonicalJson([1, 2])).not.toBe(canonicalJson([2, 1]));
});

it('canonical JSON: a field that is undefined → as if it were absent', () => {
  expect(canonicalJson({ a: 1, b: undefined })).toBe('{"a":1}');
});

it('canonical JSON: half a surrogate pair → escaped, and the same each time', () => {
  expect(canonicalJson({ a: '\ud800' })).toBe('{"a":"\\ud800"}');
});
