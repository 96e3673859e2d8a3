/**
 * One step: writes what began it, builds the context, calls the model, writes the answer.
 *
 * The order of writes is what makes a step safe to repeat. Before the call: the messages of
 * the turn and a row for the attempt (so that what a killed worker was billed for is known).
 * After it: the answer, once per place; an attempt that finds the place taken by an earlier
 * one of the same step answers with what is there.
 */
import { randomUUID } from 'node:crypto';
import type {
  CallModelInput,
  CallModelResult,
  CallToolResult,
} from '../src/contracts/activities.js';
import type { Agent } from '../src/contracts/agent.js';
import type {
  Appended,
  AttemptFailure,
  NewEvent,
  NewMessage,
} from '../src/store/transcript-store.js';
import type { ModelRequest, ModelResponse } from '../src/contracts/llm.js';
import type { Tool } from '../src/contracts/tool.js';
import {
  addUsage,
  NO_USAGE,
  wellFormed,
  type AssistantMessage,
  type InboxMessage,
  type ToolCall,
  type Usage,
} from '../src/contracts/message.js';
import { isRetryable, PerduraError } from '../src/contracts/failures.js';
import { buildContext, type Context } from './context-builder.js';
import {
  stopSignals,
  type CallToolDeps,
  type PreparedResult,
  type StopSignals,
} from './call-tool.js';
import { InlineTools } from './inline-tools.js';
import { currentExecution, keepAlive, type Execution } from './execution.js';
import { abortReason, toFailure } from './failures.js';
import { expandInbox, inboxWrites } from './inbox.js';
import { contextWindowOf, estimateTokens } from './llm/context-window.js';
import { checkStructuredOutput } from './llm/structured-output.js';
import { loadImages } from './images.js';
import { ModelTools } from './model-tools.js';
import { planCalls } from './plan-calls.js';
import type { Speaker, Speakers } from './speaker.js';
import { tokensOf, type CachedMessage } from './transcript-cache.js';

/** Bytes, roughly, of the text that a result carries for whoever reads the history. */
const PREVIEW_UNITS = 1_000;

/** Attempts at an answer that matches `responseFormat`. */
const MAX_OUTPUT_ATTEMPTS = 3;

/** Of a local tool's result, the history shows this much. */
const DONE_UNITS = 200;

export interface CallModelDeps extends CallToolDeps {
  readonly speakers: Speakers;
  readonly modelTools: ModelTools;
}

/** What the first write of an attempt has found. */
interface Begun extends Appended {
  /** The context was built of something else than the transcript holds. */
  readonly stale: boolean;
}

/** Everything that one attempt knows. */
interface Step {
  readonly input: CallModelInput;
  readonly execution: Execution;
  readonly agent: Agent;
  readonly tools: ReadonlyMap<string, Tool>;
  readonly inbox: readonly InboxMessage[];
  /** Place of the answer. */
  readonly seq: number;
}

export async function callModel(
  deps: CallModelDeps,
  input: CallModelInput,
): Promise<CallModelResult> {
  const execution = currentExecution();
  const stop = keepAlive();
  try {
    const agent = deps.agents.get(input.agent);
    const [tools, inbox] = await Promise.all([
      deps.tools.toolsOf(agent),
      expandInbox(deps.spills, execution.key, input.inbox),
      deps.speakers.ready(),
    ]);
    const seq = input.head + inbox.length + 1;
    return await new StepRun(deps, { input, execution, agent, tools, inbox, seq }).run();
  } finally {
    stop();
  }
}

class StepRun {
  readonly #deps: CallModelDeps;
  readonly #step: Step;
  /** Ids of messages that the transcript had already. */
  #duplicates: readonly string[] = [];

  constructor(deps: CallModelDeps, step: Step) {
    this.#deps = deps;
    this.#step = step;
  }

