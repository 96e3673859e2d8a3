/**
 * One step of a turn, as one attempt at it: calls the model, and runs the local tools that it asked
 * for. What the model is shown is `step-prompt.ts`, what is written and found written is
 * `step-record.ts`; the call itself, which knows no session, is `src/llm/model-call.ts`.
 */
import { randomUUID } from 'node:crypto';
import type { CallModelInput, CallModelResult } from '../../src/contracts/activities.js';
import { addUsage, NO_USAGE, type AssistantMessage } from '../../src/contracts/message.js';
import { isRetryable, PerduraError } from '../../src/contracts/failures.js';
import type { PolicyDeclaration } from '../../src/contracts/policy.js';
import type { AttemptFailure } from '../../src/store/transcript-store.js';
import type { ModelContext } from '../../src/context/context-builder.js';
import { runModelCall, type ModelCallEnd } from '../../src/llm/model-call.js';
import type { ActivitySettings } from '../deps.js';
import type { Execution } from '../execution.js';
import { abortReason, toFailure } from '../failures.js';
import { admitAttempt } from './attempt-limits.js';
import type { InlineTools } from './inline-tools.js';
import type { Speaker, Speakers } from './speaker.js';
import { StepPrompt, type StepPromptDeps } from './step-prompt.js';
import { StepRecord, type Answered, type Begun, type StepRecordDeps } from './step-record.js';
import { StepResults, withDone } from './step-results.js';
import { alsoStoppedBy, handedOver, isStopped, type StopSignals } from './stop-signals.js';
import { answerOf, type StepAttempt } from './step-writes.js';

/** Attempts at an answer that matches `responseFormat`. */
const MAX_OUTPUT_ATTEMPTS = 3;

export interface ModelStepDeps extends StepRecordDeps, StepPromptDeps {
  readonly settings: Pick<ActivitySettings, 'modelTimeoutMs' | 'maxModelAttempts'>;
  readonly speakers: Speakers;
  /** The local tools that an answer calls; `undefined` when a call needs an activity of its own. */
  readonly inlineTools: (
    input: CallModelInput,
    execution: Execution,
    answer: { readonly seq: number; readonly message: AssistantMessage },
    tools: StepAttempt['tools'],
    stop: StopSignals,
    policy: PolicyDeclaration | undefined,
  ) => InlineTools | undefined;
}

/** How a step ended. */
export interface StepEnd {
  readonly result: CallModelResult;
  /** The turn was interrupted or the session paused: nothing may follow without the workflow. */
  readonly halted: boolean;
  /** An earlier attempt had written it. */
  readonly found: boolean;
}

export class ModelStep {
  readonly #deps: ModelStepDeps;
  readonly #step: StepAttempt;
  readonly #record: StepRecord;
  readonly #results: StepResults;
  readonly #prompt: StepPrompt;
  #halted = false;
  #found = false;

  constructor(deps: ModelStepDeps, step: StepAttempt) {
    this.#deps = deps;
    this.#step = step;
    this.#record = new StepRecord(deps, step);
    this.#results = new StepResults(step, this.#record);
    this.#prompt = new StepPrompt(deps, step, this.#record);
  }

