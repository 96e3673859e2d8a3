/**
 * What a session keeps of a tool call: the ledger of its tries, and its result as an entry of the
 * transcript, with an event, in one commit.
 */
import type { CallToolInput, CallToolResult } from '../../src/contracts/activities.js';
import type { ToolCall, ToolMessage } from '../../src/contracts/message.js';
import { callKey, eventKeys } from '../../src/contracts/places.js';
import { planEvent } from '../../src/contracts/plan-events.js';
import { standsStill, type AgentState } from '../../src/contracts/state.js';
import type { Append, Appended, NewEvent, NewMessage } from '../../src/store/append-types.js';
import type { Stores } from '../../src/store/stores.js';
import type { ToolRunTry } from '../../src/store/tool-runs.js';
import { toCached } from '../../src/context/entries.js';
import { clipText } from '../../src/tools/text.js';
import type { EarlierTries, ToolLedger, ToolResult, ToolTry } from '../../src/tools/tool-ledger.js';
import type { FailureInfo } from '../../src/contracts/failures.js';
import type { Execution } from '../execution.js';
import type { TranscriptCache } from './transcript-cache.js';

const PREVIEW_UNITS = 400;
/** Names of tools are not longer; those that a model makes up may be. */
const MAX_NAME = 64;

export interface ToolRecordDeps extends Pick<Stores, 'toolRuns'> {
  readonly transcripts: Pick<Stores['transcripts'], 'append'>;
  readonly cache: TranscriptCache;
}

/** A result that is ready to be written. */
export interface PreparedResult {
  readonly row: NewMessage & { readonly body: ToolMessage };
  readonly events: readonly NewEvent[];
  readonly toolRun: { readonly key: string; readonly outcome: string };
  readonly result: CallToolResult;
}

export class SessionToolRecord implements ToolLedger<CallToolResult> {
  readonly #deps: ToolRecordDeps;
  readonly #input: CallToolInput;
  readonly #execution: Execution;
  readonly #call: ToolCall;
  readonly #planned: boolean | undefined;
  #state: AgentState | undefined;

  /** `planned`, for an agent that plans: a step of its plan is behind the call, and not its model. */
  constructor(
    deps: ToolRecordDeps,
    input: CallToolInput,
    execution: Execution,
    call: ToolCall,
    planned?: boolean,
  ) {
    this.#deps = deps;
    this.#input = input;
    this.#execution = execution;
    this.#call = call;
    this.#planned = planned;
  }

  /** Whether the session stood still (paused, ended) when this was last written. */
  get halted(): boolean {
    return this.#state !== undefined && standsStill(this.#state);
  }

  async begin(run: ToolTry): Promise<{ done: CallToolResult } | EarlierTries> {
    const { turn, step, seq, message, index } = this.#input;
    const { attempt } = this.#execution;
    // Also the fence: a call that a later step has overtaken has no effect any more.
    const { existing } = await this.#append({
      probe: { seq, key: callKey(message, index) },
      events: [
        {
          key: eventKeys.callStarted(message, index, attempt),
          // Not where the result is there: then nothing is started.
          with: seq,
          body: {
            type: 'tool.started',
            turn,
            step,
            attempt,
            callId: this.#call.id,
            name: clipText(this.#call.name, MAX_NAME),
          },
        },
      ],
    });
    const [earlier] = existing;
    if (earlier?.body.role === 'tool') return { done: resultOf(seq, earlier.body) };
    const { outcome, deaths, failures, failure } = await this.#deps.toolRuns.begin(this.#try(run));
    return {
      deaths,
      failures,
      ...(failure === null ? {} : { failure }),
      ...(outcome === 'running' ? {} : { ended: true }),
    };
  }

  async endTry(run: ToolTry, failure?: FailureInfo): Promise<void> {
    await this.#deps.toolRuns.endTry(this.#try(run), failure?.type);
  }

  finish(run: ToolTry, result: ToolResult): Promise<CallToolResult> {
    return this.write(this.prepared(run.key, result));
  }

  /** The entry of the transcript that a result becomes. */
  prepared(key: string, { content, failure, artifact, bytes, ms }: ToolResult): PreparedResult {
    const { turn, step, seq, message, index } = this.#input;
    const { attempt } = this.#execution;
    const { id: callId } = this.#call;
    const name = clipText(this.#call.name, MAX_NAME);
    const body: ToolMessage = {
      role: 'tool',
      callId,
      name,
      content,
      ...(failure ? { failure } : {}),
      ...(artifact === undefined ? {} : { artifact }),
    };
    const result = { ...resultOf(seq, body), bytes };
    return {
      row: { seq, key: callKey(message, index), turn, step, attempt, body },
      toolRun: { key, outcome: failure ? failure.type : 'done' },
      events: [
        {
          key: eventKeys.callCompleted(message, index),
          body: {
            type: 'tool.completed',
            turn,
            step,
            attempt,
            callId,
            name,
            seq,
            preview: result.preview,
            bytes,
            ms: Math.round(ms),
            ...(artifact === undefined ? {} : { artifact }),
            ...(failure ? { failure } : {}),
          },
        },
        ...this.#planEvents(body),
      ],
      result,
    };
  }

  #planEvents(result: ToolMessage): NewEvent[] {
    if (this.#planned === undefined) return [];
    const { message, index } = this.#input;
    const body = planEvent(this.#input, this.#call, result, this.#planned);
    return body ? [{ key: eventKeys.callPlanned(message, index), body }] : [];
  }

  /** Writes the result, unless its place is taken: then what is there counts. */
  async write({ row, events, toolRun, result }: PreparedResult): Promise<CallToolResult> {
    const { existing } = await this.#append({ messages: [row], toolRun, events });
    const [earlier] = existing;
    if (earlier?.body.role === 'tool') return resultOf(row.seq, earlier.body);
    const { key: session, transcript, run } = this.#execution;
    const { body, ...place } = row;
    const at = new Date().toISOString();
    this.#deps.cache.extend(session, transcript, run, [toCached({ ...place, message: body, at })]);
    return result;
  }

  async #append(append: Omit<Append, 'channel'>): Promise<Appended> {
    const { channel } = this.#execution;
    const writer = this.#execution.writer(this.#input);
    const appended = await this.#deps.transcripts.append(writer, { channel, ...append });
    this.#state = appended.state;
    return appended;
  }

  #try(run: ToolTry): ToolRunTry {
    const { turn, step } = this.#input;
    const { attempt, key } = this.#execution;
    return { ...key, ...run, name: clipText(run.name, MAX_NAME), turn, step, attempt };
  }
}

function resultOf(seq: number, message: ToolMessage): CallToolResult {
  const text = message.content
    .map((part) => (part.type === 'text' ? part.text : `[${part.type}]`))
    .join('\n');
  return {
    seq,
    preview: clipText(text, PREVIEW_UNITS),
    bytes: Buffer.byteLength(text),
    ...(message.failure ? { failure: message.failure.type } : {}),
  };
}
