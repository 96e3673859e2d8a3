/**
 * A step of a planner's turn. The model is asked for plans and for the answer; between them the
 * planner itself answers, with the calls that the next round of the plan consists of. To the turn
 * both are answers of a model: written, fenced, retried, interrupted and carried on alike. So a plan
 * needs nothing of the workflow, and how far it has come is read from the transcript.
 */
import type { Agent } from '../../src/contracts/agent.js';
import { PerduraError } from '../../src/contracts/failures.js';
import type { LLMClient } from '../../src/contracts/llm.js';
import { NO_USAGE, type ToolMessage, type TranscriptMessage } from '../../src/contracts/message.js';
import { textOf } from '../../src/contracts/plan-events.js';
import {
  NO_PLAN,
  PLANNER_MODEL,
  readProgress,
  type PlanProgress,
} from '../../src/contracts/plan.js';
import type { Tool } from '../../src/contracts/tool.js';
import { PlannerAgent, problemTool } from '../../src/planner/planner-agent.js';
import type { ActivityDeps } from '../deps.js';
import type { Execution } from '../execution.js';
import type { StepAttempt } from './step-writes.js';
import type { TranscriptCache } from './transcript-cache.js';

export interface PlannerStepDeps extends Pick<ActivityDeps, 'provider' | 'artifacts' | 'tools'> {
  readonly transcripts: Pick<ActivityDeps['transcripts'], 'read'>;
  readonly cache: Pick<TranscriptCache, 'load'>;
}

/** Where in the turn. */
export interface PlannerPlace {
  readonly turn: number;
  /** Last place that an accepted step has written. */
  readonly head: number;
  /** See `CallModelInput.generation`. */
  readonly generation?: number;
}

/** What of a step is the planner's. */
export interface PlannerStep extends Pick<StepAttempt, 'agent' | 'tools' | 'note' | 'mustAnswer'> {
  /** Who answers. */
  readonly provider: ActivityDeps['provider'];
}

/** Longest output that is handed on to another step, bytes. */
const MAX_OUTPUT = 256 * 1024;
/** The planner's own answers are made of no context that could be too long. */
const ENDLESS = 1_000_000_000;
const PROBLEM = problemTool();

/** The step at this place, for an agent that plans. */
export async function plannerStep(
  deps: PlannerStepDeps,
  execution: Execution,
  place: PlannerPlace,
  agent: Agent,
  tools: ReadonlyMap<string, Tool>,
): Promise<PlannerStep> {
  const progress = await progressAt(deps, execution, place);
  const unavailable = deps.tools.unavailable(agent);
  const planner = new PlannerAgent({ agent, tools, progress, unavailable });
  const { move } = planner;
  if (move.do !== 'run') {
    return {
      agent: { ...agent, instructions: planner.instructions },
      tools: modelsTools(planner),
      ...(planner.note === undefined ? {} : { note: planner.note }),
      ...(move.do === 'answer' ? { mustAnswer: true } : {}),
      provider: deps.provider,
    };
  }
  const calls = await planner.calls(place.turn, (result) => wholeText(deps, execution, result));
  const { responseFormat: _format, ...plain } = agent;
  return {
    agent: { ...plain, model: PLANNER_MODEL, contextWindow: ENDLESS },
    tools: plannersTools(tools),
    provider: (name) => ({ provider: deps.provider(name).provider, client: answering(calls) }),
  };
}

/** What the model of an agent that plans is shown at the beginning of a turn. */
export function beforePlan(
  agent: Agent,
  tools: ReadonlyMap<string, Tool>,
  unavailable: ReturnType<PlannerStepDeps['tools']['unavailable']>,
): Pick<PlannerStep, 'agent' | 'tools'> {
  const planner = new PlannerAgent({ agent, tools, progress: NO_PLAN, unavailable });
  return { agent: { ...agent, instructions: planner.instructions }, tools: modelsTools(planner) };
}

/**
 * The tools that a call of this message may name, for a call that comes as an activity: those of the
 * agent for a step of a plan, and nothing but the planner's own for a call that the model made.
 */
export async function plannerTools(
  { transcripts, tools: source }: Pick<PlannerStepDeps, 'transcripts' | 'tools'>,
  { key, transcript }: Execution,
  { turn, head }: PlannerPlace,
  agent: Agent,
  { model }: { readonly model: string },
): Promise<ReadonlyMap<string, Tool>> {
  const tools = await source.toolsOf(agent, key.tenant);
  if (model === PLANNER_MODEL) return plannersTools(tools);
  const rows = await transcripts.read(key.tenant, transcript, { to: head });
  const progress = readProgress(messagesOf(rows, turn));
  return modelsTools(
    new PlannerAgent({ agent, tools, progress, unavailable: source.unavailable(agent) }),
  );
}

/** How far the plan of this turn has come. */
async function progressAt(
  { cache, transcripts }: PlannerStepDeps,
  { key, transcript, run }: Execution,
  { turn, head, generation }: PlannerPlace,
): Promise<PlanProgress> {
  const visible = messagesOf(await cache.load(key, transcript, run, head, generation), turn);
  if (visible.length === 0) return NO_PLAN;
  if (!visible.some(({ role }) => role === 'summary')) return readProgress(visible);
  // Compacted within the turn: the model need not see the first plan any more, but it counts.
  return readProgress(
    messagesOf(await transcripts.read(key.tenant, transcript, { to: head }), turn),
  );
}

function messagesOf(
  rows: readonly { readonly turn: number; readonly message: TranscriptMessage }[],
  turn: number,
): TranscriptMessage[] {
  return rows.filter((row) => row.turn === turn).map(({ message }) => message);
}

function modelsTools(planner: PlannerAgent): ReadonlyMap<string, Tool> {
  const makePlan = planner.makePlan();
  return new Map([[makePlan.name, makePlan]]);
}

function plannersTools(tools: ReadonlyMap<string, Tool>): ReadonlyMap<string, Tool> {
  return new Map([...tools, [PROBLEM.name, PROBLEM]]);
}

/** The whole output of a step: the result may show only its head and tail. */
async function wholeText(
  { artifacts }: PlannerStepDeps,
  { key }: Execution,
  result: ToolMessage,
): Promise<string> {
  if (result.artifact === undefined) return textOf(result);
  try {
    const { content } = await artifacts.get(key, result.artifact);
    return content.subarray(0, MAX_OUTPUT).toString('utf8');
  } catch (error) {
    if (error instanceof PerduraError && error.type === 'Artifact.NotFound') return textOf(result);
    throw error;
  }
}

/** Answers at once, with these calls. */
function answering(
  toolCalls: readonly { id: string; name: string; arguments: string }[],
): LLMClient {
  return {
    complete: () =>
      Promise.resolve({
        text: '',
        reasoning: '',
        toolCalls,
        finish: 'tools',
        usage: NO_USAGE,
        model: PLANNER_MODEL,
      }),
    price: () => 0,
  };
}
