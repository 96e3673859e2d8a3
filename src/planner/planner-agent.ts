/**
 * The planner of one turn: what comes next, whether a plan may run, and which calls a round of it
 * becomes. Made anew for each step of the turn from the transcript, so it remembers nothing that a
 * crash could lose. Calls no model and no tool: those are the turn's own, with all that holds there.
 */
import type { Agent } from '../contracts/agent.js';
import type { CapabilityGraph } from '../contracts/capabilities.js';
import { tool } from '../contracts/define-tool.js';
import { PerduraError } from '../contracts/failures.js';
import { wellFormedJson } from '../contracts/json-schema.js';
import type { ToolCall, ToolMessage } from '../contracts/message.js';
import { resolveArguments } from '../contracts/plan-arguments.js';
import {
  MOST_STEPS,
  parsePlan,
  roundsOf,
  type Plan,
  type PlanStep,
} from '../contracts/plan-form.js';
import {
  nextMove,
  PLAN_TOOL,
  PROBLEM_TOOL,
  stepCallId,
  type PlanMove,
  type PlanProgress,
} from '../contracts/plan.js';
import { policyOf, type RuntimePolicy } from '../contracts/policy.js';
import type { Tool } from '../contracts/tool.js';
import { checkArguments } from '../tools/argument-check.js';
import { clipText } from '../tools/text.js';
import { buildCapabilityGraph, type GraphSources } from './build-graph.js';
import { obstacleOf, planProblems, takesText } from './plan-check.js';
import { plannerInstructions, progressNote } from './planner-prompt.js';

export interface PlannerAgentOptions extends Omit<GraphSources, 'agent' | 'tools'> {
  readonly agent: Pick<Agent, 'name' | 'instructions' | 'policy'>;
  /** The tools of the agent by name, held back as its policy says. */
  readonly tools: ReadonlyMap<string, Tool>;
  /** How far the turn has come; see `readProgress`. */
  readonly progress: PlanProgress;
}

/** What the model is told when a plan was accepted; the events are made of it. */
export interface AcceptedPlan {
  readonly accepted: true;
  /** Plans of the turn, this one included. */
  readonly revision: number;
  /** Why there is a new plan. */
  readonly because: 'start' | 'failed' | 'done';
  readonly steps: number;
  /** Rounds that it takes. */
  readonly rounds: number;
  /** Steps whose failure led to it. */
  readonly failed?: readonly string[];
  /** Plans after a failure that may still follow. */
  readonly replansLeft: number;
}

/** Longest arguments of a step once its references are replaced, characters. */
const MAX_ARGUMENTS = 256 * 1024;
/** Most problems that are named at once. */
const MAX_PROBLEMS = 10;

export class PlannerAgent {
  readonly graph: CapabilityGraph;
  readonly policy: RuntimePolicy;
  readonly progress: PlanProgress;
  /** What comes next. */
  readonly move: PlanMove;
  readonly #agent: PlannerAgentOptions['agent'];
  readonly #tools: ReadonlyMap<string, Tool>;

  constructor({ agent, tools, progress, ...sources }: PlannerAgentOptions) {
    this.policy = policyOf(agent);
    this.graph = buildCapabilityGraph({ agent, tools: tools.values(), ...sources });
    this.progress = progress;
    this.move = nextMove(progress, this.policy);
    this.#agent = agent;
    this.#tools = tools;
  }

