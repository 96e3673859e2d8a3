import { describe, expect, it } from 'vitest';
import * as places from '../../../src/contracts/places.js';

describe('places', () => {
  it('places: two messages behind head 7, an answer with three calls → 8 and 9, 10, 11 to 13, no gap', () => {
    const messages = [0, 1].map((i) => places.messagePlace(7, i));
    expect(places.headAfterMessages(7, messages.length)).toBe(messages.at(-1));
    const answer = places.answerPlace(7, messages.length);
    const results = [0, 1, 2].map((i) => places.resultPlace(answer, i));
    expect([...messages, answer, ...results]).toEqual([8, 9, 10, 11, 12, 13]);
    expect(places.headAfterCalls(answer, results.length)).toBe(results.at(-1));
  });

  it('places: the key of a call → the place of its message, and nothing for another key', () => {
    expect(places.callPlace(places.callKey(11, 2))).toBe(11);
    const others = ['', 'c0.1', 'c11', 'a11.2', 'c11.2.a1', 'c11.x', ' c11.2'];
    expect(others.map(places.callPlace)).toEqual(others.map(() => undefined));
  });

  it('places: a step without messages → its answer is next to the head', () => {
    expect(places.answerPlace(13)).toBe(14);
    expect(places.summaryPlace(13)).toBe(14);
  });
});

describe('keys', () => {
  // They are in databases and histories of running sessions.
  it('keys: each → the string that earlier versions have written', () => {
    const place = { stage: 12, step: 3 };
    const { eventKeys } = places;
    expect([
      places.messageKey('id'),
      places.answerKey(place),
      places.callKey(11, 2),
      places.summaryKey(place),
      eventKeys.sessionStarted(),
      eventKeys.sessionEnded(),
      eventKeys.stateChanged('u', 0),
      eventKeys.stateChanged('u', 2),
      eventKeys.messageAccepted('id'),
      eventKeys.messageRefused('u', 1),
      eventKeys.turnStarted(4),
      eventKeys.turnEnded(4),
      eventKeys.serversUnavailable(4),
      eventKeys.stepCompleted(place),
      eventKeys.attemptStarted(place, 2),
      eventKeys.attemptFailed(place, 2),
      eventKeys.callCompleted(11, 2),
      eventKeys.callStarted(11, 2, 1),
      eventKeys.callWaits(11, 2),
      eventKeys.contextCompacted(place),
    ]).toEqual([
      'mid',
      'a12.3',
      'c11.2',
      's12',
      'session',
      'ended',
      'u',
      'u.2',
      'mid',
      'u.1',
      't4',
      't4.end',
      't4.mcp',
      's12.3',
      's12.3.a2',
      's12.3.a2.failed',
      'c11.2',
      'c11.2.a1',
      'c11.2.waits',
      'k12',
    ]);
  });
});
