/**
 * One step of a turn, as one attempt at it: calls the model, and runs the local tools that it asked
 * for. What the model is shown is `step-prompt.ts`, what is written and found written is
 * `step-record.ts`; the call itself, which knows no session, is `src/llm/model-call.ts`.
 */
import { randomUUID } from 'node:crypto';
import type { CallModelInput, CallModelResult } from '../../src/contracts/activities.js';
import {
  addUsage,
  NO_USAGE,
  type AssistantMessage,
  type Usage,
} from '../../src/contracts/message.js';
import { isRetryable, PerduraError } from '../../src/contracts/failures.js';
import type { PolicyDeclaration } from '../../src/contracts/policy.js';
import type { AttemptFailure } from '../../src/store/transcript-store.js';
import type { ModelContext } from '../../src/context/context-builder.js';
import { runModelCall, type ModelCallEnd } from '../../src/llm/model-call.js';
import type { ActivitySettings } from '../deps.js';
import type { Execution } from '../execution.js';
import { abortReason, toFailure } from '../failures.js';
import { admitAttempt } from './attempt-limits.js';
import { holdCalls, type HoldDeps } from './holds.js';
import type { InlineTools } from './inline-tools.js';
import type { Speaker, Speakers } from './speaker.js';
import { StepPrompt, type StepPromptDeps } from './step-prompt.js';
import { StepRecord, type Answered, type Begun, type StepRecordDeps } from './step-record.js';
import { StepResults, withDone } from './step-results.js';
import { alsoStoppedBy, handedOver, isStopped, type StopSignals } from './stop-signals.js';
import { answerOf, begins, type Beginning, type StepAttempt } from './step-writes.js';
import type { PreparedResult } from './tool-record.js';

/** Attempts at an answer that matches `responseFormat`. */
const MAX_OUTPUT_ATTEMPTS = 3;

export interface ModelStepDeps extends StepRecordDeps, StepPromptDeps, HoldDeps {
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

/** How a step ended, or will have ended when `next` has run. */
export interface StepEnd {
  readonly result: CallModelResult;
  /** The turn was interrupted or the session paused: nothing may follow without the workflow. */
  readonly halted: boolean;
  /** An earlier attempt had written it. */
  readonly found: boolean;
  /** The step that follows, where the write of this one's answer begins it. Must be run at once. */
  readonly next?: NextStep;
}

/**
 * A step that begins while the answer before it is being written, in that write. Its call would have
 * waited for nothing else.
 */
export interface NextStep {
  /**
   * Resolves with nothing when the write says that the step must not be: the session stands still, or
   * another attempt was first. Then the step before it has ended with `instead`.
   */
  run(): Promise<StepEnd | undefined>;
  instead(): Promise<StepEnd>;
}

/**
 * The step that would follow a result without the workflow; nothing where none would, or where it has
 * to wait for something else than the write of the result.
 */
export type Following = (
  result: CallModelResult,
) => { readonly step: StepAttempt; readonly following: Following } | undefined;

/** What the write of an answer says of the step that it begins. */
interface Go {
  readonly go: boolean;
  /** The context was built of something else than the transcript holds. */
  readonly stale: boolean;
}

/** A step that is ready to begin. */
interface Ready {
  readonly step: ModelStep;
  readonly context: ModelContext;
  readonly estimate: Usage;
  readonly beginning: Beginning;
  /** Of the step before it. */
  readonly result: CallModelResult;
}

export class ModelStep {
  readonly #deps: ModelStepDeps;
  readonly #step: StepAttempt;
  readonly #record: StepRecord;
  readonly #results: StepResults;
  readonly #prompt: StepPrompt;
  readonly #following: Following | undefined;
  #next: NextStep | undefined;
  #halted = false;
  #found = false;

  constructor(deps: ModelStepDeps, step: StepAttempt, following?: Following) {
    this.#deps = deps;
    this.#step = step;
    this.#following = following;
    this.#record = new StepRecord(deps, step);
    this.#results = new StepResults(step, this.#record);
    this.#prompt = new StepPrompt(deps, step, this.#record);
  }

