/**
 * One tool call of a session: finds it in the transcript, runs it as its effect allows, writes the
 * result. A tool that fails is a message to the model. Only infrastructure throws, and Temporal
 * tries again without end; what counts as a try, and how many there may be, is on record
 * (`tool-record.ts`) and decided by `src/tools/tool-runner.ts`.
 */
import { ApplicationFailure } from '@temporalio/common';
import type { CallToolInput, CallToolResult } from '../../src/contracts/activities.js';
import type { Agent } from '../../src/contracts/agent.js';
import { PerduraError, type FailureInfo } from '../../src/contracts/failures.js';
import type { AssistantMessage, ToolCall } from '../../src/contracts/message.js';
import { callKey } from '../../src/contracts/places.js';
import { PLANNER_MODEL } from '../../src/contracts/plan.js';
import type { Tool } from '../../src/contracts/tool.js';
import { isAnswered } from '../../src/contracts/tool-kinds.js';
import { wellFormed } from '../../src/contracts/message.js';
import { clipText, thrownMessage } from '../../src/tools/text.js';
import { declaredTool, toolOfCall } from '../../src/tools/approval-guard.js';
import { digestOfCall } from '../../src/tools/approval-rules.js';
import { failed, givenUp, type Outcome } from '../../src/tools/tool-outcomes.js';
import { normaliseOutput } from '../../src/tools/tool-output.js';
import type { RequestRecord } from '../../src/store/request-store.js';
import type { Stores, Transcripts } from '../../src/store/stores.js';
import type { ToolRunner, ToolRunRequest } from '../../src/tools/tool-runner.js';
import type { ActivityDeps, ActivitySettings } from '../deps.js';
import { currentExecution, keepAlive, type Execution } from '../execution.js';
import { plannerTools } from './planner-step.js';
import { AgentRuns, type RunAgentDeps } from './run-agent.js';
import type { RuntimeContexts } from './runtime-contexts.js';
import { keepSlot } from './slots.js';
import type { Speakers } from './speaker.js';
import { stopSignals, type StopSignals } from './stop-signals.js';
import { SessionToolRecord, type PreparedResult, type ToolRecordDeps } from './tool-record.js';
import { idempotencyKeyOf } from './transcript-cache.js';

/** Attempts that may end with an error that nobody has foreseen. */
const MAX_UNFORESEEN = 5;

export interface CallToolDeps
  extends
    ToolRecordDeps,
    Pick<RunAgentDeps, 'contexts' | 'events' | 'sessions' | 'signals' | 'subAgents'>,
    Pick<ActivityDeps, 'agents' | 'tools' | 'artifacts' | 'bus' | 'log' | 'pools'> {
  readonly settings: Pick<ActivitySettings, 'poolLeaseMs'>;
  readonly runner: ToolRunner;
  readonly speakers: Speakers;
  readonly runtimes: RuntimeContexts;
  readonly transcripts: Pick<Transcripts, 'append' | 'read'>;
  /** What people have decided. */
  readonly requests?: Pick<Stores['requests'], 'get' | 'expire' | 'grantsFor'> | undefined;
}

export async function callTool(deps: CallToolDeps, input: CallToolInput): Promise<CallToolResult> {
  const execution = currentExecution(input.run);
  const stop = keepAlive();
  await deps.speakers.ready();
  const { turn, step } = input;
  const slot = input.slot ? keepSlot(deps, execution, turn) : undefined;
  const interrupt = new AbortController();
  // An interruption comes over the bus: Temporal's cancellation waits for the next heartbeat.
  const speaker = deps.speakers.begin(
    execution.key,
    { turn, step, attempt: execution.attempt },
    () => interrupt.abort(new Error('The turn was interrupted.')),
  );
  try {
    const signals = stopSignals(execution.signal, interrupt.signal);
    return await new ToolCallRun(deps, input, execution, signals).run();
  } catch (error) {
    throw bounded(error, execution);
  } finally {
    deps.speakers.end(execution.key, speaker);
    clearInterval(slot);
    stop();
  }
}

/** One call, run by an activity of its own or within the step that made it. */
export class ToolCallRun {
  readonly #deps: CallToolDeps;
  readonly #input: CallToolInput;
  readonly #execution: Execution;
  readonly #stop: StopSignals;
  readonly #within: boolean;
  #record: SessionToolRecord | undefined;

  /** `within`: by the step that made the call, which runs local tools itself. */
  constructor(
    deps: CallToolDeps,
    input: CallToolInput,
    execution: Execution,
    stop: StopSignals,
    within = false,
  ) {
    this.#deps = deps;
    this.#input = input;
    this.#execution = execution;
    this.#stop = stop;
    this.#within = within;
  }

  /** Whether the session stood still (paused, ended) when this was last written. */
  get halted(): boolean {
    return this.#record?.halted ?? false;
  }

