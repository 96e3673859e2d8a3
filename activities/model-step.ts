/**
 * One step of a turn, as one attempt at it: writes what began it, builds the context, calls the
 * model, writes the answer, and runs the local tools that it asked for.
 *
 * The order of writes is what makes a step safe to repeat. Before the call: the messages of
 * the turn and a row for the attempt (so that what a killed worker was billed for is known).
 * After it: the answer, once per place; an attempt that finds the place taken by an earlier
 * one of the same step answers with what is there.
 */
import { randomUUID } from 'node:crypto';
import type { CallModelResult } from '../src/contracts/activities.js';
import type { ModelRequest, ModelResponse } from '../src/contracts/llm.js';
import {
  NO_USAGE,
  wellFormed,
  type AssistantMessage,
  type Usage,
} from '../src/contracts/message.js';
import { standsStill } from '../src/contracts/state.js';
import { isRetryable, PerduraError } from '../src/contracts/failures.js';
import type { Append, Appended, AttemptFailure } from '../src/store/transcript-store.js';
import {
  stopSignals,
  type CallToolDeps,
  type PreparedResult,
  type StopSignals,
} from './call-tool.js';
import type { Context } from './context-builder.js';
import { ContextManager } from './context-manager.js';
import { abortReason, toFailure } from './failures.js';
import { loadImages } from './images.js';
import { InlineTools } from './inline-tools.js';
import { checkStructuredOutput } from './llm/structured-output.js';
import type { ModelTools } from './model-tools.js';
import type { Speaker, Speakers } from './speaker.js';
import { StepBill } from './step-bill.js';
import { StepResults, withDone } from './step-results.js';
import {
  answerKey,
  answering,
  answerOf,
  beginning,
  failing,
  taking,
  type Step,
} from './step-writes.js';
import { tokensOf, type CachedMessage } from './transcript-cache.js';

/** Attempts at an answer that matches `responseFormat`. */
const MAX_OUTPUT_ATTEMPTS = 3;

export interface CallModelDeps extends CallToolDeps {
  readonly speakers: Speakers;
  readonly modelTools: ModelTools;
}

/** What the first write of an attempt has found. */
interface Begun extends Appended {
  /** The context was built of something else than the transcript holds. */
  readonly stale: boolean;
}

/** How a step ended. */
export interface StepEnd {
  readonly result: CallModelResult;
  /** The turn was interrupted or the session paused: nothing may follow without the workflow. */
  readonly halted: boolean;
}

export class ModelStep {
  readonly #deps: CallModelDeps;
  readonly #step: Step;
  readonly #bill: StepBill;
  readonly #results: StepResults;
  #halted = false;

  constructor(deps: CallModelDeps, step: Step) {
    this.#deps = deps;
    this.#step = step;
    const { client } = deps.provider(step.agent.provider);
    this.#bill = new StepBill(step, client, deps.attempts);
    this.#results = new StepResults(step);
  }

  async run(): Promise<StepEnd> {
    const first = this.#step.execution.attempt === 1;
    const result = first ? await this.#firstAttempt() : await this.#retry();
    return { result, halted: this.#halted };
  }

  /**
   * A first attempt has nothing of its own in the transcript, so its call need not wait for its
   * first write. It is called off in the rare case that the write finds otherwise.
   */
  async #firstAttempt(): Promise<CallModelResult> {
    const context = await this.#context();
    if (context.overflow) {
      await this.#take();
      return this.#results.nothingNew ? this.#results.duplicate() : this.#results.overflow();
    }
    const { sent, begun } = this.#begin(context);
    // What the call may cost must be on record whatever happens to this process.
    await sent;
    const result = await this.#speak(context, begun);
    if (result !== 'again') return result;
    await begun;
    if (this.#results.nothingNew) return this.#results.duplicate();
    return this.#speakOnce(await this.#context(), begun);
  }

  /** Looks first what earlier attempts have left. */
  async #retry(): Promise<CallModelResult> {
    const { execution, seq } = this.#step;
    const { existing } = await this.#take({ seq, key: answerKey(this.#step) });
    const done = existing.find((row) => row.seq === seq);
    if (done?.body.role === 'assistant') {
      const result = this.#results.answered(done.body, done.usage ?? NO_USAGE);
      const inline = this.#inlineTools(done.body, stopSignals(execution.signal));
      if (!inline) return result;
      const ended = withDone(result, await inline.finish());
      this.#halted ||= execution.signal.aborted || inline.halted;
      return ended;
    }
    if (this.#results.nothingNew) return this.#results.duplicate();
    const context = await this.#context();
    if (context.overflow) return this.#results.overflow();
    const { begun } = this.#begin(context, true);
    const { lastFailure } = await begun;
    return this.#speakOnce(await this.#context(lastFailure ?? undefined), begun);
  }

  async #speakOnce(context: Context, begun: Promise<{ stale: boolean }>): Promise<CallModelResult> {
    const settled = begun.then(() => ({ stale: false }));
    const result = await this.#speak(context, settled);
    if (result === 'again') throw new Error('A step was called off twice.');
    return result;
  }

