/** The handlers of a session, by name. The names are in `contracts/session.ts`, for clients. */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import {
  HANDLERS,
  KIN_SIGNAL,
  type Answer,
  type CallAnswer,
  type InterruptReceipt,
  type MoveReceipt,
  type MoveRequest,
  type SendReceipt,
  type SessionStatus,
  type TranscriptHead,
} from '../../src/contracts/session.js';

/** Takes a message (text or `{ text, id?, from? }`); answers when it is accepted. */
export const sendUpdate = defineUpdate<SendReceipt, [unknown]>(HANDLERS.send);
/** Takes a message; answers when its turn is done. Fails with the type of what went wrong. */
export const askUpdate = defineUpdate<Answer, [unknown]>(HANDLERS.ask);
/** Stops the turn under way, at once, and not the session. */
export const interruptUpdate = defineUpdate<InterruptReceipt, [{ reason?: string }?]>(
  HANDLERS.interrupt,
);
/** The same for another workflow, which cannot send an update. */
export const interruptSignal = defineSignal<[unknown?]>(HANDLERS.interrupt);
/** Gives the result of a tool call that waits for it (`run: 'workflow'`). */
export const answerUpdate = defineUpdate<{ call: string }, [CallAnswer]>(HANDLERS.answer);
/** Moves the session to another agent, or to another version of its own, at the end of a turn. */
export const moveUpdate = defineUpdate<MoveReceipt, [MoveRequest?]>(HANDLERS.move);
/**
 * Like `send`, without an answer: for any language and for the Temporal UI. With
 * `replyTo: { workflowId }` that workflow gets the answer of the turn as its signal `reply`.
 */
export const messageSignal = defineSignal<[unknown]>(HANDLERS.message);
/** Holds the agent before its next step; messages are still accepted. */
export const pauseSignal = defineSignal<[unknown?]>(HANDLERS.pause);
export const resumeSignal = defineSignal<[unknown?]>(HANDLERS.resume);
/** Ends the session: the turn under way is interrupted. */
export const terminateSignal = defineSignal<[unknown?]>(HANDLERS.terminate);
/** Wakes an idle agent once after so many ms, with a message of its own making. */
export const wakeUpAfterSignal = defineSignal<[number]>(HANDLERS.wakeUpAfter);
/** Takes messages of a courier, all at once. */
export const mailSignal = defineSignal<[unknown]>(HANDLERS.mail);
/** A group was stopped: its messages are dropped, and a turn on them is interrupted. */
export const stopGroupSignal = defineSignal<[unknown]>(HANDLERS.stopGroup);
/** Between sessions of a tree; see {@link KIN_SIGNAL}. */
export const kinSignal = defineSignal<[unknown]>(KIN_SIGNAL);
/** There is a slot of a pool for a turn that waits; see `SlotSignal`. */
export const slotSignal = defineSignal<[unknown]>(HANDLERS.slot);
/** Somebody has decided the request of this call, by its key. */
export const decidedSignal = defineSignal<[unknown]>(HANDLERS.decided);
/** As the query `status`, and safe at any moment; see {@link STATUS_ANSWER}. */
export const statusUpdate = defineUpdate<SessionStatus>(HANDLERS.status);
export const statusQuery = defineQuery<SessionStatus>(HANDLERS.status);
export const transcriptHeadQuery = defineQuery<TranscriptHead>(HANDLERS.transcriptHead);
