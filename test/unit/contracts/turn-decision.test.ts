import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../src/contracts/agent.js';
import {
  afterStep,
  decide,
  NO_PROGRESS,
  remaining,
  turnLimits,
  type LastStep,
  type Situation,
  type TurnProgress,
} from '../../../src/contracts/turn-decision.js';

const LIMITS = { maxSteps: 3, maxTurnMs: 1_000, maxCostMicros: 500, maxRepairs: 1 };
const CALM: Situation = { paused: false, full: false };
const RIGHT = { settled: true, invalid: false };
const WRONG = { settled: true, invalid: true };
const OPEN = { settled: false, invalid: false };
const tools = (...calls: { settled: boolean; invalid: boolean }[]): LastStep => ({
  outcome: 'tools',
  calls,
});
const progress = (part: Partial<TurnProgress> = {}): TurnProgress => ({ ...NO_PROGRESS, ...part });

describe('decide', () => {
  it.each<[string, Partial<TurnProgress>, Partial<Situation>, object]>([
    ['at the beginning', {}, {}, { do: 'model' }],
    ['the model answered', { last: { outcome: 'stop' } }, {}, { do: 'end', outcome: 'stop' }],
    ['interrupted', { last: { outcome: 'interrupted' } }, {}, { do: 'end' }],
    ['nothing new', { last: { outcome: 'duplicate' } }, {}, { do: 'end', outcome: 'duplicate' }],
    ['answered while paused', { last: { outcome: 'stop' } }, { paused: true }, { do: 'end' }],
    ['a call is open', { last: tools(RIGHT, OPEN) }, {}, { do: 'tools' }],
    ['a call is open, paused', { last: tools(OPEN) }, { paused: true }, { do: 'tools' }],
    ['a call is open, full', { last: tools(OPEN) }, { full: true }, { do: 'tools' }],
    ['all calls are settled', { steps: 1, last: tools(RIGHT) }, {}, { do: 'model' }],
    ['paused between steps', { steps: 1, last: tools(RIGHT) }, { paused: true }, { do: 'wait' }],
    ['full between steps', { steps: 1, last: tools(RIGHT) }, { full: true }, { do: 'carry' }],
    ['paused and full', { steps: 1 }, { paused: true, full: true }, { do: 'carry' }],
    ['a message steers', { steps: 1, last: tools(RIGHT) }, { steering: true }, { do: 'join' }],
    ['a message steers, before the first step', {}, { steering: true }, { do: 'model' }],
    [
      'a message steers, a call is open',
      { last: tools(OPEN) },
      { steering: true },
      { do: 'tools' },
    ],
    [
      'a message steers, answered',
      { last: { outcome: 'stop' } },
      { steering: true },
      { do: 'end' },
    ],
    ['a message steers, paused', { steps: 1 }, { steering: true, paused: true }, { do: 'wait' }],
    ['a message steers, full', { steps: 1 }, { steering: true, full: true }, { do: 'carry' }],
    ['a message steers, no step left', { steps: 3 }, { steering: true }, { do: 'fail' }],
    ['too large', { last: { outcome: 'compact' } }, {}, { do: 'compact' }],
    ['compacted', { last: { outcome: 'compacted' }, compacted: true }, {}, { do: 'model' }],
    [
      'too large after compaction',
      { last: { outcome: 'compact' }, compacted: true },
      {},
      { do: 'fail', type: 'Model.ContextOverflow' },
    ],
    [
      'all steps made',
      { steps: 3, last: tools(RIGHT) },
      {},
      { do: 'fail', type: 'Turn.StepLimit' },
    ],
    ['all time worked', { workedMs: 1_000 }, {}, { do: 'fail', type: 'Turn.TimeLimit' }],
    ['all money spent', { costMicros: 500 }, {}, { do: 'fail', type: 'Turn.CostLimit' }],
    [
      'wrong too often',
      { repairs: 2, last: tools(WRONG) },
      {},
      { do: 'fail', type: 'Turn.RepairsExhausted' },
    ],
    ['in line for a slot', { steps: 1, last: tools(RIGHT) }, { queued: true }, { do: 'queue' }],
    ['in line, too large', { last: { outcome: 'compact' } }, { queued: true }, { do: 'queue' }],
    ['in line, paused', {}, { queued: true, paused: true }, { do: 'wait' }],
    ['in line, full', {}, { queued: true, full: true }, { do: 'carry' }],
    ['in line, answered', { last: { outcome: 'stop' } }, { queued: true }, { do: 'end' }],
    ['wrong, and may be repaired', { repairs: 1, last: tools(WRONG) }, {}, { do: 'model' }],
  ])('decide: %s → what comes next', (_, part, now, expected) => {
    expect(decide(progress(part), LIMITS, { ...CALM, ...now })).toMatchObject(expected);
  });

  it('decide: no limit of money → costs end nothing', () => {
    const { maxCostMicros: _none, ...limits } = LIMITS;
    expect(decide(progress({ costMicros: 1e12 }), limits, CALM)).toEqual({ do: 'model' });
    expect(remaining(progress(), limits)).toEqual({ steps: 3, ms: 1_000 });
  });
});

describe('afterStep', () => {
  const spent = { workedMs: 10, costMicros: 7 };

  it('afterStep: steps, time and money → added up', () => {
    const once = afterStep(progress(), tools(RIGHT), spent);
    expect(afterStep(once, tools(RIGHT), spent)).toMatchObject({
      steps: 2,
      workedMs: 20,
      costMicros: 14,
      repairs: 0,
    });
  });

  it('afterStep: every call wrong → a repair; one right → none', () => {
    const wrong = afterStep(progress(), tools(WRONG, WRONG), spent);
    expect(wrong.repairs).toBe(1);
    expect(afterStep(wrong, tools(WRONG), spent).repairs).toBe(2);
    expect(afterStep(wrong, tools(WRONG, RIGHT), spent).repairs).toBe(0);
  });

  it('afterStep: a step that does not fit → not counted, and compacted once until a step fits', () => {
    const large = afterStep(progress({ steps: 1 }), { outcome: 'compact' }, spent);
    expect(large).toMatchObject({ steps: 1, compacted: false, costMicros: 7 });
    const compacted = afterStep(large, { outcome: 'compacted' }, spent);
    expect(compacted).toMatchObject({ steps: 1, compacted: true });
    expect(afterStep(compacted, { outcome: 'compact' }, spent).compacted).toBe(true);
    expect(afterStep(compacted, tools(RIGHT), spent).compacted).toBe(false);
  });
});

it('turnLimits: an agent’s limits → money in micro-dollars, absent where there is none', () => {
  expect(turnLimits({ ...DEFAULT_LIMITS, maxTurnCostUsd: 0.5 }).maxCostMicros).toBe(500_000);
  expect(turnLimits(DEFAULT_LIMITS)).not.toHaveProperty('maxCostMicros');
});