  /**
   * Calls the model, streams, writes the answer. Answers `again` when the first write shows
   * that the context was built of something else than the transcript holds.
   */
  async #speak(
    context: Context,
    begun: Promise<{ stale: boolean }>,
  ): Promise<CallModelResult | 'again'> {
    const { execution, agent, input } = this.#step;
    const { client, provider } = this.#deps.provider(agent.provider);
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
    const recorded = this.#bill.keep(context, speaker);
    try {
      const response = await client.complete(await this.#request(context), {
        signal: AbortSignal.any([execution.signal, abort.signal]),
        onDelta: (channel, text) => speaker.push(channel, text),
        stallTimeoutMs: provider.stallTimeoutMs,
      });
      if ((await begun).stale) return 'again';
      speaker.finish();
      // A stop that came with the last word is a stop: what would follow must not run.
      if (speaker.interrupted) return await this.#interrupted(context, speaker);
      this.#checkOutput(response);
      return await this.#accept(context, response, stopSignals(execution.signal, abort.signal));
    } catch (error) {
      // When the first write failed (fenced, or the store is away), that is the reason.
      if ((await begun).stale) return 'again';
      const stopped = execution.signal.aborted ? abortReason(execution.signal) : undefined;
      if (speaker.interrupted || stopped === 'cancelled') {
        return await this.#interrupted(context, speaker);
      }
      return await this.#failed(
        context,
        speaker,
        stopped
          ? new PerduraError('Worker.Shutdown', 'The worker was stopped in the call.', {
              cause: error,
            })
          : error,
      );
    } finally {
      recorded();
      this.#deps.speakers.end(execution.key, speaker);
    }
  }

  async #context(last?: AttemptFailure): Promise<Context> {
    const { execution, agent, input, inbox, tools } = this.#step;
    const { key, transcript, run } = execution;
    const past = await this.#deps.cache.load(key, transcript, run, input.head);
    const fresh = inbox.filter(({ id }) => !this.#results.repeated.includes(id));
    const now: CachedMessage[] = fresh.map((message, i) => {
      const body = { role: 'user', ...message } as const;
      return { seq: input.head + 1 + i, turn: input.turn, message: body, tokens: tokensOf(body) };
    });
    const manager = new ContextManager({ ...agent, tools: this.#deps.modelTools.of(tools) });
    const context = manager.build([...past, ...now]);
    if (last?.text === undefined) return context;
    // The model's last attempt did not match the schema: it is shown what it wrote, and why not.
    return {
      ...context,
      messages: [
        ...context.messages,
        { role: 'assistant', id: 'repair', text: last.text, finish: 'stop', model: agent.model },
        { role: 'user', id: 'repair', text: `${last.message} Answer again, with the JSON alone.` },
      ],
    };
  }

  /** Writes the messages of the turn, for an attempt that looks before it begins. */
  async #take(probe?: Append['probe']): Promise<Appended> {
    const appended = await this.#append({ ...taking(this.#step), ...(probe ? { probe } : {}) });
    this.#results.repeated = appended.duplicates;
    this.#confirm(appended);
    return appended;
  }

  /** The first write: the messages of the turn unless they are taken, and the attempt. */
  #begin(context: Context, taken = false): { sent: Promise<void>; begun: Promise<Begun> } {
    let onSent: () => void = () => undefined;
    const sent = new Promise<void>((resolve) => (onSent = resolve));
    const begun = this.#writeBeginning(context, taken, onSent);
    begun.catch(onSent);
    return { sent, begun };
  }

  async #writeBeginning(context: Context, taken: boolean, onSent: () => void): Promise<Begun> {
    const estimate = this.#bill.estimate(context);
    const appended = await this.#append(beginning(this.#step, estimate, taken), onSent);
    if (!taken) this.#results.repeated = appended.duplicates;
    const good = this.#confirm(appended);
    return { ...appended, stale: !taken && (!good || appended.duplicates.length > 0) };
  }

  /** Whether the context that was built of the cache still holds. */
  #confirm({ generation }: Appended): boolean {
    const { key, transcript, run } = this.#step.execution;
    return this.#deps.cache.confirm(key, transcript, run, generation);
  }

  #append(append: Append, onSent?: () => void): Promise<Appended> {
    const { execution, input } = this.#step;
    return this.#deps.transcripts.append(execution.writer(input), append, onSent);
  }

  /** Writes the answer. */
  async #accept(
    context: Context,
    response: ModelResponse,
    stop: StopSignals,
  ): Promise<CallModelResult> {
    const usage = {
      ...(response.usage ?? this.#bill.estimate(context, response.text + response.reasoning)),
      sent: context.estimate,
    };
    const message = answerOf(response);
    const inline = this.#inlineTools(message, stop);
    if (!inline) return (await this.#write(message, usage)).result;
    const early = await inline.beforeTheAnswer();
    const together = 'together' in early ? early.together : [];
    const { result, ours } = await this.#write(message, usage, together);
    // Another attempt's answer is in the place: its calls are not these.
    if (!ours) return result;
    const done =
      'together' in early
        ? early.together.map((each) => each.result)
        : await inline.finish(await early.later);
    this.#halted ||= stop.signal.aborted || stop.shutdown.aborted || inline.halted;
    return withDone(result, done);
  }

  #inlineTools(message: AssistantMessage, stop: StopSignals): InlineTools | undefined {
    const { execution, input, seq, tools } = this.#step;
    return InlineTools.for(this.#deps, input, execution, { seq, message }, tools, stop);
  }

  /** Writes what was said until it was stopped, and what that has cost. */
  async #interrupted(context: Context, speaker: Speaker): Promise<CallModelResult> {
    const text = wellFormed(speaker.text('text'));
    const reasoning = wellFormed(speaker.text('reasoning'));
    const said: AssistantMessage = {
      role: 'assistant',
      id: randomUUID(),
      text,
      ...(reasoning ? { reasoning } : {}),
      finish: 'interrupted',
      model: this.#step.agent.model,
    };
    return (await this.#write(said, this.#bill.estimate(context, text + reasoning))).result;
  }

  async #write(
    message: AssistantMessage,
    usage: Usage,
    tools: readonly PreparedResult[] = [],
  ): Promise<{ result: CallModelResult; ours: boolean }> {
    const { execution } = this.#step;
    const { row, ...append } = answering(this.#step, message, usage, tools);
    const { existing, state } = await this.#append(append);
    this.#halted ||= standsStill(state);
    const earlier = existing.find(({ body }) => body.role === 'assistant');
    if (earlier?.body.role === 'assistant') {
      return {
        result: this.#results.answered(earlier.body, earlier.usage ?? NO_USAGE),
        ours: false,
      };
    }
    const at = new Date().toISOString();
    const { messages = [] } = taking(this.#step);
    const fresh = messages.filter(({ messageId }) => !this.#results.repeated.includes(messageId!));
    this.#deps.cache.extend(
      execution.key,
      execution.transcript,
      execution.run,
      [...fresh, row, ...tools.map((tool) => tool.row)].map(({ body, ...place }) => ({
        ...place,
        message: body,
        at,
      })),
    );
    return { result: this.#results.answered(message, usage), ours: true };
  }

  /** Records the failed attempt, and decides whether Temporal shall make another. */
  async #failed(context: Context, speaker: Speaker, error: unknown): Promise<CallModelResult> {
    if (!(error instanceof PerduraError)) throw error;
    const { said } = speaker;
    // A request that was refused costs nothing; one that was cut off costs what was said.
    const usage = said === '' ? NO_USAGE : this.#bill.estimate(context, said);
    // An answer against its schema is worth another attempt, which is another question.
    const repair = error.type === 'Model.InvalidOutput';
    const failure: AttemptFailure = {
      type: error.type,
      message: error.message,
      ...(repair ? { text: speaker.text('text') } : {}),
    };
    const { failures } = await this.#append(failing(this.#step, failure, usage));
    if (error.type === 'Model.ContextOverflow') return this.#results.overflow(usage);
    const most = repair ? MAX_OUTPUT_ATTEMPTS : this.#deps.settings.maxModelAttempts;
    throw toFailure(error, (repair || isRetryable(error.type)) && failures < most);
  }

  #checkOutput(response: ModelResponse): void {
    const { responseFormat } = this.#step.agent;
    if (!responseFormat || response.toolCalls.length > 0 || response.finish !== 'stop') return;
    const checked = checkStructuredOutput(response.text, responseFormat.schema);
    if (checked.ok) return;
    throw new PerduraError(
      'Model.InvalidOutput',
      `The answer does not match the schema "${responseFormat.name}": ${checked.errors.slice(0, 5).join('; ')}`,
    );
  }

  async #request(context: Context): Promise<ModelRequest> {
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
