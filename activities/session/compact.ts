/**
 * Compaction: the model writes a summary of old turns, which stands for them from then on.
 * The turns stay in the transcript; only what the model sees gets shorter. A summary that is
 * empty, refused or cut off is not taken: it would erase the agent's memory.
 */
import type { CompactInput, CompactResult } from '../../src/contracts/activities.js';
import { addUsage, NO_USAGE, type Usage } from '../../src/contracts/message.js';
import { isRetryable, PerduraError } from '../../src/contracts/failures.js';
import { eventKeys, summaryKey, summaryPlace } from '../../src/contracts/places.js';
import { ContextManager } from '../../src/context/context-manager.js';
import {
  conversationTokens,
  summaryProblem,
  summaryRequest,
} from '../../src/context/summary-request.js';
import { estimateUsage, runModelCall, type ModelCallEnd } from '../../src/llm/model-call.js';
import { waitForStore } from '../../src/tools/wait-for-store.js';
import { totalOf } from '../../src/store/attempts.js';
import type { Append, Appended } from '../../src/store/append-types.js';
import type { ActivityDeps, ActivitySettings } from '../deps.js';
import { currentExecution, keepAlive, type Execution } from '../execution.js';
import { abortReason, toFailure } from '../failures.js';
import { admitAttempt } from './attempt-limits.js';
import type { StepRecordDeps } from './step-record.js';
import { handedOver } from './step-stops.js';

export interface CompactDeps extends StepRecordDeps, Pick<ActivityDeps, 'agents' | 'provider'> {
  readonly settings: Pick<ActivitySettings, 'modelTimeoutMs' | 'maxModelAttempts'>;
}

/** Attempts at a summary that can be used; each asks for a shorter one. */
const MAX_SUMMARY_ATTEMPTS = 3;

export async function compact(deps: CompactDeps, input: CompactInput): Promise<CompactResult> {
  const execution = currentExecution(input.run);
  const stop = keepAlive();
  try {
    return await new Compaction(deps, input, execution).run();
  } finally {
    stop();
  }
}

type Plan = NonNullable<ReturnType<ContextManager['compaction']>>;

class Compaction {
  readonly #deps: CompactDeps;
  readonly #input: CompactInput;
  readonly #execution: Execution;
  #earlier: Usage = NO_USAGE;

  constructor(deps: CompactDeps, input: CompactInput, execution: Execution) {
    this.#deps = deps;
    this.#input = input;
    this.#execution = execution;
  }

  async run(): Promise<CompactResult> {
    const { key, transcript, run, attempt } = this.#execution;
    const { head, agent: name, generation } = this.#input;
    const { model, contextWindow, maxTokens } = this.#deps.agents.get(name);
    const transcribed = await this.#deps.cache.load(key, transcript, run, head, generation);
    const manager = new ContextManager({ model, contextWindow, maxTokens });
    const plan = manager.compaction(transcribed);
    if (!plan) return { head, usage: NO_USAGE, compacted: false };
    if (attempt > 1) {
      // Before this attempt is on record: it would be charged although it asks nobody.
      const place = this.#place();
      const { existing } = await this.#append({ probe: place });
      if (existing[0]) return { head: place.seq, usage: await this.#total(), compacted: true };
      const { attempts, settings } = this.#deps;
      const admission = { attempts, maxModelAttempts: settings.maxModelAttempts };
      this.#earlier = (await admitAttempt(admission, this.#execution, this.#input)).usage;
    }
    return this.#summarise(plan);
  }

  async #summarise(plan: Plan): Promise<CompactResult> {
    const { attempt } = this.#execution;
    const { usage, end } = await this.#ask(plan, attempt);
    if (end.outcome === 'answered') {
      const problem = summaryProblem(end.response);
      if (!problem) return this.#accept(plan, end, usage);
      await this.#refuse(new PerduraError('Model.NoSummary', problem), usage);
    }
    if (end.outcome === 'failed') await this.#refuse(end.error, usage);
    return this.#stopped(usage);
  }

