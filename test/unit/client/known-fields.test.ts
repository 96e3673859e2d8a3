import { expect, it } from 'vitest';
import { onlyKnownFields } from '../../../src/client/known-fields.js';

const known = ['agent', 'session'];

it('only known fields → nothing', () => {
  onlyKnownFields('start', { agent: 'a', session: 's' }, known);
  onlyKnownFields('start', {}, known);
});

it('a wrong field near a known one → the known one is named', () => {
  expect(() => onlyKnownFields('start', { agnt: 'a' }, known)).toThrow(
    'start: unknown field "agnt". Did you mean "agent"?',
  );
});

it('a wrong field near none → all of them are named', () => {
  expect(() => onlyKnownFields('start', { zzzzzzz: 1 }, known)).toThrow(
    'unknown field "zzzzzzz". Known fields: agent, session.',
  );
});
