/**
 * One tool call: finds it in the transcript, runs it as its effect allows, writes the result.
 * A tool that fails is a message to the model. Only infrastructure throws, and Temporal tries
 * again; what a retry may do is decided by the tool's effect (see `contracts/tool-kinds.ts`).
 */
import type { CallToolInput, CallToolResult } from '../src/contracts/activities.js';
import type { ContentPart, ToolCall, ToolMessage } from '../src/contracts/message.js';
import type { RawContentPart, Tool } from '../src/contracts/tool.js';
import type { AgentLimits } from '../src/contracts/agent.js';
import type { FailureInfo } from '../src/contracts/failures.js';
import { standsStill, type AgentState } from '../src/contracts/state.js';
import type { Append, Appended, NewEvent, NewMessage } from '../src/store/transcript-store.js';
import type { ActivityDeps } from './deps.js';
import { currentExecution, keepAlive, type Execution } from './execution.js';
import { abortReason } from './failures.js';
import type { Speakers } from './speaker.js';
import { boundOutput } from './tools/output-bounds.js';
import { ToolExecutor } from './tools/tool-executor.js';
import { idempotencyKeyOf, type TranscriptCache } from './transcript-cache.js';

const PREVIEW_UNITS = 400;

export interface CallToolDeps extends ActivityDeps {
  readonly cache: TranscriptCache;
  readonly executor: ToolExecutor;
  readonly speakers: Speakers;
}

/** The result of a tool before its bounds and its place. */
interface Outcome {
  readonly parts: readonly RawContentPart[];
  readonly failure?: FailureInfo;
  readonly ms: number;
}

export async function callTool(deps: CallToolDeps, input: CallToolInput): Promise<CallToolResult> {
  const execution = currentExecution();
  const stop = keepAlive();
  await deps.speakers.ready();
  const { turn, step } = input;
  const interrupt = new AbortController();
  // An interruption comes over the bus: Temporal's cancellation waits for the next heartbeat.
  const speaker = deps.speakers.begin(
    execution.key,
    { turn, step, attempt: execution.attempt },
    () => interrupt.abort(new Error('The turn was interrupted.')),
  );
  try {
    const signals = stopSignals(execution.signal, interrupt.signal);
    return await new ToolRun(deps, input, execution, signals).run();
  } finally {
    deps.speakers.end(execution.key, speaker);
    stop();
  }
}

/** What stops a tool: someone who interrupts the turn, or the worker's end. */
export interface StopSignals {
  readonly signal: AbortSignal;
  readonly shutdown: AbortSignal;
}

/** A result that is ready to be written. */
export interface PreparedResult {
  readonly row: NewMessage & { readonly body: ToolMessage };
  readonly event: NewEvent;
  readonly toolRun: { readonly key: string; readonly outcome: string };
  readonly result: CallToolResult;
}

/** One call, run by an activity of its own or within the step that made it. */
export class ToolRun {
  readonly #deps: CallToolDeps;
  readonly #input: CallToolInput;
  readonly #execution: Execution;
  readonly #stop: StopSignals;
  #state: AgentState | undefined;

  constructor(
    deps: CallToolDeps,
    input: CallToolInput,
    execution: Execution,
    stop: StopSignals = stopSignals(execution.signal),
  ) {
    this.#deps = deps;
    this.#input = input;
    this.#execution = execution;
    this.#stop = stop;
  }

  /** Whether the session stood still (paused, ended) when this was last written. */
  get halted(): boolean {
    return this.#state !== undefined && standsStill(this.#state);
  }

