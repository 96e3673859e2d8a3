/**
 * What a session keeps of a tool call: the ledger of its tries, and its result as an entry of the
 * transcript, with an event, in one commit.
 */
import type { CallToolInput, CallToolResult } from '../../src/contracts/activities.js';
import type { ContentPart, ToolCall, ToolMessage } from '../../src/contracts/message.js';
import { callKey, eventKeys } from '../../src/contracts/places.js';
import { planEvent } from '../../src/contracts/plan-events.js';
import { standsStill, type AgentState } from '../../src/contracts/state.js';
import type { Append, Appended, NewEvent, NewMessage } from '../../src/store/append-types.js';
import type { RequestRecord } from '../../src/store/request-store.js';
import type { Stores } from '../../src/store/stores.js';
import type { ToolRunTry } from '../../src/store/tool-runs.js';
import { toCached } from '../../src/context/entries.js';
import { clipText } from '../../src/tools/text.js';
import type { EarlierTries, ToolLedger, ToolResult, ToolTry } from '../../src/tools/tool-ledger.js';
import type { FailureInfo } from '../../src/contracts/failures.js';
import type { Tool } from '../../src/contracts/tool.js';
import { answeredBy } from '../../src/contracts/tool-kinds.js';
import type { Execution } from '../execution.js';
import type { TranscriptCache } from './transcript-cache.js';

const PREVIEW_UNITS = 400;
/** As in `plan-calls.ts`. */
const SHOWN_ARGUMENTS = 512;
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
  /** Id of the request that this settles. */
  readonly settles?: string;
  readonly result: CallToolResult;
}

export class SessionToolRecord implements ToolLedger<CallToolResult> {
  readonly #deps: ToolRecordDeps;
  readonly #input: CallToolInput;
  readonly #execution: Execution;
  readonly #call: ToolCall;
  readonly #planned: boolean | undefined;
  readonly #request: RequestRecord | undefined;
  #state: AgentState | undefined;

  /**
   * `planned`, for an agent that plans: a step of its plan is behind the call, and not its model.
   * `request`: what a person has decided about the call.
   */
  constructor(
    deps: ToolRecordDeps,
    input: CallToolInput,
    execution: Execution,
    call: ToolCall,
    {
      planned,
      request,
    }: { planned?: boolean | undefined; request?: RequestRecord | undefined } = {},
  ) {
    this.#deps = deps;
    this.#input = input;
    this.#execution = execution;
    this.#call = call;
    this.#planned = planned;
    this.#request = request;
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

  /** An approved call that nothing runs: it waits for its answer from now on. */
  async open(call: ToolCall, { name, run, timeoutMs }: Tool): Promise<CallToolResult> {
    const { turn, step, seq, message, index, request } = this.#input;
    const until = timeoutMs > 0 ? Date.now() + timeoutMs : undefined;
    const shown = call.arguments.length <= SHOWN_ARGUMENTS || this.#request?.edited !== undefined;
    await this.#append({
      ...(request === undefined ? {} : { settles: request }),
      events: [
        ...this.#decided(),
        {
          key: eventKeys.callOpens(message, index),
          body: {
            type: 'tool.waiting',
            turn,
            step,
            callId: call.id,
            name,
            key: callKey(message, index),
            ...answeredBy(run),
            // Whoever answers it must know the arguments that were approved.
            ...(shown ? { args: call.arguments } : {}),
            ...(until === undefined ? {} : { until: new Date(until).toISOString() }),
          },
        },
      ],
    });
    const opens = { ...answeredBy(run), ...(until === undefined ? {} : { until }) };
    return { seq, preview: '', bytes: 0, opens };
  }

  /** The entry of the transcript that a result becomes. */
  prepared(
    key: string,
    { content: output, failure, artifact, bytes, ms }: ToolResult,
  ): PreparedResult {
    const content = [...editedNote(this.#request), ...output];
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
      ...(this.#input.request === undefined ? {} : { settles: this.#input.request }),
      events: [
        ...this.#decided(),
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

  #decided(): NewEvent[] {
    const { turn, step, message, index } = this.#input;
    if (!this.#request) return [];
    const { id, state, decidedBy, reason, editedDigest } = this.#request;
    return [
      {
        key: eventKeys.requestDecided(message, index),
        body: {
          type: 'request.decided',
          turn,
          step,
          callId: this.#call.id,
          name: clipText(this.#call.name, MAX_NAME),
          request: id,
          decision: state,
          ...(decidedBy === undefined ? {} : { by: decidedBy }),
          ...(reason === undefined ? {} : { reason }),
          ...(editedDigest === undefined ? {} : { edited: editedDigest }),
        },
      },
    ];
  }

  #planEvents(result: ToolMessage): NewEvent[] {
    if (this.#planned === undefined) return [];
    const { message, index } = this.#input;
    const body = planEvent(this.#input, this.#call, result, this.#planned);
    return body ? [{ key: eventKeys.callPlanned(message, index), body }] : [];
  }

  /** Writes the result, unless its place is taken: then what is there counts. */
  async write({ row, events, toolRun, settles, result }: PreparedResult): Promise<CallToolResult> {
    const { existing } = await this.#append({
      messages: [row],
      toolRun,
      events,
      ...(settles === undefined ? {} : { settles }),
    });
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

/** The model sees what ran, where that is not what it asked for. */
function editedNote(request: RequestRecord | undefined): ContentPart[] {
  if (request?.state !== 'approved' || request.edited === undefined) return [];
  return [
    { type: 'text', text: `[A person has changed the arguments; this ran: ${request.edited}]` },
  ];
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