  async run(): Promise<StepEnd> {
    const first = this.#step.execution.attempt === 1;
    const result = first ? await this.#firstAttempt() : await this.#retry();
    return { result, halted: this.#halted || this.#record.halted, found: this.#found };
  }

  /**
   * A first attempt has nothing of its own in the transcript, so its call need not wait for its
   * first write. It is called off in the rare case that the write finds otherwise.
   */
  async #firstAttempt(): Promise<CallModelResult> {
    const queued = await this.#queued();
    if (queued) return queued;
    const context = await this.#prompt.context();
    if (context.overflow) {
      await this.#record.take();
      return this.#record.nothingNew ? this.#results.duplicate() : this.#results.overflow();
    }
    const { sent, begun } = this.#record.begin(this.#prompt.estimate(context), false);
    await sent;
    const result = await this.#speak(context, begun);
    if (result !== 'again') return result;
    await begun;
    if (this.#record.nothingNew) return this.#results.duplicate();
    return this.#speakOnce(await this.#prompt.context(), begun);
  }

  /** Looks first what earlier attempts have left. */
  async #retry(): Promise<CallModelResult> {
    const { execution, input } = this.#step;
    const done = await this.#record.takeAndFind();
    this.#found = done !== undefined;
    if (done) return this.#finishTools(done);
    if (this.#record.nothingNew) return this.#results.duplicate();
    // After the look for an answer: an attempt that has ended the turn has given the slot back.
    const queued = await this.#queued();
    if (queued) return queued;
    const { attempts, settings } = this.#deps;
    const admission = { attempts, maxModelAttempts: settings.maxModelAttempts };
    this.#record.earlier = (await admitAttempt(admission, execution, input)).usage;
    const context = await this.#prompt.context();
    if (context.overflow) return this.#results.overflow(this.#record.earlier);
    const { begun } = this.#record.begin(this.#prompt.estimate(context), true);
    const { lastFailure } = await begun;
    return this.#speakOnce(await this.#prompt.context(lastFailure ?? undefined), begun);
  }

  /** The result of a step that waits in line; nothing where there is a slot, or no pool. */
  async #queued(): Promise<CallModelResult | undefined> {
    const { slot, execution, input } = this.#step;
    const queued = await slot?.enter();
    if (!queued) return undefined;
    await this.#record.queue(queued);
    if (this.#record.nothingNew) return this.#results.duplicate();
    if (execution.attempt === 1) return this.#results.queued(queued, NO_USAGE);
    const { key, run } = execution;
    const spending = await this.#deps.attempts.spendingOfStage({ ...key, run, stage: input.stage });
    return this.#results.queued(queued, spending.get(input.step)?.usage ?? NO_USAGE);
  }

  /** The tools of an answer that an earlier attempt has written. */
  async #finishTools({ message, usage }: Answered): Promise<CallModelResult> {
    const result = this.#results.answered(message, usage);
    const { stop } = this.#step;
    const inline = this.#inlineTools(message, stop);
    if (!inline) return result;
    const ended = withDone(result, await inline.finish());
    this.#halted ||= isStopped(stop) || inline.halted;
    return ended;
  }