  async run(): Promise<StepEnd> {
    const first = this.#step.execution.attempt === 1;
    return this.#end(first ? await this.#firstAttempt() : await this.#retry());
  }

  #end(result: CallModelResult): StepEnd {
    return {
      result,
      halted: this.#halted || this.#record.halted,
      found: this.#found,
      ...(this.#next ? { next: this.#next } : {}),
    };
  }

  /** As {@link run}, of a step that the write before it begins. */
  async #runBegun({ context, estimate }: Ready, before: Promise<Go>): Promise<StepEnd | undefined> {
    const begun = before.then(({ go, stale }) => ({ stale: stale || !go }));
    const result = await this.#speak(context, begun);
    if (result !== 'again') return this.#end(result);
    if ((await before).go) {
      return this.#end(await this.#speakOnce(await this.#prompt.context(), begun));
    }
    await this.#record.callOff({ ...estimate, estimated: true });
    return undefined;
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
    const { sent, written: begun } = this.#record.begin(this.#prompt.estimate(context), false);
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
    const { written: begun } = this.#record.begin(this.#prompt.estimate(context), true);
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
    const { message, requests } = await holdCalls(this.#deps, this.#step, answerOf(response), () =>
      this.#record.read(),
    );
    const stop = alsoStoppedBy(interrupted, this.#step.stop);
    const inline = this.#inlineTools(message, stop);
    if (!inline) {
      return this.#answered(await this.#record.answer(message, bill, { requests }).written);
    }
    // After a lost attempt the answer is written first: a tool may be what killed the worker.
    const early =
      this.#step.execution.attempt === 1 ? await inline.beforeTheAnswer() : { later: [] };
    const together = 'together' in early ? early.together : [];
    const ready = await this.#ready(message, bill, together);
    const { sent, written } = this.#record.answer(message, bill, {
      tools: together,
      requests,
      ...(ready ? { next: ready.beginning } : {}),
    });
    if (ready) {
      await sent;
      if (!isStopped(stop)) {
        this.#next = this.#follow(ready, written);
        return ready.result;
      }
      await written;
      await ready.step.#record.callOff(NO_USAGE);
    }
    const answered = await written;
    const result = this.#answered(answered);
    // Another attempt's answer is in the place: its calls are not these.
    if (!answered.ours) return result;
    const done =
      'together' in early ? resultsOf(early.together) : await inline.finish(await early.later);
    this.#halted ||= isStopped(stop) || inline.halted;
    return withDone(result, done);
  }

  /** The step behind an answer whose tools are done, where nothing has to be waited for. */
  async #ready(
    message: AssistantMessage,
    bill: Usage,
    tools: readonly PreparedResult[],
  ): Promise<Ready | undefined> {
    // What was repeated leaves its place empty: the next step reads the transcript as it is then.
    if (tools.length === 0 || this.#record.repeated.length > 0) return undefined;
    const total = addUsage(this.#record.earlier, bill);
    const result = withDone(this.#results.answered(message, total), resultsOf(tools));
    const next = this.#following?.(result);
    if (!next) return undefined;
    const attempt = { ...next.step, unwritten: this.#record.unwritten(message, bill, tools) };
    const step = new ModelStep(this.#deps, attempt, next.following);
    const context = await step.#prompt.context();
    if (context.overflow) return undefined;
    const estimate = step.#prompt.estimate(context);
    return { step, context, estimate, beginning: begins(attempt, estimate), result };
  }

  #follow(ready: Ready, written: Promise<Answered>): NextStep {
    const before = written.then(({ ours, stale = false }) => {
      return { go: ours && !this.#record.halted, stale };
    });
    return {
      run: () => ready.step.#runBegun(ready, before),
      instead: async () => {
        const answered = await written;
        const { usage, ...told } = answered.ours ? ready.result : this.#answered(answered);
        return {
          result: { ...told, usage: addUsage(usage, ready.estimate) },
          halted: this.#halted || this.#record.halted,
          found: this.#found,
        };
      },
    };
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
    return this.#answered(await this.#record.answer(said, end.usage).written);
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

function resultsOf(tools: readonly PreparedResult[]) {
  return tools.map(({ result }) => result);
}
