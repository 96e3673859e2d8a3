/** Which handler goes where. What they do is in `reception.ts` and `control.ts`. */
import { setHandler } from '@temporalio/workflow';
import type { SessionStatus } from '../src/contracts/session.js';
import type { Control } from './control.js';
import * as handlers from './handlers.js';
import type { Reception } from './reception.js';
import type { SessionRun } from './session-run.js';

/** To be called before anything else: what came with the start of the workflow waits for it. */
export function listen(run: SessionRun, reception: Reception, control: Control): void {
  // Signals first. What a run finds in its first task is handed out as handlers are set, and there
  // every signal was accepted before every update: those that wait are in the history, updates come
  // beside it.
  setHandler(handlers.messageSignal, (message) => reception.signal(message), {
    description: 'Takes a message: text, or { "text": "…" }.',
  });
  setHandler(handlers.pauseSignal, () => control.pause('pause'));
  setHandler(handlers.resumeSignal, () => control.pause('resume'));
  setHandler(handlers.terminateSignal, (reason) => control.terminate(reason));
  setHandler(handlers.wakeUpAfterSignal, (ms) => {
    run.signals += 1;
    if (Number.isFinite(ms) && ms >= 0) run.state.wakeAt = Date.now() + ms;
  });
  const validator = (message: unknown) => void reception.check(message);
  setHandler(handlers.sendUpdate, (message) => reception.send(message), {
    validator,
    description: 'Takes a message; answers when it is accepted.',
  });
  setHandler(handlers.askUpdate, (message) => reception.ask(message), {
    validator: (message) => reception.checkAsked(message),
    description: 'Takes a message; answers when its turn is done.',
  });
  setHandler(handlers.interruptUpdate, (options) => control.interrupt(options?.reason), {
    description: 'Stops the turn under way.',
  });
  setHandler(handlers.statusQuery, () => statusOf(run));
  setHandler(handlers.transcriptHeadQuery, () => ({
    transcript: run.key.session,
    head: run.state.head,
  }));
}

function statusOf({ key, agent, state }: SessionRun): SessionStatus {
  return {
    ...key,
    agent,
    state: state.machine.state,
    turn: state.turn,
    step: state.open?.step ?? 0,
    queued: state.queued,
    head: state.head,
    usage: state.usage,
    ...(state.failure ? { failure: state.failure } : {}),
    runs: state.runs,
  };
}
