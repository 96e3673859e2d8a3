/** What was lost and what was done twice: messages, tasks, effects. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { Facts } from './gather.js';
import { MEMBERS, PERSON } from './team.js';

export interface Counts {
  readonly lost: number;
  readonly doubled: number;
  /** What was counted, a line for each kind. */
  readonly lines: readonly string[];
  /** What is not as it should be, in sentences. */
  readonly wrong: readonly string[];
}

/** Tools whose effects the ledger counts. */
const EFFECTS = ['record_finding', 'save_report'];

interface Tally {
  lost: number;
  doubled: number;
}

export function count(facts: Facts): Counts {
  const tally: Tally = { lost: 0, doubled: 0 };
  const lines = [countMail(facts, tally), countTasks(facts, tally), countEffects(facts, tally)];
  const unfinished = facts.sessions.filter(
    ({ timeline: { turns } }) => turns.length === 0 || turns.some((t) => t.outcome !== 'completed'),
  );
  const spoke = facts.said.filter(({ how }) => how === 'said').map(({ from }) => from);
  const order = [PERSON, ...facts.sessions.filter(({ depth }) => depth === 0).map(nameOf)];
  return {
    ...tally,
    lines,
    wrong: [
      ...(tally.lost > 0 ? [`${tally.lost} lost.`] : []),
      ...(tally.doubled > 0 ? [`${tally.doubled} doubled.`] : []),
      ...unfinished.map((each) => `${nameOf(each)} did not complete its turn.`),
      ...(isDeepStrictEqual(spoke, order)
        ? []
        : [
            `The ${MEMBERS.length} members did not speak once each, in their order: ${spoke.join(', ')}.`,
          ]),
      ...(facts.report ? [] : ['There is no report.']),
    ],
  };
}

/** Who was given a message has it once: in the transcript of a session, in a person's mailbox. */
function countMail({ mail, mailbox, sessions }: Facts, tally: Tally): string {
  let [read, held] = [0, 0];
  for (const { id, deliveries } of mail) {
    for (const { receiver, state } of deliveries) {
      // Nobody has asked this member to speak since: it hears the message with its next turn.
      if (state === 'held') held += 1;
      const session = sessions.find((each) => nameOf(each) === receiver);
      const times = session
        ? session.transcript.filter(
            ({ message }) => message.role === 'user' && message.id === `mail.${id}`,
          ).length
        : mailbox.filter((each) => each === id).length;
      if (times === 1) read += 1;
      if (times > (state === 'held' ? 0 : 1)) tally.doubled += 1;
      if (times === 0 && state !== 'held') tally.lost += 1;
    }
  }
  return `${mail.length} messages for ${read + held} receivers: ${read} have it once, ${held} hear it when they speak next`;
}

/** Each call that gives a task has begun one session, and has one result. */
function countTasks({ sessions }: Facts, tally: Tally): string {
  const children = sessions.filter(({ depth }) => depth > 0);
  let tasks = 0;
  for (const { record, timeline, transcript } of sessions) {
    const below = children.filter(({ record: { path } }) => path?.at(-2) === record.session);
    const given = timeline.turns
      .flatMap(({ steps }) => steps.flatMap(({ tools }) => tools))
      .filter(({ name }) => below.some((child) => child.record.agent === name));
    tasks += given.length;
    if (below.length > given.length) tally.doubled += below.length - given.length;
    if (below.length < given.length) tally.lost += given.length - below.length;
    for (const { callId } of given) {
      const results = transcript.filter(
        ({ message }) => message.role === 'tool' && message.callId === callId,
      ).length;
      if (results === 0) tally.lost += 1;
      if (results > 1) tally.doubled += 1;
    }
  }
  return `${tasks} tasks for sub-agents: ${children.length} sessions, a result for each`;
}

/** Each call that succeeded has taken effect once, says the ledger, which is outside the runtime. */
function countEffects({ sessions, effects }: Facts, tally: Tally): string {
  const calls = sessions
    .flatMap(({ timeline }) => timeline.turns.flatMap(({ steps }) => steps))
    .flatMap(({ tools }) => tools)
    .filter(({ name, result }) => EFFECTS.includes(name) && result && !result.failure).length;
  const took = effects.filter(({ effect }) => effect);
  const keys = new Set(took.map(({ key }) => key)).size;
  tally.doubled += took.length - keys;
  tally.lost += Math.max(0, calls - keys);
  // An effect that no call is on record for was made by somebody who was given up.
  tally.doubled += Math.max(0, keys - calls);
  return `${calls} calls with an effect: ${effects.length} requests came to the ledger, ${took.length} took effect`;
}

function nameOf({ record }: Facts['sessions'][number]): string {
  return record.session;
}
