import { describe, expect, it } from 'vitest';
import {
  ConversationView,
  type ConversationOptions,
} from '../../../src/cli/render/conversation.js';
import type { Piece } from '../../../src/cli/render/screen.js';
import { createStyle } from '../../../src/cli/render/style.js';
import type { SessionEventBody, SessionItem } from '../../../src/contracts/events.js';
import { NO_USAGE } from '../../../src/contracts/message.js';

const place = { turn: 1, step: 1 };
let n = 0;
const event = (body: SessionEventBody): SessionItem => ({
  ...body,
  n: ++n,
  at: '2026-01-01T00:00:00Z',
});
const delta = (
  text: string,
  offset: number,
  attempt = 1,
  channel: 'text' | 'reasoning' = 'text',
): SessionItem => ({
  type: 'delta',
  ...place,
  attempt,
  channel,
  offset,
  text,
});
const completed = (text: string, more: object = {}): SessionItem =>
  event({
    type: 'step.completed',
    ...place,
    attempt: 1,
    seq: 2,
    text,
    finish: 'stop',
    usage: NO_USAGE,
    model: 'm',
    ...more,
  });
const ended = (text: string, more: object = {}): SessionItem =>
  event({
    type: 'turn.completed',
    turn: 1,
    seq: 2,
    text,
    finish: 'stop',
    usage: NO_USAGE,
    ...more,
  });
const failure = { type: 'Model.StreamCut', message: 'cut' };

const viewOf = (options: Partial<ConversationOptions>) =>
  new ConversationView({
    style: createStyle(false),
    live: true,
    progress: false,
    reasoning: false,
    own: new Set(['mine']),
    width: 80,
    ...options,
  });
const textOf = (pieces: readonly Piece[]) => pieces.map(({ text }) => text).join('');

/** Answer and notes as they stand one after the other on a screen. */
function screen(items: SessionItem[], options: Partial<ConversationOptions> = {}) {
  const view = viewOf(options);
  const pieces = [...items.flatMap((item) => view.show(item)), ...view.end()];
  const of = (to: string) =>
    pieces
      .filter((piece) => piece.to === to)
      .map(({ text }) => text)
      .join('');
  return { all: pieces.map(({ text }) => text).join(''), answer: of('answer'), notes: of('note') };
}

