/**
 * The protocol of places and keys: where in a transcript each thing goes, and the strings that make
 * a write happen once. The workflow reserves places before anything runs, activities write there,
 * the store compares the keys; so all three must do this arithmetic alike, and it is only here.
 * Keys are in databases and histories: never change one. Pure.
 *
 * The messages of a turn take the places behind the head, the answer the next one, the result of
 * each tool call one more, in the order of the calls, whichever ends first:
 *
 *     head │ message … message │ answer │ result … result │ answer …
 */

/** Place of the message with this index (from 0) among those that begin a turn. */
export function messagePlace(head: number, index: number): number {
  return head + 1 + index;
}

/** The head when so many messages have their places behind another. */
export function headAfterMessages(head: number, messages: number): number {
  return head + messages;
}

/** Place of an answer behind so many messages. */
export function answerPlace(head: number, messages = 0): number {
  return head + messages + 1;
}

/** Place of the result of a call, by the place of its assistant message and its index (from 0). */
export function resultPlace(answer: number, index: number): number {
  return answer + 1 + index;
}

/** The head when the results of so many calls have their places behind an answer. */
export function headAfterCalls(answer: number, calls: number): number {
  return answer + calls;
}

/** Place of a summary: it follows what it covers. */
export function summaryPlace(head: number): number {
  return head + 1;
}

/** A message of a sender is written under this key, once per transcript. */
export function messageKey(id: string): string {
  return `m${id}`;
}

/** The answer of a step. An activity may make several steps of one stage. */
export function answerKey({ stage, step }: { stage: number; step: number }): string {
  return `a${stage}.${step}`;
}

/** The result of a call, by the place of its assistant message. Names the call in the session. */
export function callKey(message: number, index: number): string {
  return `c${message}.${index}`;
}

/** Place of the assistant message with the call of this key; `undefined` for what is no such key. */
export function callPlace(key: string): number | undefined {
  return callPlaceOf(key)?.message;
}

/** The same, with the index of the call in that message. */
export function callPlaceOf(key: string): { message: number; index: number } | undefined {
  const [, message, index] = /^c([1-9]\d*)\.(\d+)$/.exec(key) ?? [];
  if (message === undefined || index === undefined) return undefined;
  return { message: Number(message), index: Number(index) };
}

/** The summary that a stage wrote. */
export function summaryKey({ stage }: { stage: number }): string {
  return `s${stage}`;
}

/** Keys of durable events: an event with the same key is written once in an epoch. */
export const eventKeys = {
  sessionStarted: () => 'session',
  sessionEnded: () => 'ended',
  /** `write` as for `stateChanged`. */
  sessionMoved: (write: string) => write,
  /** `write` names the write that notes several. */
  stateChanged: (write: string, index: number) => (index === 0 ? write : `${write}.${index}`),
  messageAccepted: messageKey,
  /** As for `stateChanged`. */
  messageRefused: (write: string, index: number) => `${write}.${index}`,
  turnStarted: (turn: number) => `t${turn}`,
  turnEnded: (turn: number) => `t${turn}.end`,
  /** `stage` of the activity that was told to wait, or that has entered. */
  poolWaiting: ({ stage, step }: { stage: number; step: number }) => `q${stage}.${step}`,
  poolEntered: ({ stage, step }: { stage: number; step: number }) => `q${stage}.${step}.in`,
  serversUnavailable: (turn: number) => `t${turn}.mcp`,
  stepCompleted: ({ stage, step }: { stage: number; step: number }) => `s${stage}.${step}`,
  attemptStarted: (place: { stage: number; step: number }, attempt: number) =>
    `${eventKeys.stepCompleted(place)}.a${attempt}`,
  attemptFailed: (place: { stage: number; step: number }, attempt: number) =>
    `${eventKeys.attemptStarted(place, attempt)}.failed`,
  callCompleted: callKey,
  callStarted: (message: number, index: number, attempt: number) =>
    `${callKey(message, index)}.a${attempt}`,
  callPlanned: (message: number, index: number) => `${callKey(message, index)}.plan`,
  callDelegated: (message: number, index: number) => `${callKey(message, index)}.agent`,
  agentRun: (message: number, index: number, key: string) =>
    `${callKey(message, index)}.agent.${key}`,
  callWaits: (message: number, index: number) => `${callKey(message, index)}.waits`,
  /** A call that was approved, and waits for its answer. */
  callOpens: (message: number, index: number) => `${callKey(message, index)}.opens`,
  requestDecided: (message: number, index: number) => `${callKey(message, index)}.decided`,
  handedOff: (message: number, index: number) => `${callKey(message, index)}.handoff`,
  contextCompacted: ({ stage }: { stage: number }) => `k${stage}`,
} as const;
