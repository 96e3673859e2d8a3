import { describe, expect, it } from 'vitest';
import { parseReplyTo } from '../../../src/contracts/message.js';
import {
  executionReference,
  keyOf,
  kindOf,
  runName,
  transcriptOf,
} from '../../../src/contracts/run-reference.js';
import { isSessionName } from '../../../src/contracts/ids.js';
import { readCarried, readSessionInput } from '../../../src/contracts/session-input.js';
import { SessionState } from '../../../workflows/session/session-state.js';

describe('run reference', () => {
  it('run: of a session → its key and its transcript have its name', () => {
    const run = { tenant: 'acme', id: 'notes' };
    expect(kindOf(run)).toBe('session');
    expect(keyOf(run)).toEqual({ tenant: 'acme', session: 'notes' });
    expect(transcriptOf(run)).toBe('notes');
    expect(runName(run)).toBe('session/notes');
  });

  it.each(['notes', 'perdura.acme.notes', 'a b#c:d', 'x'.repeat(1_000)])(
    'run: of the workflow %s → keys that no session can have, one for each transcript',
    (id) => {
      const run = executionReference('acme', id);
      const keys = [run, { ...run, transcript: '1' }, { ...run, transcript: '2' }].map(keyOf);
      expect(new Set(keys.map(({ session }) => session)).size).toBe(3);
      for (const { tenant, session } of keys) {
        expect(tenant).toBe('acme');
        expect(isSessionName(session)).toBe(false);
        expect(session.length).toBeLessThan(250);
      }
    },
  );

  it('run: two workflow ids that differ at the end → different keys', () => {
    const [a, b] = ['a', 'b'].map((end) => keyOf(executionReference('t', 'x'.repeat(900) + end)));
    expect(a).not.toEqual(b);
  });
});

describe('replyTo', () => {
  it.each([
    ['text', { ok: true }],
    [{ text: 'x' }, { ok: true }],
    [
      { text: 'x', replyTo: { workflowId: 'w', signal: 'terminate' } },
      { ok: true, replyTo: { workflowId: 'w' } },
    ],
  ])('replyTo: %j → who waits, and nothing else', (message, expected) => {
    expect(parseReplyTo(message)).toEqual(expected);
  });

  it.each(['w', null, 7, [], {}, { workflowId: '' }, { workflowId: 'x'.repeat(1_001) }])(
    'replyTo: %j → refused with a reason',
    (replyTo) => {
      expect(parseReplyTo({ text: 'x', replyTo })).toMatchObject({
        ok: false,
        reason: expect.stringMatching(/\.$/),
      });
    },
  );

  it('replyTo: of messages that wait → carried to the next run', () => {
    const state = new SessionState();
    state.replies.set('m1', 'asker');
    const carried = readCarried(JSON.parse(JSON.stringify(state.carry())));
    expect([...new SessionState(carried).replies]).toEqual([['m1', 'asker']]);
    expect(readCarried({ ...state.carry(), replies: [['m1']] })).toBeUndefined();
  });
});

describe('session input: parent and root', () => {
  it('a child → knows its parent; what is no text is named', () => {
    const given = { parent: 'execution/w', root: 7 };
    const { input, problems } = readSessionInput(given);
    expect(input).toMatchObject({ parent: 'execution/w' });
    expect(input).not.toHaveProperty('root');
    expect(problems).toHaveLength(1);
  });
});