  async run(): Promise<CallToolResult> {
    const { index, failure } = this.#input;
    const agent = this.#deps.agents.get(this.#input.agent);
    const { call, messageId } = await this.#findCall();
    if (failure) {
      const key = idempotencyKeyOf(this.#execution.key, messageId, index);
      return this.write(await this.#prepare(agent.limits, call, key, failed(failure)));
    }
    const tools = await this.#deps.tools.toolsOf(agent);
    const prepared = await this.prepare(call, messageId, tools);
    return 'row' in prepared ? this.write(prepared) : prepared;
  }

  /** Runs the call, unless an earlier attempt has left its result. Writes only that it begins. */
  async prepare(
    call: ToolCall,
    messageId: string,
    tools: ReadonlyMap<string, Tool>,
  ): Promise<PreparedResult | CallToolResult> {
    const agent = this.#deps.agents.get(this.#input.agent);
    const key = idempotencyKeyOf(this.#execution.key, messageId, this.#input.index);
    const tool = tools.get(call.name) ?? (await this.#deps.tools.withheld(agent, call.name));
    const before = await this.#before(call, key, tool);
    if (before.result) return before.result;
    const { mayHaveRun } = before;
    const outcome = await this.#execute(call, key, { tool, tools, mayHaveRun }, agent.limits);
    return this.#prepare(agent.limits, call, key, outcome);
  }

  /**
   * What an earlier attempt has left: its result, or the trace of an effect. For a tool that
   * only reads, and is run for the first time, there is nothing to look for.
   */
  async #before(
    call: ToolCall,
    key: string,
    tool: Tool | undefined,
  ): Promise<{ result?: CallToolResult; mayHaveRun: boolean }> {
    const { turn, step, seq } = this.#input;
    const { attempt } = this.#execution;
    const effect = tool?.effect ?? 'read';
    if (attempt === 1 && effect === 'read') return { mayHaveRun: false };
    // Also the fence: a call that a later step has overtaken has no effect any more.
    const { existing } = await this.#append({
      probe: { seq, key: this.#placeKey() },
      events: [
        {
          key: `${this.#placeKey()}.a${attempt}`,
          body: { type: 'tool.started', turn, step, attempt, callId: call.id, name: call.name },
        },
      ],
    });
    const [earlier] = existing;
    if (earlier?.body.role === 'tool') {
      return { result: resultOf(seq, earlier.body), mayHaveRun: true };
    }
    if (effect === 'read') return { mayHaveRun: false };
    const begun = await this.#deps.toolRuns.begin({
      ...this.#execution.key,
      key,
      name: call.name,
      effect,
      turn,
      step,
      attempt,
    });
    return { mayHaveRun: begun !== 'first' };
  }