  /** As an activity of its own. */
  async run(): Promise<CallToolResult> {
    const { failure, given, request } = this.#input;
    const agent = await this.#agent();
    const { call, message } = await findCall(this.#deps, this.#execution, this.#input);
    if (request !== undefined && !failure) return this.#decided(request, agent, call, message);
    if (failure) return this.#giveUp(call, message, failure);
    if (given !== undefined) return this.#conclude(call, message, normaliseOutput(given));
    const prepared = await this.prepare(call, message, await this.#toolsFor(agent, message));
    return 'row' in prepared ? this.write(prepared) : prepared;
  }

  /** Does what a person has decided, as the row of the request has it. */
  async #decided(
    id: string,
    agent: Agent,
    call: ToolCall,
    message: AssistantMessage,
  ): Promise<CallToolResult> {
    const { requests, runner } = this.#deps;
    const { tenant, session } = this.#execution.key;
    const { message: place, index, seq, late } = this.#input;
    const { signal } = this.#execution;
    if (late) await runner.wait(signal, () => requests!.expire(tenant, id));
    const found = await runner.wait(signal, () => requests!.get(tenant, id));
    // A row of another call is none: what a workflow says is no approval.
    const ours = found?.session === session && found.callKey === callKey(place, index);
    if (!found || !ours) {
      const why = `The request of this call of "${call.name}" is not in the store: nobody has approved it.`;
      return this.#conclude(call, message, failed('Tool.ApprovalRequired', why));
    }
    if (found.state === 'waiting') return { seq, preview: '', bytes: 0, undecided: true };
    this.#recordOf(call, plannedOf(agent, message), found);
    const verdict = verdictOf(found);
    if (!('run' in verdict)) return this.#conclude(call, message, verdict);
    const tools = await this.#toolsFor(agent, message);
    const approved = { ...call, arguments: verdict.run };
    const offered = tools.get(call.name);
    const tool = offered && declaredTool(offered);
    if (tool && isAnswered(tool.run)) return this.#record!.open(approved, tool);
    const prepared = await this.prepare(approved, message, tools, true);
    return 'row' in prepared ? this.write(prepared) : prepared;
  }

  /** What the call may name. */
  #toolsFor(agent: Agent, message: AssistantMessage): Promise<ReadonlyMap<string, Tool>> {
    const { turn } = this.#input;
    if (!agent.planner) return this.#deps.tools.toolsOf(agent, this.#execution.key.tenant);
    const place = { turn, head: this.#input.message - 1 };
    return plannerTools(this.#deps, this.#execution, place, agent, message);
  }

  /**
   * Runs the call, unless an earlier attempt has left its result. Writes only that it begins.
   * `approved`: a person has approved these very arguments.
   */
  async prepare(
    call: ToolCall,
    message: AssistantMessage,
    tools: ReadonlyMap<string, Tool>,
    approved = false,
  ): Promise<PreparedResult | CallToolResult> {
    const agent = await this.#agent();
    const key = this.#keyOf(message.id);
    const { tenant } = this.#execution.key;
    const planned = plannedOf(agent, message);
    const offered =
      toolOfCall(tools, call) ??
      // A planner's model calls nothing but what it is offered.
      (planned === false ? undefined : await this.#deps.tools.withheld(agent, call.name, tenant));
    const tool = approved && offered ? declaredTool(offered) : offered;
    const record = this.#recordOf(call, planned);
    const runtime = await this.#deps.runtimes.of(this.#execution, agent, tools.keys());
    const request = this.#request(call, key);
    const prepared = await this.#deps.runner.prepare(
      {
        ...request,
        context: { ...request.context, runtime },
        tool,
        names: [...tools.keys()],
        counted: this.#counts(tool),
        limits: agent.limits,
      },
      record,
    );
    return 'done' in prepared ? prepared.done : record.prepared(key, prepared.result);
  }

  /** Writes the result; waits for a store that is away, since the tool has run. */
  async write(prepared: PreparedResult): Promise<CallToolResult> {
    return this.#deps.runner.wait(this.#execution.signal, () => this.#record!.write(prepared));
  }

  /**
   * A tool that only reads needs no record of its first attempt. A local one that comes as an
   * activity has been tried within its step.
   */
  #counts(tool: Tool | undefined): boolean {
    if (tool?.effect !== 'read' || this.#execution.attempt > 1) return true;
    return tool.run === 'local' && !this.#within;
  }

  /** The attempts are used up. What began and has no result may have taken effect. */
  async #giveUp(
    call: ToolCall,
    message: AssistantMessage,
    failure: FailureInfo,
  ): Promise<CallToolResult> {
    const { runner, toolRuns } = this.#deps;
    const { key: session, signal } = this.#execution;
    const key = this.#keyOf(message.id);
    const run = await runner.wait(signal, () => toolRuns.find({ ...session, key }));
    const open =
      run?.outcome === 'running' || (run?.outcome === 'waiting' && run.effect !== 'once');
    const outcome = givenUp(call.name, failure, open ? run.effect : undefined);
    return this.#conclude(call, message, outcome);
  }

  /** Writes what is known without running anything. */
  async #conclude(
    call: ToolCall,
    message: AssistantMessage,
    outcome: Outcome,
  ): Promise<CallToolResult> {
    const { runner } = this.#deps;
    const key = this.#keyOf(message.id);
    const agent = await this.#agent();
    const { limits } = agent;
    const request = { ...this.#request(call, key), limits };
    const { waitedMs: ms = 0 } = this.#input;
    const result = await runner.bound(request, { ...outcome, ms });
    return this.write(this.#recordOf(call, plannedOf(agent, message)).prepared(key, result));
  }

  #request(call: ToolCall, key: string) {
    const { turn, step, agent } = this.#input;
    const { attempt, key: session, signal } = this.#execution;
    const { artifacts, bus } = this.#deps;
    const runs = new AgentRuns(this.#deps, {
      execution: this.#execution,
      input: this.#input,
      callId: call.id,
      name: clipText(call.name, 64),
      key,
    });
    return {
      ...this.#stop,
      call,
      key,
      context: { ...session, agent, turn, step, attempt },
      artifacts: {
        put: (mediaType, content) => artifacts.put(session, mediaType, content),
      },
      active: signal,
      runAgent: (options, tool) => runs.run(options, tool),
      progress: (message, fraction) => {
        bus.publish(session, {
          type: 'tool.progress',
          turn,
          step,
          callId: call.id,
          name: call.name,
          message,
          ...(fraction === undefined ? {} : { fraction }),
        });
      },
    } satisfies Partial<ToolRunRequest>;
  }