  async #speakOnce(context: ModelContext, begun: Promise<unknown>): Promise<CallModelResult> {
    const settled = begun.then(() => ({ stale: false }));
    const result = await this.#speak(context, settled);
    if (result === 'again') throw new Error('A step was called off twice.');
    return result;
  }

  /**
   * Calls the model, streams, writes how it ended. Answers `again` when the first write shows
   * that the context was built of something else than the transcript holds.
   */
  async #speak(
    context: ModelContext,
    begun: Promise<Pick<Begun, 'stale'>>,
  ): Promise<CallModelResult | 'again'> {
    const { execution, input } = this.#step;
    const abort = new AbortController();
    const speaker = this.#deps.speakers.begin(
      execution.key,
      { turn: input.turn, step: input.step, attempt: execution.attempt },
      () => abort.abort(new Error('The turn was interrupted.')),
    );
    begun.then(
      ({ stale }) =>
        stale ? abort.abort(new Error('The call was begun in vain.')) : speaker.open(),
      (error: unknown) => abort.abort(error),
    );
    try {
      const end = await this.#call(context, speaker, abort.signal);
      // When the first write failed (fenced, or the store is away), that is the reason.
      if ((await begun).stale) return 'again';
      return await this.#ended(context, end, speaker, abort.signal);
    } finally {
      this.#deps.speakers.end(execution.key, speaker);
    }
  }

  async #call(
    context: ModelContext,
    speaker: Speaker,
    interrupted: AbortSignal,
  ): Promise<ModelCallEnd> {
    const { execution, agent } = this.#step;
    const { client, provider } = this.#deps.provider(agent.provider);
    const request = await this.#prompt.request(context).catch((error: unknown) => notAsked(error));
    if ('outcome' in request) return request;
    const call = {
      client,
      request,
      inputTokens: context.tokens,
      signal: AbortSignal.any([execution.signal, interrupted]),
      stallTimeoutMs: provider.stallTimeoutMs,
      deadlineMs: this.#deps.settings.modelTimeoutMs,
    };
    return runModelCall(call, {
      said: (channel, text) => speaker.push(channel, text),
      spent: (usage) => this.#record.spent(usage),
    });
  }

  /** Puts the end of a call on record. */
  async #ended(
    context: ModelContext,
    end: ModelCallEnd,
    speaker: Speaker,
    interrupted: AbortSignal,
  ): Promise<CallModelResult> {
    const { signal } = this.#step.execution;
    if (end.outcome === 'answered') speaker.finish();
    const stopped = signal.aborted ? abortReason(signal) : undefined;
    // A stop that came with the last word is a stop: what would follow must not run.
    if (speaker.interrupted || (stopped === 'cancelled' && end.outcome !== 'answered')) {
      return this.#interrupted(end);
    }
    if (end.outcome === 'answered') return this.#accept(context, end, interrupted);
    if (stopped === 'shutdown' || stopped === 'gone') return this.#failed(handedOver(stopped), end);
    if (end.outcome === 'failed') return this.#failed(end.error, end);
    throw new Error('A model call was stopped, and nobody had asked for it.');
  }

  /** Writes the answer, and runs its local tools. */
  async #accept(
    context: ModelContext,
    { response, usage }: Extract<ModelCallEnd, { outcome: 'answered' }>,
    interrupted: AbortSignal,
  ): Promise<CallModelResult> {
    const bill = { ...usage, sent: context.estimate };
    const message = answerOf(response);
    const stop = alsoStoppedBy(interrupted, this.#step.stop);
    const inline = this.#inlineTools(message, stop);
    if (!inline) return this.#answered(await this.#record.answer(message, bill));
    // After a lost attempt the answer is written first: a tool may be what killed the worker.
    const early =
      this.#step.execution.attempt === 1 ? await inline.beforeTheAnswer() : { later: [] };
    const together = 'together' in early ? early.together : [];
    const answered = await this.#record.answer(message, bill, together);
    const result = this.#answered(answered);
    // Another attempt's answer is in the place: its calls are not these.
    if (!answered.ours) return result;
    const done =
      'together' in early
        ? early.together.map((each) => each.result)
        : await inline.finish(await early.later);
    this.#halted ||= isStopped(stop) || inline.halted;
    return withDone(result, done);
  }

  /** Writes what was said until it was stopped, and what that has cost. */
  async #interrupted(end: ModelCallEnd): Promise<CallModelResult> {
    const { text, reasoning } = end.outcome === 'answered' ? end.response : end.said;
    const said: AssistantMessage = {
      role: 'assistant',
      id: randomUUID(),
      text,
      ...(reasoning ? { reasoning } : {}),
      finish: 'interrupted',
      model: this.#step.agent.model,
    };
    return this.#answered(await this.#record.answer(said, end.usage));
  }

  /** Records the failed attempt, and decides whether Temporal shall make another. */
  async #failed(
    error: PerduraError,
    { said, usage }: Exclude<ModelCallEnd, { outcome: 'answered' }>,
  ): Promise<CallModelResult> {
    // An answer against its schema is worth another attempt, which is another question.
    const repair = error.type === 'Model.InvalidOutput';
    const failure: AttemptFailure = {
      type: error.type,
      message: error.message,
      ...(repair ? { text: said.text } : {}),
    };
    const failures = await this.#record.failed(failure, usage);
    if (error.type === 'Model.ContextOverflow') {
      return this.#results.overflow(addUsage(this.#record.earlier, usage));
    }
    const most = repair ? MAX_OUTPUT_ATTEMPTS : this.#deps.settings.maxModelAttempts;
    throw toFailure(error, (repair || isRetryable(error.type)) && failures < most);
  }

  #answered({ message, usage }: Answered): CallModelResult {
    return this.#results.answered(message, usage);
  }

  #inlineTools(message: AssistantMessage, stop: StopSignals): InlineTools | undefined {
    const { execution, input, seq, tools, agent } = this.#step;
    const answer = { seq, message };
    return this.#deps.inlineTools(input, execution, answer, tools, stop, agent.policy);
  }
}

/** The end of a call that was never made: an image of its context cannot be had. */
function notAsked(error: unknown): Extract<ModelCallEnd, { outcome: 'failed' }> {
  if (!(error instanceof PerduraError)) throw error;
  return { outcome: 'failed', error, said: { text: '', reasoning: '' }, usage: NO_USAGE };
}
