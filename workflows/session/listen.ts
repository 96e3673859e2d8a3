/** Which handler goes where. What they do is in `reception.ts`, `control.ts` and `open-calls.ts`. */
import type { AgentReference } from '../../src/contracts/agent.js';
import {
  STATUS_ANSWER,
  type AdoptedChild,
  type CallAnswer,
  type MoveRequest,
  type SessionStatus,
} from '../../src/contracts/session.js';
import { clip } from '../../src/contracts/text.js';
import { LONGEST_WAKE_UP_MS, wakeUpProblem } from '../../src/contracts/session-input.js';
import { taskId } from '../../src/contracts/delegation.js';
import { isSessionName } from '../../src/contracts/ids.js';
import { replySignal } from './replies.js';
import { answerByRefusal, onQuery, onSignals, onUpdate, refusal, signalDoor } from '../door.js';
import type { AgentDesk } from './agent-desk.js';
import type { Children } from './children.js';
import type { Control } from './control.js';
import * as handlers from './handlers.js';
import type { OpenCallDesk } from './open-calls.js';
import type { Reception } from './reception.js';
import type { SessionRun } from './session-run.js';
import type { SessionState } from './session-state.js';
import { readSlot } from './slots.js';

/** To be called before anything else: what came with the start of the workflow waits for it. */
export function listen(
  run: SessionRun,
  desks: {
    readonly reception: Reception;
    readonly control: Control;
    readonly calls: OpenCallDesk;
    readonly agents: AgentDesk;
    readonly children: Children;
  },
): void {
  const { reception, control, calls, agents, children } = desks;
  // Signals first: what a run finds in its first task is handed out as handlers are set, and there
  // every signal was accepted before every update. Those are in the history, updates come beside it.
  onSignals([
    signalDoor(
      handlers.messageSignal,
      (message) => reception.signal(message),
      'Takes a message: text, or { "text": "…" }.',
    ),
    signalDoor(handlers.pauseSignal, () => control.pause('pause')),
    signalDoor(handlers.resumeSignal, () => control.pause('resume')),
    signalDoor(handlers.interruptSignal, (options?: unknown) =>
      control.interruptSignalled(readReason(options) ?? undefined),
    ),
    signalDoor(handlers.terminateSignal, (reason?: unknown) => control.terminate(reason)),
    signalDoor(
      handlers.wakeUpAfterSignal,
      (ms: unknown) => {
        run.handles('signal');
        const problem = wakeUpProblem(ms);
        if (problem === undefined) run.state.wakeAt = Date.now() + (ms as number);
        else run.refuse(problem);
      },
      `Wakes an idle agent once after so many ms, at most ${LONGEST_WAKE_UP_MS}.`,
    ),
    signalDoor(
      handlers.mailSignal,
      (batch) => reception.mail(batch),
      'Takes messages of a courier.',
    ),
    signalDoor(handlers.stopGroupSignal, (group) => control.stopGroup(group)),
    signalDoor(handlers.decidedSignal, (call) => calls.decided(call)),
    signalDoor(replySignal, (reply) => children.replied(reply)),
    signalDoor(handlers.kinSignal, (message) => {
      run.handles('signal');
      const { adopt, asker, left } = readKin(message);
      if (adopt && !run.ending) children.adopt(adopt);
      if (asker === undefined || !run.child) return;
      run.adopted(left);
      return reception.askedBy(asker, taskId(run.key.session));
    }),
    signalDoor(handlers.slotSignal, (slot) => {
      run.handles('signal');
      const stage = readSlot(slot, run.key.session);
      if (stage !== undefined) run.state.granted = Math.max(run.state.granted, stage);
    }),
  ]);
  onUpdate(handlers.sendUpdate, (message) => reception.send(message), {
    validator: (message) => reception.checkSent(message),
    description: 'Takes a message; answers when it is accepted.',
  });
  onUpdate(handlers.askUpdate, (message) => reception.ask(message), {
    validator: (message) => reception.checkAsked(message),
    description: 'Takes a message; answers when its turn is done.',
  });
  onUpdate(handlers.interruptUpdate, (options?: unknown) => control.interrupt(reasonOf(options)), {
    validator: (options?: unknown) => void reasonOf(options),
    description: 'Stops the turn under way.',
  });
  onUpdate(handlers.answerUpdate, (answer) => calls.answer(answer), {
    validator: (answer: CallAnswer) => calls.check(answer),
    description: 'Gives the result of a tool call that waits for it.',
  });
  onUpdate(handlers.moveUpdate, (request?: MoveRequest) => agents.move(request), {
    validator: (request?: MoveRequest) => agents.check(request),
    description: 'Moves the session to another agent or version, between two turns.',
  });
  onUpdate(handlers.statusUpdate, () => statusOf(run), {
    validator: () => {
      throw answerByRefusal(STATUS_ANSWER, statusOf(run));
    },
    description: 'Says what the session does now, in the details of its refusal.',
  });
  onQuery(handlers.statusQuery, () => statusOf(run));
  onQuery(handlers.transcriptHeadQuery, () => ({
    transcript: run.key.session,
    head: run.state.head,
  }));
}

