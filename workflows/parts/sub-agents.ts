/**
 * Sub-agents of an application's own loop: the sessions behind the calls of its agents. They are
 * children of the workflow, and are cancelled with what waits for them.
 */
import { isCancellation } from '@temporalio/workflow';
import type { PlannedCall } from '../../src/contracts/activities.js';
import { refusedTask, taskId, type DelegationRules } from '../../src/contracts/delegation.js';
import type { FailureInfo } from '../../src/contracts/failures.js';
import { runName, type RunReference } from '../../src/contracts/run-reference.js';
import type { GivenContext } from '../../src/contracts/runtime-context.js';
import { isRefusal } from '../door.js';
import type { GivenResult } from '../session/open-calls.js';
import { startSession, type ReplyDesk } from './session-handle.js';

export class SubAgents {
  readonly #desk: ReplyDesk;
  readonly #owner: RunReference;
  readonly #context: GivenContext | undefined;
  #atWork = 0;

  constructor(desk: ReplyDesk, owner: RunReference, context?: GivenContext) {
    this.#desk = desk;
    this.#owner = owner;
    this.#context = context;
  }

  /** The result of a call that delegates: an answer, or why there is none. Rejects if cancelled. */
  async answer(
    asker: string,
    { task }: PlannedCall,
    rules: DelegationRules | undefined,
  ): Promise<GivenResult> {
    if (!task || !rules) return { failure: NOT_HERE };
    if (task.text === undefined) return { failure: TOO_LONG };
    const above = { run: runName(this.#owner), agent: asker };
    const place = { agent: asker, ancestors: [], atWork: this.#atWork };
    const failure = refusedTask(place, task.agent, rules);
    if (failure) return { failure };
    this.#atWork += 1;
    try {
      const { agent, session, onParentEnd } = task;
      const message = { id: taskId(session), text: task.text };
      const handle = await startSession(
        this.#desk,
        this.#owner,
        { agent, session, outlives: onParentEnd === 'keep', context: this.#context },
        {
          message,
          child: {
            ancestors: [above],
            once: true,
            ...(task.asked ? { asked: task.asked } : {}),
            maxDescendants: rules.maxDescendants,
          },
        },
      );
      if (task.detached) return { output: JSON.stringify({ session, agent, state: 'working' }) };
      return { output: (await handle.answerTo(message.id)).text };
    } catch (error) {
      if (isCancellation(error) || !isRefusal(error)) throw error;
      return { failure: { type: error.type ?? 'Session.Closed', message: error.message } };
    } finally {
      this.#atWork -= 1;
    }
  }
}

const NOT_HERE: FailureInfo = {
  type: 'Tool.Failed',
  message: 'Nothing waits for detached agents here: the workflow itself has their sessions.',
};

const TOO_LONG: FailureInfo = { type: 'Message.TooLarge', message: 'The task is too long.' };
