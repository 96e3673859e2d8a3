/**
 * Agent loops of an application's own: what a session is made of, as functions for any workflow.
 *
 *     const { agent, transcript } = createAgentLoop({ tenant: 'acme' });
 *     const { text } = await agent('assistant').run('Hello!', { transcript: transcript() });
 */
import { workflowInfo } from '@temporalio/workflow';
import {
  invalidSessionName,
  invalidTenant,
  isSessionName,
  isTenant,
} from '../../src/contracts/ids.js';
import {
  readContext,
  type ContextInput,
  type GivenContext,
} from '../../src/contracts/runtime-context.js';
import { executionReference, type RunReference } from '../../src/contracts/run-reference.js';
import { refusal } from '../door.js';
import { SlotDesk } from '../session/slots.js';
import { LoopAgent, type LoopAgentOptions } from './agent.js';
import {
  ReplyDesk,
  SessionHandle,
  startSession,
  type StartSessionOptions,
} from './session-handle.js';
import { SubAgents } from './sub-agents.js';
import { Transcript, type CarriedTranscript } from './transcript.js';

export interface AgentLoopOptions {
  /** Whose work this is. No default: it decides whose tools, servers and rows are used. */
  readonly tenant: string;
  /**
   * For whom the agents and sessions of this run work: their tools have it as `context.runtime`, and
   * a memory is that of its user. Default: for nobody.
   */
  readonly context?: ContextInput;
}

/** Made once in each run of a workflow. */
export interface AgentLoop {
  /** What this run is known by in the store. */
  readonly run: RunReference;
  /** An agent of the configuration of the workers. */
  agent(name: string, options?: LoopAgentOptions): LoopAgent;
  /** A new transcript, or one that the run before has carried here. */
  transcript(carried?: CarriedTranscript): Transcript;
  /** Starts a session as a child of the workflow, or takes the one of this name that runs. */
  startSession(options?: StartSessionOptions): Promise<SessionHandle>;
  /** A session that runs. Whether it does is seen when it is asked. */
  session(name: string): SessionHandle;
}

/** Fails the workflow with `Request.Invalid` for a tenant, or a context, that is none. */
export function createAgentLoop({ tenant, context }: AgentLoopOptions): AgentLoop {
  if (!isTenant(tenant)) throw refusal('Request.Invalid', invalidTenant(tenant));
  const given = checkedContext(context);
  const run = {
    ...executionReference(tenant, workflowInfo().workflowId),
    ...(given ? { context: true as const } : {}),
  };
  const desk = new ReplyDesk();
  const desks = { subAgents: new SubAgents(desk, run, given), slots: new SlotDesk() };
  return {
    run,
    agent: (name, options) => new LoopAgent(run, name, desks, { ...options, context: given }),
    transcript: (carried) => new Transcript(run, carried, given),
    startSession: (options = {}) =>
      startSession(desk, run, { ...options, context: checkedContext(options.context) ?? given }),
    session: (name) => {
      if (!isSessionName(name)) throw refusal('Request.Invalid', invalidSessionName(name));
      desk.listen();
      return new SessionHandle(desk, { tenant, session: name });
    },
  };
}

function checkedContext(context: ContextInput | undefined): GivenContext | undefined {
  const { context: given, problems } = readContext(context);
  if (problems.length > 0) throw refusal('Request.Invalid', problems.join(' '));
  return given;
}