  /** Asks for the summary; where the request itself is too long, once more for its newest part. */
  async #ask(plan: Plan, attempt: number): Promise<{ usage: Usage; end: ModelCallEnd }> {
    const agent = this.#deps.agents.get(this.#input.agent);
    const { client } = this.#deps.provider(agent.provider);
    const whole = summaryRequest(agent, plan, { attempt });
    const tokens = conversationTokens(whole);
    await this.#append({
      attempt: this.#attempt('running', estimateUsage(client, agent.model, tokens)),
    });
    const end = await this.#call(whole);
    if (end.outcome !== 'failed' || end.error.type !== 'Model.ContextOverflow') {
      return { usage: end.usage, end };
    }
    // Too much even for this: a summary of the newest part is better than no way on.
    const part = await this.#call(summaryRequest(agent, plan, { attempt, shown: tokens / 4 }));
    return { usage: addUsage(end.usage, part.usage), end: part };
  }

  #call(request: ReturnType<typeof summaryRequest>): Promise<ModelCallEnd> {
    const { client, provider } = this.#deps.provider(
      this.#deps.agents.get(this.#input.agent).provider,
    );
    const { key, run, attempt, signal } = this.#execution;
    const { stage, step } = this.#input;
    const place = { ...key, run, stage, step, kind: 'compact', attempt } as const;
    return runModelCall(
      {
        client,
        request,
        inputTokens: conversationTokens(request),
        signal,
        stallTimeoutMs: provider.stallTimeoutMs,
        deadlineMs: this.#deps.settings.modelTimeoutMs,
      },
      {
        // Lost when the store is away: the end has the whole bill.
        spent: (usage) => void this.#deps.attempts.noteSpoken(place, usage).catch(() => undefined),
      },
    );
  }

  async #accept(
    { covers }: Plan,
    { response }: Extract<ModelCallEnd, { outcome: 'answered' }>,
    usage: Usage,
  ): Promise<CompactResult> {
    const { turn, step, stage } = this.#input;
    const place = this.#place();
    const body = { role: 'summary', text: response.text, covers } as const;
    const summary = {
      messages: [{ ...place, turn, step, attempt: this.#execution.attempt, body, usage }],
      attempt: { ...this.#attempt('completed', usage), model: response.model },
      events: [
        {
          key: eventKeys.contextCompacted({ stage }),
          body: { type: 'context.compacted', turn, step, covers, usage },
        },
      ],
      updates: { head: place.seq },
    } satisfies Omit<Append, 'channel'>;
    const { existing } = await waitForStore(() => this.#append(summary), this.#execution);
    const total = existing[0] ? await this.#total() : addUsage(this.#earlier, usage);
    return { head: place.seq, usage: total, compacted: true };
  }

  /** Records the failed attempt, and decides whether Temporal shall make another. */
  async #refuse(error: PerduraError, usage: Usage): Promise<never> {
    const failure = { type: error.type, message: error.message };
    const { failures } = await this.#append({
      attempt: { ...this.#attempt('failed', usage), failure },
    });
    const most =
      error.type === 'Model.NoSummary'
        ? MAX_SUMMARY_ATTEMPTS
        : this.#deps.settings.maxModelAttempts;
    throw toFailure(error, isRetryable(error.type) && failures < most);
  }

  /** Records what was asked until it was stopped, and ends the activity as it was stopped. */
  async #stopped(usage: Usage): Promise<never> {
    const { signal } = this.#execution;
    const why = abortReason(signal);
    if (why === 'cancelled') {
      await this.#append({ attempt: this.#attempt('interrupted', usage) });
      throw signal.reason;
    }
    return this.#refuse(handedOver(why), usage);
  }

  #attempt(outcome: 'running' | 'completed' | 'failed' | 'interrupted', usage: Usage) {
    const { turn, step, agent } = this.#input;
    const { model } = this.#deps.agents.get(agent);
    const { attempt } = this.#execution;
    return { kind: 'compact', turn, step, attempt, model, outcome, usage } as const;
  }

  #place(): { seq: number; key: string } {
    return { seq: summaryPlace(this.#input.head), key: summaryKey(this.#input) };
  }

  /** What all attempts have cost. */
  async #total(): Promise<Usage> {
    const { key, run } = this.#execution;
    const { stage } = this.#input;
    return totalOf(await this.#deps.attempts.spendingOfStage({ ...key, run, stage }));
  }

  #append(append: Omit<Append, 'channel'>): Promise<Appended> {
    const { channel, writer } = this.#execution;
    return this.#deps.transcripts.append(writer(this.#input), { channel, ...append });
  }
}
