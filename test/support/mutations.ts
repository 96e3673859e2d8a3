/**
 * What protects messages, taken out one at a time: the check that the tests would notice. Each
 * mutation is a replacement in the source and the tests that must fail then.
 */

export interface Mutation {
  readonly file: string;
  /** Occurs exactly once in the file; a mutation whose place has moved says so. */
  readonly needle: string;
  readonly replacement: string;
  /** A test file, and a part of the titles that must not all pass. */
  readonly caughtBy: { readonly file: string; readonly title: string };
  /** Run with every `npm test`; the others with `npm run mutation`. */
  readonly quick?: boolean;
}

const MESSAGES = 'test/integration/faults/messages.test.ts';
const LATE = 'test/integration/faults/late-attempts.test.ts';
const FOREIGN = 'test/integration/session/foreign-client.test.ts';
const OUTAGE = 'test/integration/faults/tool-outage.test.ts';
const LIMITS = 'test/integration/faults/model-limits.test.ts';
const APPEND = 'src/store/functions/append.sql';

export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'the dedup of the queue': {
    file: 'workflows/session/session-state.ts',
    needle: 'if (this.#seen.has(message.id)) return',
    replacement: 'if (this.#seen.has(message.id) && !message.id) return',
    caughtBy: { file: MESSAGES, title: 'F7 message: the same id sent twice' },
    quick: true,
  },
  'the dedup of the store': {
    file: APPEND,
    needle: "and message_id = m->>'messageId' and superseded_at is null;",
    replacement: "and message_id = 'never' and superseded_at is null;",
    caughtBy: { file: MESSAGES, title: 'F7 message: an id that the workflow has forgotten' },
  },
  'the drain of the queue at the end': {
    file: 'workflows/session/agent-session.ts',
    needle: 'const inbox = state.drain();',
    replacement: 'const inbox = state.drain().slice(0, 0);',
    caughtBy: { file: MESSAGES, title: 'F9 message: asked, and the session ends before its turn' },
    quick: true,
  },
  'the queue that travels through continue-as-new': {
    file: 'workflows/session/session-state.ts',
    needle: 'inbox: this.#inbox,',
    replacement: 'inbox: [],',
    caughtBy: { file: MESSAGES, title: 'F9 message: sent while the session continues as new' },
  },
  'the ids that travel through continue-as-new': {
    file: 'workflows/session/session-state.ts',
    needle: 'seen: [...this.#seen].slice(-CARRIED_IDS),',
    replacement: 'seen: [],',
    caughtBy: { file: MESSAGES, title: 'F7 message: the same id after continue-as-new' },
  },
  'the fence of stages': {
    file: APPEND,
    needle: 'elsif v_stage < t.stage then\n      v_fenced := true;',
    replacement: 'elsif v_stage < t.stage then\n      v_fenced := false;',
    caughtBy: { file: LATE, title: 'F21 attempt: writes after the step is over' },
    quick: true,
  },
  'the fence of runs': {
    file: APPEND,
    needle: 'v_fenced := found;',
    replacement: 'v_fenced := false;',
    caughtBy: { file: LATE, title: 'F21 run: taken over by another run' },
  },
  'well-formed text at the door': {
    file: 'src/contracts/message.ts',
    needle: String.raw`return text.replace(/\u0000|\p{Surrogate}/gu, '\uFFFD');`,
    replacement: String.raw`return text.replace(/\u0000/gu, '\uFFFD');`,
    caughtBy: { file: FOREIGN, title: 'text: NUL and halves of pairs' },
    quick: true,
  },
  'OUTCOME_UNKNOWN for a `once` tool that may have run': {
    file: 'src/tools/tool-executor.ts',
    needle: "if (tool.effect === 'once' && (options.mayHaveRun ?? parts.attempt > 1)) {",
    replacement: "if (tool.effect === 'once' && tool.name === '' && options.mayHaveRun) {",
    caughtBy: { file: OUTAGE, title: 'store and worker go away after its effect' },
    quick: true,
  },
  'the deadline of a model call': {
    file: 'src/llm/model-call.ts',
    needle: 'signal: AbortSignal.any([signal, deadline.signal]),',
    replacement: 'signal,',
    caughtBy: { file: LIMITS, title: 'F14 deadline: the model streams past it' },
    quick: true,
  },
};