  #agent(): Promise<Agent> {
    return this.#deps.agents.get(this.#input, this.#execution.key.tenant);
  }

  #keyOf(messageId: string): string {
    return idempotencyKeyOf(this.#execution.key, messageId, this.#input.index);
  }

  #recordOf(
    call: ToolCall,
    planned: boolean | undefined,
    request?: RequestRecord,
  ): SessionToolRecord {
    return (this.#record ??= new SessionToolRecord(this.#deps, this.#input, this.#execution, call, {
      planned,
      request,
    }));
  }
}

/** What becomes of a call by its request: the arguments that run, or the result. */
function verdictOf(request: RequestRecord): { readonly run: string } | Outcome {
  const { state, reason, tool, edited, editedDigest } = request;
  switch (state) {
    case 'approved': {
      const run = edited ?? request.arguments;
      // Computed again of the very bytes that would run.
      const digest = digestOfCall(tool, JSON.parse(run.trim() || '{}'));
      if (digest === (editedDigest ?? request.digest)) return { run };
      const why = `The arguments of this call of "${tool}" are not those that were approved. It was not run.`;
      return failed('Tool.ApprovalRequired', why);
    }
    case 'answered':
      return normaliseOutput(request.answer ?? '');
    case 'declined': {
      const said =
        reason === undefined ? '.' : `: ${/[.!?]$/.test(reason) ? reason : `${reason}.`}`;
      return failed(
        'Tool.Declined',
        `A person has declined this call of "${tool}"${said} It was not run.`,
      );
    }
    case 'expired': {
      const why =
        request.kind === 'question'
          ? 'Nobody has answered in time.'
          : `Nobody has approved this call of "${tool}" in time. It was not run.`;
      return failed('Tool.ApprovalExpired', why);
    }
    default:
      return failed('Tool.Interrupted', `This call of "${tool}" was withdrawn. It was not run.`);
  }
}

/** Whether a step of a plan is behind a call; `undefined` for an agent that does not plan. */
export function plannedOf({ planner }: Agent, { model }: AssistantMessage): boolean | undefined {
  return planner ? model === PLANNER_MODEL : undefined;
}

/** A call in the transcript, and its message. */
export async function findCall(
  { cache }: Pick<ToolRecordDeps, 'cache'>,
  { key, transcript, run }: Pick<Execution, 'key' | 'transcript' | 'run'>,
  { message, index }: Pick<CallToolInput, 'message' | 'index'>,
): Promise<{ call: ToolCall; message: AssistantMessage }> {
  const found = await cache.find(key, transcript, run, message);
  const call = found?.role === 'assistant' ? found.toolCalls?.[index] : undefined;
  if (found?.role !== 'assistant' || !call) {
    throw new Error(`Place ${message} of ${transcript} holds no tool call ${index}.`);
  }
  return { call, message: found };
}

/**
 * Temporal retries without end, because a store that is away is waited for and the tries of a tool
 * are counted elsewhere. So an error of which neither knows anything must end by itself.
 */
export function bounded(
  error: unknown,
  { attempt, signal }: Pick<Execution, 'attempt' | 'signal'>,
): unknown {
  if (error instanceof PerduraError || signal.aborted || attempt < MAX_UNFORESEEN) return error;
  return ApplicationFailure.nonRetryable(
    wellFormed(clipText(thrownMessage(error), 2_000)),
    'Tool.Failed',
  );
}