describe('conversation on a terminal', () => {
  it('deltas → the words as they come, the final text not again', () => {
    expect(screen([delta('Hel', 0), delta('lo', 3), completed('Hello'), ended('Hello')]).all).toBe(
      'Hello\n',
    );
  });

  it('deltas that were lost → completed from the durable text', () => {
    expect(screen([delta('Hel', 0), completed('Hello.'), ended('Hello.')]).all).toBe('Hello.\n');
  });

  it('no delta at all → the durable text', () => {
    expect(screen([completed('Hello'), ended('Hello')]).all).toBe('Hello\n');
  });

  it('joined after the last step → the text of the turn', () => {
    expect(screen([ended('Hello')]).all).toBe('Hello\n');
  });

  it('superseded → marked once, then the new attempt from its beginning', () => {
    const items = [
      delta('Hel', 0),
      event({ type: 'step.failed', ...place, attempt: 1, failure }),
      { type: 'superseded', ...place, attempt: 1, by: 2 } as const,
      event({ type: 'step.started', ...place, attempt: 2, model: 'm' }),
      delta('Hi', 0, 2),
      completed('Hi', { attempt: 2 }),
      ended('Hi'),
    ];
    expect(screen(items).all).toBe(
      'Hel\n(attempt 1 failed: Model.StreamCut: cut)\n(attempt 2)\nHi\n',
    );
  });

  it('another attempt completed than the one that was heard → marked, and its text', () => {
    expect(screen([delta('Hel', 0), completed('Hi', { attempt: 2 }), ended('Hi')]).all).toBe(
      'Hel\n(attempt 2)\nHi\n',
    );
  });

  it('tool calls → a line when they are made, a line when they are done', () => {
    const items = [
      delta('Let me look.', 0),
      completed('Let me look.', {
        finish: 'tools',
        toolCalls: [{ id: 'c', name: 'read', arguments: '{"path":"a"}' }],
      }),
      event({
        type: 'tool.completed',
        ...place,
        attempt: 1,
        callId: 'c',
        name: 'read',
        seq: 3,
        preview: 'x',
        bytes: 2_048,
        ms: 12,
      }),
    ];
    expect(screen(items).all).toBe('Let me look.\n→ read {"path":"a"}\n✓ read 12 ms, 2.0 KB\n');
  });

  it('a call that waits → the key to answer it by, and its deadline', () => {
    const waiting = {
      type: 'tool.waiting',
      ...place,
      callId: 'c',
      name: 'ask',
      key: 'c2.0',
    } as const;
    const items = [event(waiting), event({ ...waiting, until: '2026-01-02T00:00:00.000Z' })];
    expect(screen(items).notes).toBe(
      '(ask waits for an answer to call c2.0)\n' +
        "  perdura answer <session> c2.0 '<json>'\n" +
        '(ask waits for an answer to call c2.0, at most until 2026-01-02T00:00:00.000Z)\n' +
        "  perdura answer <session> c2.0 '<json>'\n",
    );
  });

  it('a tool that failed → its type and message, on one line', () => {
    const item = event({
      type: 'tool.completed',
      ...place,
      attempt: 2,
      callId: 'c',
      name: 'read',
      seq: 3,
      preview: 'x',
      bytes: 2,
      ms: 1_200,
      failure: { type: 'Tool.Failed', message: 'no\nsuch file' },
    });
    expect(screen([item]).notes).toBe('✗ read Tool.Failed: no such file 1.2 s, 2 B, attempt 2\n');
  });

  it('progress → one line that changes and goes away', () => {
    const progress = {
      type: 'tool.progress',
      ...place,
      callId: 'c',
      name: 'dig',
      message: 'deep',
    } as const;
    const { all } = screen([progress, { ...progress, fraction: 0.5 }, ended('Done')], {
      progress: true,
    });
    expect(all).toBe('… dig: deep\r\u001b[2K… dig 50 %: deep\r\u001b[2KDone\n');
    expect(screen([progress]).all).toBe('');
  });

  it('reasoning → only where it is asked for, apart from the text', () => {
    const items = [
      delta('hm', 0, 1, 'reasoning'),
      delta('Yes', 0),
      completed('Yes', { reasoning: 'hm' }),
      ended('Yes'),
    ];
    expect(screen(items).all).toBe('Yes\n');
    expect(screen(items, { reasoning: true }).all).toBe('hm\nYes\n');
  });

  it('messages → those of others are shown, not the own', () => {
    const message = (id: string, from?: string) =>
      event({
        type: 'message.accepted',
        id,
        seq: 1,
        turn: 1,
        text: `text of ${id}`,
        ...(from ? { from } : {}),
      });
    expect(screen([message('mine'), message('other', 'Ann')]).all).toBe('Ann: text of other\n');
    expect(screen([message('other')]).all).toBe('you, elsewhere: text of other\n');
  });

  it('paused, resumed and ended by somebody → a line each, with the reason', () => {
    const items = [
      event({ type: 'session.state', state: 'paused' }),
      event({ type: 'session.state', state: 'idle' }),
      event({ type: 'session.ended', reason: 'enough' }),
    ];
    expect(screen(items).notes).toBe('(paused)\n(resumed)\n(the session has ended: enough)\n');
  });

  it('interrupted → what was said stays, then the mark', () => {
    expect(
      screen([
        delta('1, 2', 0),
        event({ type: 'turn.interrupted', turn: 1, reason: 'Ctrl-C', usage: NO_USAGE }),
      ]).all,
    ).toBe('1, 2\n(interrupted: Ctrl-C)\n');
  });

  it('failed → one paragraph with type, message and remedy, said once', () => {
    const auth = { type: 'Model.Unauthorized', message: 'The key is wrong.' };
    const items = [
      event({ type: 'step.failed', ...place, attempt: 1, failure: auth }),
      event({ type: 'turn.failed', turn: 1, failure: auth, usage: NO_USAGE }),
    ];
    expect(screen(items).all).toMatch(
      /^Model\.Unauthorized: The key is wrong\. Check the API key[^\n]*\n$/,
    );
  });

  it('an answer that was cut off → says so', () => {
    expect(screen([completed('He'), ended('He', { finish: 'length' })]).notes).toMatch(/cut off/);
  });

  it('control characters of a model, cut between deltas → gone', () => {
    const text = 'a\u001b[31mb\u001b]0;t\u0007c';
    const deltas = text.split('').map((unit, i) => delta(unit, i));
    expect(screen([...deltas, completed(text), ended(text)]).all).toBe('abc\n');
  });
});

describe('conversation into a pipe', () => {
  it('answer → the final text alone, once; notes beside it', () => {
    const items = [
      delta('Hel', 0),
      { type: 'superseded', ...place, attempt: 1, by: 2 } as const,
      delta('Hi', 0, 2),
      completed('Hi', { attempt: 2 }),
      ended('Hi'),
    ];
    expect(screen(items, { live: false })).toMatchObject({
      answer: 'Hi\n',
      notes: '(attempt 2)\n',
    });
  });

  it('interrupted → what was said until then, once, and the mark', () => {
    const items = [
      delta('1, ', 0),
      delta('2', 3),
      completed('1, 2', { finish: 'interrupted' }),
      event({ type: 'turn.interrupted', turn: 1, reason: 'Ctrl-C', usage: NO_USAGE }),
    ];
    expect(screen(items, { live: false })).toMatchObject({
      answer: '1, 2\n',
      notes: '(interrupted: Ctrl-C)\n',
    });
  });

  it('left in the middle → what was heard of the last attempt comes out, with a newline', () => {
    const view = viewOf({ live: false });
    view.show(delta('old', 0));
    view.show({ type: 'superseded', ...place, attempt: 1, by: 2 });
    view.show(delta('1, ', 0, 2));
    view.show(delta('hm', 0, 2, 'reasoning'));
    view.show(delta('2', 3, 2));
    expect(textOf(view.leave())).toBe('1, 2\n');
    expect(textOf(view.leave())).toBe('');
  });

  it('a turn that ended otherwise → its words are not said again with the next', () => {
    const view = viewOf({ live: false });
    view.show(delta('half', 0));
    view.show(event({ type: 'turn.failed', turn: 1, failure, usage: NO_USAGE }));
    expect(textOf(view.leave())).toBe('');
  });
});
