/**
 * The activity behind a model call: takes a slot of the agent's pool, makes one step or several in a row
 * (`steps.ts`), and tells Temporal meanwhile that it is alive.
 */
import type { CallModelInput, CallModelResult } from '../../src/contracts/activities.js';
import { currentExecution, keepAlive } from '../execution.js';
import { askedAgent } from './asked-agent.js';
import { slotOf, type Slot, type SlotDeps } from './slots.js';
import { Steps, type StepsDeps } from './steps.js';
import { stopSignals } from './stop-signals.js';

export interface CallModelDeps extends StepsDeps, Pick<SlotDeps, 'pools' | 'poolSeen'> {
  readonly settings: StepsDeps['settings'] & SlotDeps['settings'];
}

export async function callModel(
  deps: CallModelDeps,
  input: CallModelInput,
): Promise<CallModelResult> {
  const execution = currentExecution(input.run);
  const stopBeating = keepAlive();
  // Once for the activity, however many steps it makes: this listens to its signal.
  const stop = stopSignals(execution.signal);
  const startedAt = Date.now();
  const series = deps.series.begin(execution.key, input.stage);
  let slot: Slot | undefined;
  try {
    const agent = await deps.agents.callable(input, execution.key.tenant);
    const asked = await askedAgent(deps.agents, agent, input.run);
    slot = slotOf(deps, execution, agent, input);
    const work = { execution, input, agent, asked, stop, series, startedAt };
    return await new Steps(deps, { ...work, ...(slot ? { slot } : {}) }).run();
  } catch (error) {
    await slot?.keepForNext();
    throw error;
  } finally {
    slot?.end();
    deps.series.end(execution.key, series);
    stopBeating();
  }
}
