import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSessionName, isTenant, sessionOf, workflowIdOf } from '../../../src/contracts/ids.js';
import { jsonBytes, parseInbound, utf8Bytes, wellFormed } from '../../../src/contracts/message.js';

const tenant = fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/);
const session = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$/);
const anyText = fc.string({ unit: 'binary', maxLength: 300 });

describe('ids', () => {
  it('workflow id: made of any tenant and session → leads back to them', () => {
    fc.assert(
      fc.property(tenant, session, (t, s) => {
        expect(sessionOf(workflowIdOf({ tenant: t, session: s }))).toEqual({
          tenant: t,
          session: s,
        });
      }),
    );
  });

  it('workflow id: two keys → never the same id', () => {
    fc.assert(
      fc.property(tenant, session, tenant, session, (t1, s1, t2, s2) => {
        fc.pre(t1 !== t2 || s1 !== s2);
        expect(workflowIdOf({ tenant: t1, session: s1 })).not.toBe(
          workflowIdOf({ tenant: t2, session: s2 }),
        );
      }),
    );
  });

  it('workflow id: any text of a stranger → a valid key of the default tenant, unless it is one of ours', () => {
    fc.assert(
      fc.property(anyText, (id) => {
        const key = sessionOf(id);
        expect(isTenant(key.tenant)).toBe(true);
        expect(isSessionName(key.session)).toBe(true);
        expect(key.tenant === 'default' || id === workflowIdOf(key)).toBe(true);
      }),
    );
  });

  it('workflow id: two foreign ids that read the same → two sessions', () => {
    expect(sessionOf('my agent').session).not.toBe(sessionOf('my-agent').session);
  });

  it.each(['../a', 'a b', '', '-a', 'a'.repeat(81), 'ä', 'a.b', 'a\n'])(
    'session name: %j → refused',
    (name) => {
      expect(isSessionName(name)).toBe(false);
      expect(() => workflowIdOf({ tenant: 'default', session: name })).toThrow(RangeError);
    },
  );
});

describe('messages', () => {
  it.each([
    ['hello', { ok: true, text: 'hello' }],
    [{ text: 'hello' }, { ok: true, text: 'hello' }],
    [
      { text: 'hello', id: '1', from: 'ada', other: 1 },
      { ok: true, text: 'hello', id: '1', from: 'ada' },
    ],
    ['a\u0000b\ud800c😀', { ok: true, text: 'a\ufffdb\ufffdc😀' }],
    [
      { text: 'x', id: 'i\u0000' },
      { ok: true, text: 'x', id: 'i\ufffd' },
    ],
  ])('inbound: %j → %j', (input, parsed) => {
    expect(parseInbound(input)).toEqual(parsed);
  });

  it.each([
    [undefined],
    [null],
    [1],
    [true],
    [[]],
    [['hello']],
    [{}],
    [{ text: 1 }],
    [{ text: ' \n ' }],
    [''],
    [{ text: 'x', id: '' }],
    [{ text: 'x', id: 7 }],
    [{ text: 'x', id: 'i'.repeat(129) }],
    [{ text: 'x', from: null }],
  ])('inbound: %j → refused with a reason', (input) => {
    expect(parseInbound(input)).toMatchObject({ ok: false, reason: expect.stringMatching(/\.$/) });
  });

  it('sizes: of any text → as UTF-8 and as JSON have them', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const clean = wellFormed(text);
        expect(utf8Bytes(clean)).toBe(Buffer.byteLength(clean));
        expect(jsonBytes(clean)).toBe(Buffer.byteLength(JSON.stringify(clean)));
      }),
    );
  });

  it('wellFormed: any text → no NUL, no half of a pair, the same length', () => {
    const halves = fc.string({ unit: fc.constantFrom('a', '\u0000', '\ud83d', '\ude00', '😀') });
    fc.assert(
      fc.property(halves, (text) => {
        const clean = wellFormed(text);
        expect(clean).not.toMatch(/\u0000|\p{Surrogate}/u);
        expect(clean.length).toBe(text.length);
        expect(wellFormed(clean)).toBe(clean);
      }),
    );
  });
});
