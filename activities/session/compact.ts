/**
 * Compaction: the model writes a summary of old turns, which stands for them from then on.
 * The turns stay in the transcript; only what the model sees gets shorter. A summary that is
 * empty, refused or cut off is not taken: it would erase the agent's memory.
 */
import type { Agent } from '../../src/contracts/agent.js';
import type { CompactInput, CompactResult } from '../../src/contracts/activities.js';
import { addUsage, NO_USAGE, type Usage } from '../../src/contracts/message.js';
import { isRetryable, PerduraError } from '../../src/contracts/failures.js';
import {
  memoryOwner,
  MOST_MEMORY_KEY_UNITS,
  MOST_MEMORY_TEXT_UNITS,
} from '../../src/contracts/memory.js';
import type { QueuedFor } from '../../src/contracts/pool.js';
import { clip } from '../../src/contracts/text.js';
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
import type { RuntimeContexts } from './runtime-contexts.js';
import { slotOf, type Slot } from './slots.js';
import type { StepRecordDeps } from './step-record.js';
import { handedOver } from './stop-signals.js';

export interface CompactDeps
  extends
    StepRecordDeps,
    Pick<ActivityDeps, 'agents' | 'provider' | 'memory' | 'log' | 'pools' | 'poolSeen'> {
  readonly runtimes: RuntimeContexts;
  readonly settings: Pick<ActivitySettings, 'modelTimeoutMs' | 'maxModelAttempts' | 'poolLeaseMs'>;
}

/** Attempts at a summary that can be used; each asks for a shorter one. */
const MAX_SUMMARY_ATTEMPTS = 3;

export async function compact(deps: CompactDeps, input: CompactInput): Promise<CompactResult> {
  const execution = currentExecution(input.run);
  const stop = keepAlive();
  let slot: Slot | undefined;
  try {
    const agent = await deps.agents.callable(input, execution.key.tenant);
    slot = slotOf(deps, execution, agent, input);
    return await new Compaction(deps, input, execution, { agent, slot }).run();
  } catch (error) {
    await slot?.keepForNext();
    throw error;
  } finally {
    slot?.end();
    stop();
  }
}

type Plan = NonNullable<ReturnType<ContextManager['compaction']>>;

class Compaction {
  readonly #deps: CompactDeps;
  readonly #agent: Agent;
  readonly #input: CompactInput;
  readonly #execution: Execution;
  readonly #slot: Slot | undefined;
  #earlier: Usage = NO_USAGE;

  constructor(
    deps: CompactDeps,
    input: CompactInput,
    execution: Execution,
    { agent, slot }: { readonly agent: Agent; readonly slot: Slot | undefined },
  ) {
    this.#agent = agent;
    this.#slot = slot;
    this.#deps = deps;
    this.#input = input;
    this.#execution = execution;
  }

  async run(): Promise<CompactResult> {
    const { key, transcript, run, attempt } = this.#execution;
    const { head, generation } = this.#input;
    const { model, contextWindow, maxTokens } = this.#agent;
    const transcribed = await this.#deps.cache.load(key, transcript, run, head, generation);
    const manager = new ContextManager({ model, contextWindow, maxTokens });
    const { handoff, turn } = this.#input;
    const plan = manager.compaction(transcribed, handoff ? { before: turn } : {});
    if (!plan) return { head, usage: NO_USAGE, compacted: false };
    if (attempt > 1) {
      // Before this attempt is on record: it would be charged although it asks nobody.
      const place = this.#place();
      const { existing } = await this.#append({ probe: place });
      const [written] = existing;
      if (written) {
        if (written.body.role === 'summary') await this.#remember(written.body.text);
        return { head: place.seq, usage: await this.#total(), compacted: true };
      }
    }
    const queued = await this.#slot?.enter();
    if (queued) return this.#wait(queued);
    if (attempt > 1) {
      const { attempts, settings } = this.#deps;
      const admission = { attempts, maxModelAttempts: settings.maxModelAttempts };
      this.#earlier = (await admitAttempt(admission, this.#execution, this.#input)).usage;
    }
    return this.#summarise(plan);
  }

  /** There is no slot: the workflow asks again when it is told of one. */
  async #wait(queued: QueuedFor): Promise<CompactResult> {
    const { turn, step, head } = this.#input;
    const body = { type: 'pool.waiting', turn, step, ...queued } as const;
    await this.#append({ events: [{ key: eventKeys.poolWaiting(this.#input), body }] });
    return { head, usage: await this.#total(), compacted: false, queued };
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
    const agent = this.#agent;
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
    const { client, provider } = this.#deps.provider(this.#agent.provider);
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
    await this.#remember(response.text);
    return { head: place.seq, usage: total, compacted: true };
  }

  /**
   * Keeps the summary for later conversations, where the agent has a memory. The newest of a session
   * takes the place of the one before.
   */
  async #remember(text: string): Promise<void> {
    const { runtimes, memory, log } = this.#deps;
    const agent = this.#agent;
    if (!agent.memory) return;
    const { tenant, session } = this.#execution.key;
    try {
      const { user } = await runtimes.of(this.#execution, agent, []);
      const owner = memoryOwner({ tenant, agent: agent.name, user: user?.id }, agent.memory);
      if (!owner) return;
      const kept = clip(text, MOST_MEMORY_TEXT_UNITS);
      const key = clip(`conversation ${session}`, MOST_MEMORY_KEY_UNITS);
      await memory.write(owner, { key, kind: 'summary', text: kept, session, put: true });
    } catch (error) {
      // The conversation goes on without it: its next summary says the same and more.
      log.warn({ tenant, session, error }, 'a summary was not kept in the memory');
    }
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
    const { turn, step } = this.#input;
    const { name: agent, model } = this.#agent;
    const { attempt } = this.#execution;
    return { kind: 'compact', turn, step, attempt, agent, model, outcome, usage } as const;
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