  async #execute(
    call: ToolCall,
    key: string,
    known: {
      tool: Tool | undefined;
      tools: ReadonlyMap<string, Tool>;
      mayHaveRun: boolean;
    },
    limits: AgentLimits,
  ): Promise<Outcome> {
    const { turn, step, agent } = this.#input;
    const { attempt, key: session } = this.#execution;
    const parts = {
      ...session,
      agent,
      turn,
      step,
      attempt,
      idempotencyKey: key,
      log: this.#deps.log,
    };
    return this.#deps.executor.run(call, known.tool, parts, {
      ...this.#stop,
      names: [...known.tools.keys()],
      maxOutputBytes: limits.maxArtifactBytes,
      mayHaveRun: known.mayHaveRun,
      progress: (message, fraction) => {
        this.#deps.bus.publish(session, {
          type: 'tool.progress',
          turn,
          step,
          callId: call.id,
          name: call.name,
          message,
          ...(fraction === undefined ? {} : { fraction }),
        });
      },
    });
  }

  async #prepare(
    limits: AgentLimits,
    call: ToolCall,
    key: string,
    outcome: Outcome,
  ): Promise<PreparedResult> {
    const { turn, step, seq } = this.#input;
    const { attempt } = this.#execution;
    const { bytes, ...message } = await this.#bounded(limits, call, outcome);
    const result = { ...resultOf(seq, message), bytes };
    return {
      row: { seq, key: this.#placeKey(), turn, step, attempt, body: message },
      toolRun: { key, outcome: outcome.failure ? outcome.failure.type : 'done' },
      event: {
        key: this.#placeKey(),
        body: {
          type: 'tool.completed',
          turn,
          step,
          attempt,
          callId: call.id,
          name: call.name,
          seq,
          preview: result.preview,
          bytes,
          ms: Math.round(outcome.ms),
          ...(message.artifact ? { artifact: message.artifact } : {}),
          ...(outcome.failure ? { failure: outcome.failure } : {}),
        },
      },
      result,
    };
  }

  /** Writes the result, unless its place is taken: then what is there counts. */
  async write({ row, event, toolRun, result }: PreparedResult): Promise<CallToolResult> {
    const { existing } = await this.#append({ messages: [row], toolRun, events: [event] });
    const [earlier] = existing;
    if (earlier?.body.role === 'tool') return resultOf(row.seq, earlier.body);
    const { key: session, transcript, run } = this.#execution;
    const { body, ...place } = row;
    const at = new Date().toISOString();
    this.#deps.cache.extend(session, transcript, run, [{ ...place, message: body, at }]);
    return result;
  }

  /** Puts what is too long, and what is not text, into artifacts. */
  async #bounded(
    limits: AgentLimits,
    call: ToolCall,
    outcome: Outcome,
  ): Promise<ToolMessage & { bytes: number }> {
    const { artifacts } = this.#deps;
    const owner = this.#execution.key;
    const output = boundOutput(outcome.parts, limits.maxToolOutputBytes);
    let artifact: string | undefined;
    if (output.needsArtifact) {
      const kept = Buffer.from(output.fullText);
      artifact = await artifacts.put(owner, 'text/plain; charset=utf-8', kept);
    }
    const shown = output.show(artifact);
    const content: ContentPart[] = await Promise.all(
      shown.map(async (part): Promise<ContentPart> => {
        if (part.type !== 'image') return part;
        const { mediaType, data } = part;
        return {
          type: 'image',
          mediaType,
          artifact: await artifacts.put(owner, mediaType, Buffer.from(data, 'base64')),
        };
      }),
    );
    return {
      role: 'tool',
      callId: call.id,
      name: call.name,
      content,
      ...(outcome.failure ? { failure: outcome.failure } : {}),
      ...(artifact ? { artifact } : {}),
      bytes: output.bytes,
    };
  }

  async #findCall(): Promise<{ call: ToolCall; messageId: string }> {
    const { message, index } = this.#input;
    const { key, transcript, run } = this.#execution;
    const found = await this.#deps.cache.find(key, transcript, run, message);
    const call = found?.role === 'assistant' ? found.toolCalls?.[index] : undefined;
    if (found?.role !== 'assistant' || !call) {
      throw new Error(`Place ${message} of ${transcript} holds no tool call ${index}.`);
    }
    return { call, messageId: found.id };
  }

  async #append(append: Omit<Append, 'channel'>): Promise<Appended> {
    const { channel } = this.#execution;
    const writer = this.#execution.writer(this.#input);
    const appended = await this.#deps.transcripts.append(writer, { channel, ...append });
    this.#state = appended.state;
    return appended;
  }

  #placeKey(): string {
    return toolPlaceKey(this.#input.message, this.#input.index);
  }
}

/** What the place of a tool's result is taken for. */
export function toolPlaceKey(message: number, index: number): string {
  return `c${message}.${index}`;
}

function resultOf(seq: number, message: ToolMessage): CallToolResult {
  const text = message.content
    .map((part) => (part.type === 'text' ? part.text : `[${part.type}]`))
    .join('\n');
  return {
    seq,
    preview: text.slice(0, PREVIEW_UNITS),
    bytes: Buffer.byteLength(text),
    ...(message.failure ? { failure: message.failure.type } : {}),
  };
}

function failed(failure: FailureInfo): Outcome {
  return { parts: [{ type: 'text', text: failure.message }], failure, ms: 0 };
}

/**
 * Temporal's one signal, as the two that a tool can be stopped by. `interrupted` is the fast
 * path of an interruption, where there is one.
 */
export function stopSignals(cancelled: AbortSignal, interrupted?: AbortSignal): StopSignals {
  const interrupt = new AbortController();
  const shutdown = new AbortController();
  const pass = () => {
    const to = abortReason(cancelled) === 'cancelled' ? interrupt : shutdown;
    to.abort(cancelled.reason);
  };
  if (cancelled.aborted) pass();
  else cancelled.addEventListener('abort', pass, { once: true });
  const signal = interrupted ? AbortSignal.any([interrupt.signal, interrupted]) : interrupt.signal;
  return { signal, shutdown: shutdown.signal };
}
