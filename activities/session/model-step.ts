/**
 * One step of a turn, as one attempt at it: builds the context, calls the model, and runs the
 * local tools that it asked for. What it writes, and what it finds written, is `step-record.ts`;
 * the call itself, which knows no session, is `src/llm/model-call.ts`.
 */
import { randomUUID } from 'node:crypto';
import type { CallModelInput, CallModelResult } from '../../src/contracts/activities.js';
import type { ModelRequest } from '../../src/contracts/llm.js';
import { addUsage, NO_USAGE, type AssistantMessage } from '../../src/contracts/message.js';
import { isRetryable, PerduraError } from '../../src/contracts/failures.js';
import type { AttemptFailure } from '../../src/store/transcript-store.js';
import type { ModelContext } from '../../src/context/context-builder.js';
import { ContextManager } from '../../src/context/context-manager.js';
import { estimateUsage, runModelCall, type ModelCallEnd } from '../../src/llm/model-call.js';
import type { ModelTools } from '../../src/tools/model-tools.js';
import type { ActivityDeps, ActivitySettings } from '../deps.js';
import type { Execution } from '../execution.js';
import { abortReason, toFailure } from '../failures.js';
import { admitAttempt } from './attempt-limits.js';
import type { StopSignals } from './call-tool.js';
import { loadImages } from './images.js';
import type { InlineTools } from './inline-tools.js';
import type { Speaker, Speakers } from './speaker.js';
import { StepRecord, type Answered, type Begun, type StepRecordDeps } from './step-record.js';
import { StepResults, withDone } from './step-results.js';
import { answerOf, type StepAttempt } from './step-writes.js';

/** Attempts at an answer that matches `responseFormat`. */
const MAX_OUTPUT_ATTEMPTS = 3;

export interface ModelStepDeps
  extends StepRecordDeps, Pick<ActivityDeps, 'artifacts' | 'provider'> {
  readonly settings: Pick<ActivitySettings, 'modelTimeoutMs' | 'maxModelAttempts'>;
  readonly speakers: Speakers;
  readonly modelTools: ModelTools;
  /** The local tools that an answer calls; `undefined` when a call needs an activity of its own. */
  readonly inlineTools: (
    input: CallModelInput,
    execution: Execution,
    answer: { readonly seq: number; readonly message: AssistantMessage },
    tools: StepAttempt['tools'],
    stop: StopSignals,
  ) => InlineTools | undefined;
}

/** How a step ended. */
export interface StepEnd {
  readonly result: CallModelResult;
  /** The turn was interrupted or the session paused: nothing may follow without the workflow. */
  readonly halted: boolean;
}

export class ModelStep {
  readonly #deps: ModelStepDeps;
  readonly #step: StepAttempt;
  readonly #record: StepRecord;
  readonly #results: StepResults;
  #halted = false;

  constructor(deps: ModelStepDeps, step: StepAttempt) {
    this.#deps = deps;
    this.#step = step;
    this.#record = new StepRecord(deps, step);
    this.#results = new StepResults(step, this.#record);
  }

