import { describe, expect, it } from 'vitest';
import { buildTimeline } from '../../../src/client/timeline.js';
import type { SessionEvent, SessionEventBody } from '../../../src/contracts/events.js';
import { NO_USAGE } from '../../../src/contracts/message.js';
import type { AttemptRow } from '../../../src/store/attempts.js';

const numbered = (...bodies: SessionEventBody[]): SessionEvent[] =>
  bodies.map((body, i) => ({ ...body, n: i + 1, at: `t${i + 1}` }));
const attempt = (
  turn: number,
  step: number,
  n: number,
  outcome: string,
  costMicros: number,
): AttemptRow => ({
  turn,
  step,
  attempt: n,
  kind: 'model',
  model: 'm',
  outcome,
  inputTokens: 1,
  outputTokens: 1,
  cachedTokens: 0,
  costMicros,
  estimated: false,
  startedAt: 't',
});
const toolCalls = [{ id: 'c1', name: 'look', arguments: '{}' }];

describe('buildTimeline', () => {
  it('a turn of two steps → messages, attempts, tools with their results, cost of all attempts', () => {
    const events = numbered(
      { type: 'session.started', agent: 'assistant' },
      { type: 'turn.started', turn: 1 },
      { type: 'message.accepted', id: 'm', seq: 1, turn: 1, text: 'hello' },
      { type: 'step.started', turn: 1, step: 1, attempt: 2, model: 'm' },
      {
        type: 'step.completed',
        turn: 1,
        step: 1,
        attempt: 2,
        seq: 2,
        text: '',
        toolCalls,
        finish: 'tools',
        usage: NO_USAGE,
        model: 'm',
      },
      { type: 'tool.started', turn: 1, step: 1, attempt: 1, callId: 'c1', name: 'look' },
      { type: 'tool.started', turn: 1, step: 1, attempt: 2, callId: 'c1', name: 'look' },
      {
        type: 'tool.completed',
        turn: 1,
        step: 1,
        attempt: 2,
        callId: 'c1',
        name: 'look',
        seq: 3,
        preview: 'seen',
        bytes: 4,
        ms: 7,
      },
      {
        type: 'step.completed',
        turn: 1,
        step: 2,
        attempt: 1,
        seq: 4,
        text: 'done',
        finish: 'stop',
        usage: NO_USAGE,
        model: 'm',
      },
      { type: 'turn.completed', turn: 1, seq: 4, text: 'done', finish: 'stop', usage: NO_USAGE },
    );
    const attempts = [
      attempt(1, 1, 1, 'failed', 5),
      attempt(1, 1, 2, 'completed', 7),
      attempt(1, 2, 1, 'completed', 9),
    ];
    const timeline = buildTimeline('s', events, attempts);
    expect(timeline.costMicros).toBe(21);
    const [turn] = timeline.turns;
    expect(turn).toMatchObject({
      turn: 1,
      outcome: 'completed',
      costMicros: 21,
      startedAt: 't2',
      endedAt: 't10',
    });
    expect(turn!.messages).toMatchObject([{ id: 'm', text: 'hello' }]);
    expect(turn!.steps.map(({ step, attempts: of }) => [step, of.length])).toEqual([
      [1, 2],
      [2, 1],
    ]);
    expect(turn!.steps[0]!.tools).toEqual([
      {
        callId: 'c1',
        name: 'look',
        arguments: '{}',
        attempts: 2,
        result: { preview: 'seen', bytes: 4, ms: 7 },
      },
    ]);
    expect(turn!.steps[1]!.text).toBe('done');
  });

  it('turns that ended early → how and why; states in order; a turn under way is running', () => {
    const failure = { type: 'Model.BadRequest', message: 'no' };
    const { turns, states } = buildTimeline(
      's',
      numbered(
        { type: 'turn.started', turn: 1 },
        { type: 'turn.interrupted', turn: 1, reason: 'enough', usage: NO_USAGE },
        { type: 'session.state', state: 'paused' },
        { type: 'turn.started', turn: 2 },
        { type: 'turn.failed', turn: 2, failure, usage: NO_USAGE },
        { type: 'turn.started', turn: 3 },
        { type: 'session.ended', reason: 'over' },
      ),
      [],
    );
    expect(turns).toMatchObject([
      { turn: 1, outcome: 'interrupted', reason: 'enough' },
      { turn: 2, outcome: 'failed', failure },
      { turn: 3, outcome: 'running' },
    ]);
    expect(states).toEqual([
      { at: 't3', state: 'paused' },
      { at: 't7', state: 'terminated', reason: 'over' },
    ]);
  });
});