  async run(): Promise<CallModelResult> {
    const { execution, seq } = this.#step;
    const context = await this.#context();
    if (context.overflow) return this.#needsCompaction();
    const { sent, begun } = this.#begin(context);
    if (execution.attempt === 1) {
      // A first attempt has nothing of its own in the transcript, so its call need not wait
      // for its first write. It is called off in the rare case that the write finds otherwise.
      // But what the call may cost must be on record whatever happens to this process.
      await sent;
      const result = await this.#speak(context, begun);
      if (result !== 'again') return result;
    }
    const { existing, lastFailure } = await begun;
    const done = existing.find((row) => row.seq === seq)?.body;
    if (done?.role === 'assistant') {
      const usage = existing.find((row) => row.seq === seq)?.usage ?? NO_USAGE;
      const result = this.#result(done, usage);
      const inline = this.#inlineTools(done, stopSignals(execution.signal));
      return inline ? withDone(result, await inline.finish()) : result;
    }
    if (this.#nothingNew()) return this.#duplicate();
    const again = await this.#speak(await this.#context(lastFailure ?? undefined), begun);
    if (again === 'again') throw new Error('A step was called off twice.');
    return again;
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
      this.#deps.speakers.end(execution.key, speaker);
    }
  }

  async #context(last?: AttemptFailure): Promise<Context> {
    const { execution, agent, input, inbox, tools } = this.#step;
    const { key, transcript, run } = execution;
    const past = await this.#deps.cache.load(key, transcript, run, input.head);
    const fresh = inbox.filter(({ id }) => !this.#duplicates.includes(id));
    const now: CachedMessage[] = fresh.map((message, i) => {
      const body = { role: 'user', ...message } as const;
      return { seq: input.head + 1 + i, turn: input.turn, message: body, tokens: tokensOf(body) };
    });
    const window = agent.contextWindow ?? contextWindowOf(agent.model);
    const context = buildContext([...past, ...now], {
      limit: Math.max(256, window - agent.maxTokens),
      fixed: estimateTokens(agent.instructions) + this.#deps.modelTools.tokens(tools),
    });
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

  /** The first write: the messages of the turn, the attempt, what readers may know. */
  #begin(context: Context): { sent: Promise<void>; begun: Promise<Begun> } {
    let onSent: () => void = () => undefined;
    const sent = new Promise<void>((resolve) => (onSent = resolve));
    const begun = this.#writeBeginning(context, onSent);
    begun.catch(onSent);
    return { sent, begun };
  }