/** Accepts nothing, a text, and `{ "reason": "…" }`; refuses the rest. */
function reasonOf(options: unknown): string | undefined {
  const reason = readReason(options);
  if (reason !== null) return reason;
  throw refusal(
    'Request.Invalid',
    'The update "interrupt" takes { "reason": "…" }, or nothing; the reason is text.',
  );
}

/** `null` for what is no reason. */
function readReason(options: unknown): string | undefined | null {
  if (options === undefined || options === null) return undefined;
  if (typeof options === 'string') return options || undefined;
  if (typeof options === 'object' && !Array.isArray(options)) {
    const { reason } = options as { reason?: unknown };
    if (reason === undefined || reason === null) return undefined;
    if (typeof reason === 'string') return reason || undefined;
  }
  return null;
}

function statusOf({ key, state }: SessionRun): SessionStatus {
  const { waiting } = state.open?.calls ?? {};
  const { moving } = state;
  return {
    ...key,
    ...state.agent,
    ...(moving ? { moving: referenceOf(moving) } : {}),
    state: state.machine.state,
    turn: state.turn,
    step: state.open?.step ?? 0,
    queued: state.queued,
    head: state.head,
    usage: state.usage,
    ...queueOf(state),
    ...(waiting && waiting.length > 0 ? { waiting } : {}),
    ...(state.failure ? { failure: state.failure } : {}),
    runs: state.runs,
  };
}

/** The pool that a turn waits for. */
function queueOf({ open }: SessionState): Pick<SessionStatus, 'pool'> {
  const { pool, queued } = open?.slot ?? {};
  if (pool === undefined || !queued) return {};
  const { stage: _stage, ...place } = queued;
  return { pool: { pool, ...place } };
}

function referenceOf({ agent, version }: AgentReference): AgentReference {
  return { agent, ...(version === undefined ? {} : { version }) };
}

/** Only what a session of the tree may have said. */
function readKin(message: unknown): {
  readonly adopt?: AdoptedChild;
  readonly asker?: string;
  readonly left?: string;
} {
  if (typeof message !== 'object' || message === null) return {};
  const { adopt, asker, left } = message as { adopt?: unknown; asker?: unknown; left?: unknown };
  if (typeof asker === 'string' && asker !== '') {
    return { asker, ...(typeof left === 'string' ? { left } : {}) };
  }
  if (typeof adopt !== 'object' || adopt === null) return {};
  const { session, agent, from } = adopt as Partial<Record<keyof AdoptedChild, unknown>>;
  if (typeof session !== 'string' || !isSessionName(session)) return {};
  if (typeof agent !== 'string' || typeof from !== 'string') return {};
  return { adopt: { session, agent: clip(agent, 64), from: clip(from, 200) } };
}
