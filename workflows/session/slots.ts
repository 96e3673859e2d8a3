/** Slots of pools that a workflow is told of. The signal comes from whoever gives them, or gives them back. */
import { onSignal } from '../door.js';
import { slotSignal } from './handlers.js';
import type { SessionState } from './session-state.js';

/** The stage that was told of its slot; `undefined` for what is not for this session. */
export function readSlot(slot: unknown, session: string): number | undefined {
  if (typeof slot !== 'object' || slot === null) return undefined;
  const { session: whose, stage } = slot as { session?: unknown; stage?: unknown };
  return whose === session && Number.isSafeInteger(stage) ? (stage as number) : undefined;
}

/** Slots of the transcripts of one workflow of an application. */
export class SlotDesk {
  readonly #states = new Map<string, SessionState>();
  #listening = false;

  /** What comes for this transcript goes to its state. To be called before a slot is asked for. */
  follow(session: string, state: SessionState): void {
    this.#states.set(session, state);
    if (this.#listening) return;
    this.#listening = true;
    onSignal(slotSignal, (slot: unknown) => {
      for (const [name, told] of this.#states) {
        const stage = readSlot(slot, name);
        if (stage !== undefined) told.granted = Math.max(told.granted, stage);
      }
    });
  }
}