  async #writeBeginning(context: Context, onSent: () => void): Promise<Begun> {
    const { execution, agent, input, seq } = this.#step;
    const { turn, step } = input;
    const first = step === 1 && input.inbox !== undefined;
    const { messages, events } = this.#inboxWrites();
    const started: NewEvent[] = [
      ...(first ? [{ key: `t${turn}`, body: { type: 'turn.started', turn } } as const] : []),
      ...events,
      {
        key: `s${input.stage}.a${execution.attempt}`,
        body: {
          type: 'step.started',
          turn,
          step,
          attempt: execution.attempt,
          model: agent.model,
        },
      },
    ];
    const appended = await this.#deps.transcripts.append(
      execution.writer(input),
      {
        channel: execution.channel,
        messages,
        events: started,
        ...(execution.attempt > 1 ? { probe: { seq, key: this.#answerKey() } } : {}),
        attempt: {
          ...this.#attempt(),
          outcome: 'running',
          usage: this.#priced({ ...NO_USAGE, input: context.tokens, estimated: true }),
        },
        updates: { state: 'running', turn },
        onlyIfNew: true,
      },
      onSent,
    );
    this.#duplicates = appended.duplicates;
    const { key, transcript, run } = execution;
    const good = this.#deps.cache.confirm(key, transcript, run, appended.generation);
    const stale = execution.attempt === 1 && (!good || appended.duplicates.length > 0);
    return { ...appended, stale };
  }

  /** Writes the answer. */
  async #accept(
    context: Context,
    response: ModelResponse,
    stop: StopSignals,
  ): Promise<CallModelResult> {
    const usage = {
      ...(response.usage ?? this.#estimate(context, response.text + response.reasoning)),
      sent: context.estimate,
    };
    const message: AssistantMessage = {
      role: 'assistant',
      id: randomUUID(),
      // As the store will have it: this worker goes on with its own copy.
      text: wellFormed(response.text),
      ...(response.reasoning ? { reasoning: wellFormed(response.reasoning) } : {}),
      // Calls of an answer that was cut off at its longest may be cut themselves: not run.
      ...(response.toolCalls.length > 0 && response.finish !== 'length'
        ? { toolCalls: uniqueIds(response.toolCalls) }
        : {}),
      finish: response.finish,
      model: response.model,
    };
    const inline = this.#inlineTools(message, stop);
    if (!inline) return (await this.#write(message, usage, 'completed')).result;
    const early = await inline.beforeTheAnswer();
    const together = 'together' in early ? early.together : [];
    const { result, ours } = await this.#write(message, usage, 'completed', together);
    // Another attempt's answer is in the place: its calls are not these.
    if (!ours) return result;
    const done =
      'together' in early
        ? early.together.map((each) => each.result)
        : await inline.finish(await early.later);
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
    const { result } = await this.#write(
      {
        role: 'assistant',
        id: randomUUID(),
        text,
        ...(reasoning ? { reasoning } : {}),
        finish: 'interrupted',
        model: this.#step.agent.model,
      },
      this.#estimate(context, text + reasoning),
      'interrupted',
    );
    return result;
  }

  async #write(
    message: AssistantMessage,
    usage: Usage,
    outcome: 'completed' | 'interrupted',
    tools: readonly PreparedResult[] = [],
  ): Promise<{ result: CallModelResult; ours: boolean }> {
    const { execution, input, seq } = this.#step;
    const { turn, step } = input;
    const { attempt } = execution;
    const final = outcome === 'completed' && message.toolCalls === undefined;
    const row: NewMessage = {
      seq,
      key: this.#answerKey(),
      turn,
      step,
      attempt,
      body: message,
      usage,
    };
    const { existing } = await this.#deps.transcripts.append(execution.writer(input), {
      channel: execution.channel,
      messages: [row, ...tools.map((tool) => ({ ...tool.row, with: seq }))],
      attempt: { ...this.#attempt(), model: message.model, outcome, usage },
      events: [
        {
          key: `s${input.stage}`,
          seq,
          body: {
            type: 'step.completed',
            turn,
            step,
            attempt,
            seq,
            text: message.text,
            finish: message.finish,
            usage,
            model: message.model,
          },
        },
        ...(final
          ? [
              {
                key: `t${turn}.end`,
                seq,
                body: {
                  type: 'turn.completed',
                  turn,
                  seq,
                  text: message.text,
                  finish: message.finish,
                  usage: addUsage(input.spent ?? NO_USAGE, usage),
                },
              } as const,
            ]
          : []),
        ...tools.map(({ event }) => ({ ...event, with: seq })),
      ],
      updates: { ...(final ? { state: 'idle' as const } : {}), head: seq },
    });
    const earlier = existing.find(({ body }) => body.role === 'assistant');
    if (earlier?.body.role === 'assistant') {
      return { result: this.#result(earlier.body, earlier.usage ?? NO_USAGE), ours: false };
    }
    const at = new Date().toISOString();
    const { messages } = this.#inboxWrites();
    const fresh = messages.filter(({ messageId }) => !this.#duplicates.includes(messageId!));
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
    return { result: this.#result(message, usage), ours: true };
  }

  /** Records the failed attempt, and decides whether Temporal shall make another. */
  async #failed(context: Context, speaker: Speaker, error: unknown): Promise<CallModelResult> {
    if (!(error instanceof PerduraError)) throw error;
    const { execution, input } = this.#step;
    const { turn, step } = input;
    const { attempt } = execution;
    const said = speaker.text('text') + speaker.text('reasoning');
    // A request that was refused costs nothing; one that was cut off costs what was said.
    const usage = said === '' ? NO_USAGE : this.#estimate(context, said);
    const failure = { type: error.type, message: error.message };
    const { failures } = await this.#deps.transcripts.append(execution.writer(input), {
      channel: execution.channel,
      attempt: {
        ...this.#attempt(),
        outcome: 'failed',
        usage,
        failure:
          error.type === 'Model.InvalidOutput'
            ? { ...failure, text: speaker.text('text') }
            : failure,
      },
      events: [
        {
          key: `s${input.stage}.a${attempt}.failed`,
          body: { type: 'step.failed', turn, step, attempt, failure, usage },
        },
      ],
    });
    if (error.type === 'Model.ContextOverflow') {
      return this.#compact(usage);
    }
    // An answer against its schema is worth another attempt, which is another question.
    const repair = error.type === 'Model.InvalidOutput';
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

