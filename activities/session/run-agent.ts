/**
 * `context.runAgent()`: a tool gives a task to an agent. The session that does the work is named by the
 * call and by the task within it, so every attempt at the tool takes up the same one.
 */
import { createHash } from 'node:crypto';
import type { CallToolInput } from '../../src/contracts/activities.js';
import type { Agent } from '../../src/contracts/agent.js';
import {
  childSession,
  MOST_TASK_UNITS,
  refusedTask,
  subAgentTool,
  taskId,
  type Ancestor,
} from '../../src/contracts/delegation.js';
import { PerduraError, type FailureType } from '../../src/contracts/failures.js';
import { wellFormed } from '../../src/contracts/message.js';
import { eventKeys } from '../../src/contracts/places.js';
import { mayDelegate, policyOf } from '../../src/contracts/policy.js';
import { runName } from '../../src/contracts/run-reference.js';
import { HANDLERS, type SessionInput } from '../../src/contracts/session.js';
import type { AgentAnswer, RunAgentOptions } from '../../src/contracts/tool.js';
import { isTurnEnd, turnEndOf, answerOf } from '../../src/contracts/turn-end.js';
import { stoppedBy } from '../../src/tools/tool-race.js';
import type { ActivityDeps } from '../deps.js';
import type { Execution } from '../execution.js';

export interface RunAgentDeps extends Pick<
  ActivityDeps,
  'agents' | 'contexts' | 'events' | 'sessions' | 'signals' | 'subAgents'
> {
  readonly transcripts: Pick<ActivityDeps['transcripts'], 'append'>;
}

/** The call of the tool that gives the tasks. */
export interface AskingCall {
  readonly execution: Execution;
  readonly input: CallToolInput;
  readonly callId: string;
  readonly name: string;
  /** Idempotency key of the call. */
  readonly key: string;
}

/** The agents that one call of a tool runs. */
export class AgentRuns {
  readonly #deps: RunAgentDeps;
  readonly #call: AskingCall;
  #count = 0;

  constructor(deps: RunAgentDeps, call: AskingCall) {
    this.#deps = deps;
    this.#call = call;
  }

  /** See `ToolContext.runAgent`. */
  async run(
    { agent: name, task, key }: RunAgentOptions,
    signal: AbortSignal,
  ): Promise<AgentAnswer> {
    const number = String((this.#count += 1));
    const { tenant } = this.#call.execution.key;
    const { agent: askerName, version } = this.#call.input;
    const reference = { agent: askerName, ...(version === undefined ? {} : { version }) };
    const asker = await this.#deps.agents.get(reference, tenant);
    const sub = asker.agents?.find((each) => subAgentTool(each) === name);
    const agent = await this.#deps.agents.get({ agent: sub?.agent ?? name }, tenant);
    const text = wellFormed(typeof task === 'string' ? task : (JSON.stringify(task) ?? ''));
    const { above, maxDescendants } = await this.#check(asker, agent.name, text);
    const session = childSession(agent.name, this.#keyOf(key === undefined ? number : `.${key}`));
    await this.#announce(agent.name, session, this.#keyOf(session));
    const { run } = this.#call.input;
    const parent = runName(run ?? { tenant, id: this.#call.execution.key.session });
    const root = run?.root ?? run?.parent;
    const { key: own, hasContext } = this.#call.execution;
    // Here, and not when the session opens: a transcript of a workflow is no session to copy from.
    if (hasContext) await this.#deps.contexts.inherit({ tenant, session }, own.session);
    const input: SessionInput = {
      agent: agent.name,
      message: { id: taskId(session), text },
      parent,
      ...(root === undefined ? {} : { root }),
      child: {
        ancestors: [...above, { run: parent, agent: asker.name }],
        once: true,
        ...(sub?.output ? { asked: { ...reference, tool: name } } : {}),
        maxDescendants,
        ...(hasContext ? { context: true } : {}),
      },
    };
    await this.#wait({ tenant, session }, input, signal);
    const { text: answer, usage } = await this.#answer({ tenant, session });
    const typed = sub?.output ?? agent.responseFormat;
    return { text: answer, ...(typed ? { value: parsed(answer) } : {}), session, usage };
  }

  /** Throws what the policy of the agent refuses. */
  async #check(
    asker: Agent,
    agent: string,
    text: string,
  ): Promise<{ above: readonly Ancestor[]; maxDescendants: number }> {
    const policy = policyOf(asker);
    if (text.trim() === '' || text.length > MOST_TASK_UNITS) {
      throw new PerduraError(
        text.length > MOST_TASK_UNITS ? 'Message.TooLarge' : 'Message.Invalid',
        `A task has 1 to ${MOST_TASK_UNITS} characters, not ${text.trim().length}.`,
      );
    }
    if (!mayDelegate(policy, agent)) {
      throw new PerduraError(
        'Request.Invalid',
        `The policy of "${asker.name}" does not let it delegate to "${agent}".`,
      );
    }
    const { sessions } = this.#deps;
    const { tenant, session } = this.#call.execution.key;
    const own = await sessions.get(tenant, session);
    const names = own?.path?.slice(0, -1) ?? [];
    const above = await Promise.all(
      names.map(async (name): Promise<Ancestor> => {
        const record = await sessions.get(tenant, name);
        return record ? { run: `session/${name}`, agent: record.agent } : { run: name };
      }),
    );
    const run = runName(this.#call.input.run ?? { tenant, id: session });
    const root = own?.root ?? run;
    const below = await sessions.below(tenant, { name: session, root }, { open: true });
    const atWork = below.filter(({ parent }) => parent === run).length;
    const refused = refusedTask({ agent: asker.name, ancestors: above, atWork }, agent, policy);
    if (refused) throw new PerduraError(refused.type as FailureType, refused.message);
    return { above, maxDescendants: policy.maxDescendants };
  }

  /** A reader of the tree follows it. Written once, whatever the attempt. */
  async #announce(agent: string, child: string, key: string): Promise<void> {
    const { execution, input, callId, name } = this.#call;
    const { turn, step, message, index } = input;
    await this.#deps.transcripts.append(execution.writer(input), {
      channel: execution.channel,
      events: [
        {
          key: eventKeys.agentRun(message, index, key),
          body: { type: 'tool.delegated', turn, step, callId, name, agent, child },
        },
      ],
    });
  }

  async #wait(
    key: { readonly tenant: string; readonly session: string },
    input: SessionInput,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await this.#deps.subAgents.run(key, input, signal);
    } catch (error) {
      // A worker that shuts down hands the call over; the next attempt takes the session up.
      if (signal.aborted && stoppedBy(signal.reason) !== 'shutdown') {
        const reason = { reason: 'The tool that gave the task was stopped.' };
        await this.#deps.signals.signal(key, HANDLERS.terminate, reason).catch(() => false);
      }
      throw error;
    }
  }

  async #answer(key: { readonly tenant: string; readonly session: string }) {
    const { events } = this.#deps;
    const taken = await events.findMessage(key, taskId(key.session));
    const end = taken && (await events.findTurnEnd(key, { turn: taken.turn, after: taken.n }));
    if (end && isTurnEnd(end)) return answerOf(turnEndOf(end));
    throw new PerduraError(
      'Session.Closed',
      `The sub-agent ${key.session} ended before it answered.`,
    );
  }

  #keyOf(task: string): string {
    return createHash('sha256').update(`${this.#call.key}\0${task}`).digest('hex').slice(0, 16);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
