import { describe, expect, it } from 'vitest';
import { StepSeriesDesk } from '../../../activities/session/step-series.js';
import { InProcessLiveBus } from '../../../src/live/in-process-bus.js';

const key = { tenant: 't', session: 's' };

describe('series of steps', () => {
  it('series: told by its stage → steered, others are not', async () => {
    const bus = new InProcessLiveBus();
    const desk = new StepSeriesDesk(bus);
    await desk.ready();
    const [mine, later] = [desk.begin(key, 4), desk.begin(key, 5)];
    const other = desk.begin({ ...key, session: 'other' }, 4);
    await bus.control(key, { type: 'steer', stage: 4 });
    expect([mine, later, other].map(({ steered }) => steered)).toEqual([true, false, false]);
  });

  it('series: told before it begins → steered; the next one of the session is not', async () => {
    const bus = new InProcessLiveBus();
    const desk = new StepSeriesDesk(bus);
    await desk.ready();
    await bus.control(key, { type: 'steer', stage: 7 });
    expect(desk.begin(key, 7).steered).toBe(true);
    expect(desk.begin(key, 8).steered).toBe(false);
  });

  it('series: an interruption, or none that listens → not steered', async () => {
    const bus = new InProcessLiveBus();
    const desk = new StepSeriesDesk(bus);
    const deaf = desk.begin(key, 1);
    await bus.control(key, { type: 'steer', stage: 1 });
    await desk.ready();
    await bus.control(key, { type: 'interrupt', turn: 1 });
    expect(deaf.steered).toBe(false);
    desk.end(key, deaf);
    await bus.control(key, { type: 'steer', stage: 1 });
    expect(deaf.steered).toBe(false);
  });
});