  #result(message: AssistantMessage, usage: Usage): CallModelResult {
    const { seq, tools } = this.#step;
    const { sent: _sent, ...reported } = usage;
    const preview = message.text.slice(0, PREVIEW_UNITS);
    return {
      outcome: message.toolCalls && message.finish !== 'interrupted' ? 'tools' : message.finish,
      head: seq,
      seq,
      ...(preview ? { preview } : {}),
      ...(preview.length === message.text.length ? { whole: true } : {}),
      ...this.#repeated(),
      ...(message.toolCalls ? { calls: planCalls(message.toolCalls, tools) } : {}),
      usage: reported,
    };
  }

  /** The context is too large before any call: the messages are taken, then it is compacted. */
  async #needsCompaction(): Promise<CallModelResult> {
    const { execution, input } = this.#step;
    const { turn } = input;
    const { messages, events } = this.#inboxWrites();
    const { duplicates } = await this.#deps.transcripts.append(execution.writer(input), {
      channel: execution.channel,
      messages,
      events: [
        ...(input.inbox
          ? [{ key: `t${turn}`, body: { type: 'turn.started', turn } } as const]
          : []),
        ...events,
      ],
      updates: { state: 'running', turn },
      onlyIfNew: true,
    });
    this.#duplicates = duplicates;
    if (this.#nothingNew()) return this.#duplicate();
    return this.#compact(NO_USAGE);
  }

  #compact(usage: Usage): CallModelResult {
    return { outcome: 'compact', ...this.#repeated(), head: this.#step.seq - 1, seq: 0, usage };
  }

  #duplicate(): CallModelResult {
    const head = this.#step.seq - 1;
    return { outcome: 'duplicate', ...this.#repeated(), head, seq: 0, usage: NO_USAGE };
  }

  #repeated(): { duplicates?: readonly string[] } {
    return this.#duplicates.length > 0 ? { duplicates: this.#duplicates } : {};
  }

  /** Whether every message of the turn was in the transcript before. */
  #nothingNew(): boolean {
    const { inbox } = this.#step;
    return inbox.length > 0 && inbox.every(({ id }) => this.#duplicates.includes(id));
  }

  #inboxWrites() {
    return inboxWrites(this.#step.inbox, this.#step.input, this.#step.execution.attempt);
  }

  #attempt() {
    const { agent, execution, input } = this.#step;
    const { turn, step } = input;
    return { kind: 'model', turn, step, attempt: execution.attempt, model: agent.model } as const;
  }

  #answerKey(): string {
    return `a${this.#step.input.stage}`;
  }

  #estimate(context: Context, said: string): Usage {
    return this.#priced({
      ...NO_USAGE,
      input: context.tokens,
      output: estimateTokens(said),
      estimated: true,
    });
  }

  #priced(usage: Usage): Usage {
    const { agent } = this.#step;
    const { client } = this.#deps.provider(agent.provider);
    return { ...usage, costMicros: client.price(agent.model, usage) };
  }
}

/** Marks the calls that have run. */
function withDone(
  result: CallModelResult,
  done: readonly (CallToolResult | undefined)[],
): CallModelResult {
  if (!result.calls) return result;
  const calls = result.calls.map((call, index) => {
    const preview = done[index]?.preview;
    return preview === undefined ? call : { ...call, done: preview.slice(0, DONE_UNITS) };
  });
  return { ...result, calls };
}

/** Some compatible endpoints give no ids, or the same id twice; results are matched by id. */
function uniqueIds(calls: readonly ToolCall[]): ToolCall[] {
  const seen = new Set<string>();
  return calls.map((call) => {
    const id = call.id && !seen.has(call.id) ? call.id : `call_${randomUUID().slice(0, 12)}`;
    seen.add(id);
    return { id, name: wellFormed(call.name), arguments: wellFormed(call.arguments) };
  });
}