  /** The system prompt of its model calls: the agent's own, and how to plan with what. */
  get instructions(): string {
    return plannerInstructions(this.#agent.instructions, this.graph, this.policy);
  }

  /** What the model is told of the plan before its next call. */
  get note(): string | undefined {
    return progressNote(this.move, this.progress, this.policy);
  }

  /** What is wrong with a plan, in sentences; none when it may run. */
  problems(plan: Plan): string[] {
    const { graph, policy } = this;
    return planProblems(plan, this.progress, { graph, policy, tools: this.#tools });
  }

  /** The one tool of its model: takes a plan, or says what is wrong with it (`Plan.Invalid`). */
  makePlan(): Tool {
    let taken: string | undefined;
    return tool({
      name: PLAN_TOOL,
      description:
        'Makes the plan, or a new one for what is left. Its steps are carried out at once, and you see their outputs.',
      effect: 'read',
      run: 'local',
      parameters: PLAN_SCHEMA,
      execute: (args, { callId }) => {
        if (this.move.do !== 'plan') {
          throw new PerduraError(
            'Plan.Invalid',
            'No other plan can be made in this turn: answer now.',
          );
        }
        // Two calls of one answer: the first counts.
        if (taken !== undefined && taken !== callId) {
          throw new PerduraError('Plan.Invalid', 'One plan at a time: the first one counts.');
        }
        taken = callId;
        return this.#accept(args, this.move.because);
      },
    });
  }

  /**
   * The calls of the next round, one for each step that can run. A step that must not run as it is
   * (forbidden, away, arguments that do not fit) becomes a call of {@link PROBLEM_TOOL}, which fails
   * with the reason. `textOf` gives the whole output of a step.
   */
  async calls(turn: number, textOf: (result: ToolMessage) => Promise<string>): Promise<ToolCall[]> {
    if (this.move.do !== 'run') return [];
    const { done, revision } = this.progress;
    const outputs = new Map<string, string>();
    for (const { after } of this.move.steps) {
      for (const id of after) {
        const result = done.get(id);
        if (result && !outputs.has(id)) outputs.set(id, await textOf(result.message));
      }
    }
    return this.move.steps.map((step) => ({
      id: stepCallId(turn, revision, step.id),
      ...this.#call(step, (id) => outputs.get(id) ?? ''),
    }));
  }

  #accept(args: Record<string, unknown>, because: AcceptedPlan['because']): AcceptedPlan {
    const { plan, problems } = parsePlan(args);
    const wrong = problems ?? this.problems(plan);
    if (wrong.length > 0) {
      const named = wrong.slice(0, MAX_PROBLEMS).map((text) => `- ${clipText(text, 400)}`);
      const more = wrong.length > named.length ? `\n- and ${wrong.length - named.length} more` : '';
      throw new PerduraError(
        'Plan.Invalid',
        `The plan was not accepted, and nothing has run:\n${named.join('\n')}${more}`,
      );
    }
    const { revision, failed, replans } = this.progress;
    const used = replans + (because === 'failed' ? 1 : 0);
    return {
      accepted: true,
      revision: revision + 1,
      because,
      steps: plan!.steps.length,
      rounds: roundsOf(plan!),
      ...(failed.size > 0 ? { failed: [...failed.keys()] } : {}),
      replansLeft: this.policy.maxReplanAttempts - used,
    };
  }

  #call(step: PlanStep, textOf: (id: string) => string): Pick<ToolCall, 'name' | 'arguments'> {
    const { id, use } = step;
    const problem = (text: string) => ({
      name: PROBLEM_TOOL,
      arguments: JSON.stringify({ step: id, use, problem: clipText(text, 1_000) }),
    });
    const called = this.#tools.get(use);
    const obstacle = obstacleOf(use, this);
    if (obstacle !== undefined || !called) return problem(obstacle ?? `There is no "${use}".`);
    let args: string;
    try {
      const resolved = resolveArguments(step.args, textOf, (at) => takesText(called, at));
      args = JSON.stringify(wellFormedJson(resolved));
    } catch (error) {
      return problem(error instanceof Error ? error.message : String(error));
    }
    if (args.length > MAX_ARGUMENTS) {
      return problem(
        `The arguments have ${args.length} characters; at most ${MAX_ARGUMENTS} are allowed. Refer to a part of the output.`,
      );
    }
    const checked = checkArguments(called, args);
    return checked.ok ? { name: use, arguments: args } : problem(checked.failure.message);
  }
}

/** Says what is wrong with a step that must not run. */
export function problemTool(): Tool {
  return tool({
    name: PROBLEM_TOOL,
    description: 'A step of a plan that could not run.',
    effect: 'read',
    run: 'local',
    parameters: PROBLEM_SCHEMA,
    execute: ({ problem }) => {
      throw new PerduraError('Plan.Invalid', String(problem));
    },
  });
}

const PLAN_SCHEMA = {
  type: 'object',
  properties: {
    goal: { type: 'string', description: 'What the plan is to reach, in one sentence.' },
    steps: {
      type: 'array',
      minItems: 1,
      maxItems: MOST_STEPS,
      items: {
        type: 'object',
        properties: {
          id: { type: 'string', description: 'Short and unique: letters, digits, "_" and "-".' },
          use: { type: 'string', description: 'The name of what the step uses.' },
          args: { type: 'object', description: 'Arguments; may refer to outputs of other steps.' },
          after: {
            type: 'array',
            items: { type: 'string' },
            description: 'Ids of steps to wait for, besides those that "args" refer to.',
          },
          why: { type: 'string', description: 'What the step is for, in a few words.' },
        },
        required: ['id', 'use', 'args'],
        additionalProperties: false,
      },
    },
  },
  required: ['steps'],
  additionalProperties: false,
} as const;

const PROBLEM_SCHEMA = {
  type: 'object',
  properties: {
    step: { type: 'string' },
    use: { type: 'string' },
    problem: { type: 'string' },
  },
  required: ['step', 'use', 'problem'],
  additionalProperties: false,
} as const;