  async run(): Promise<StepEnd> {
    const first = this.#step.execution.attempt === 1;
    const result = first ? await this.#firstAttempt() : await this.#retry();
    return { result, halted: this.#halted || this.#record.halted };
  }

  /**
   * A first attempt has nothing of its own in the transcript, so its call need not wait for its
   * first write. It is called off in the rare case that the write finds otherwise.
   */
  async #firstAttempt(): Promise<CallModelResult> {
    const context = await this.#context();
    if (context.overflow) {
      await this.#record.take();
      return this.#record.nothingNew ? this.#results.duplicate() : this.#results.overflow();
    }
    const { sent, begun } = this.#record.begin(this.#estimate(context), false);
    await sent;
    const result = await this.#speak(context, begun);
    if (result !== 'again') return result;
    await begun;
    if (this.#record.nothingNew) return this.#results.duplicate();
    return this.#speakOnce(await this.#context(), begun);
  }

  /** Looks first what earlier attempts have left. */
  async #retry(): Promise<CallModelResult> {
    const { execution, input } = this.#step;
    const done = await this.#record.takeAndFind();
    if (done) return this.#finishTools(done);
    if (this.#record.nothingNew) return this.#results.duplicate();
    const { database, settings } = this.#deps;
    const admission = { database, maxModelAttempts: settings.maxModelAttempts };
    this.#record.earlier = (await admitAttempt(admission, execution, input)).usage;
    const context = await this.#context();
    if (context.overflow) return this.#results.overflow(this.#record.earlier);
    const { begun } = this.#record.begin(this.#estimate(context), true);
    const { lastFailure } = await begun;
    return this.#speakOnce(await this.#context(lastFailure ?? undefined), begun);
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
    const request = await this.#request(context).catch((error: unknown) => notAsked(error));
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
    const error = stopped ? handedOver(stopped) : end.outcome === 'failed' ? end.error : undefined;
    if (!error) throw new Error('A model call was stopped, and nobody had asked for it.');
    return this.#failed(error, end);
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
    const { execution, input, seq, tools } = this.#step;
    return this.#deps.inlineTools(input, execution, { seq, message }, tools, stop);
  }

  /** `last` is an answer against its schema: the model is shown it, and what was wrong. */
  async #context(last?: AttemptFailure): Promise<ModelContext> {
    const { agent, tools } = this.#step;
    const manager = new ContextManager({ ...agent, tools: this.#deps.modelTools.of(tools) });
    const context = manager.build(await this.#record.read());
    if (last?.text === undefined) return context;
    return {
      ...context,
      messages: [
        ...context.messages,
        { role: 'assistant', id: 'repair', text: last.text, finish: 'stop', model: agent.model },
        { role: 'user', id: 'repair', text: `${last.message} Answer again, with the JSON alone.` },
      ],
    };
  }

  #estimate({ tokens }: ModelContext) {
    const { agent } = this.#step;
    return estimateUsage(this.#deps.provider(agent.provider).client, agent.model, tokens);
  }

  async #request(context: ModelContext): Promise<ModelRequest> {
    const { agent, tools, execution } = this.#step;
    const images = await loadImages(this.#deps.artifacts, execution.key, context.messages);
    return {
      model: agent.model,
      instructions: agent.instructions,
      messages: context.messages,
      tools: this.#deps.modelTools.of(tools),
      toolChoice: 'auto',
      temperature: agent.temperature,
      maxTokens: agent.maxTokens,
      ...(agent.responseFormat ? { responseFormat: agent.responseFormat } : {}),
      ...(images ? { images } : {}),
    };
  }
}

/** The end of a call that was never made: an image of its context cannot be had. */
function notAsked(error: unknown): Extract<ModelCallEnd, { outcome: 'failed' }> {
  if (!(error instanceof PerduraError)) throw error;
  return { outcome: 'failed', error, said: { text: '', reasoning: '' }, usage: NO_USAGE };
}

/** Why a call ended that nobody interrupted: another attempt follows. */
function handedOver(stopped: 'shutdown' | 'cancelled' | 'gone'): PerduraError {
  return stopped === 'gone'
    ? new PerduraError('Worker.Lost', 'Temporal no longer waited for this attempt at the call.')
    : new PerduraError('Worker.Shutdown', 'The worker was stopped in the call.');
}

/**
 * The signals of one step, made of those of the activity without listening to them: an activity
 * makes many steps, and a listener of each would stay until it ends.
 */
function alsoStoppedBy(interrupted: AbortSignal, { signal, shutdown }: StopSignals): StopSignals {
  return {
    signal: AbortSignal.any([signal, interrupted]),
    shutdown: AbortSignal.any([shutdown]),
  };
}

function isStopped({ signal, shutdown }: StopSignals): boolean {
  return signal.aborted || shutdown.aborted;
}
