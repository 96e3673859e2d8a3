/**
 * An agent of the configuration, as the parts of a loop: a whole turn, one model call, the tools
 * that it asked for, one tool by itself. What comes next in a turn is decided as in a session.
 */
import { uuid4 } from '@temporalio/workflow';
import type {
  CallModelResult,
  CallToolInput,
  CallToolResult,
  PlannedCall,
} from '../../src/contracts/activities.js';
import type { AgentLimits, AgentReference } from '../../src/contracts/agent.js';
import type { DelegationRules } from '../../src/contracts/delegation.js';
import type { FinishReason, InboxMessage, Usage } from '../../src/contracts/message.js';
import { parseInbound } from '../../src/contracts/message.js';
import type { AgentSettings, RunModelResult, RunToolResult } from '../../src/contracts/parts.js';
import type { QueuedFor } from '../../src/contracts/pool.js';
import { headAfterCalls, resultPlace } from '../../src/contracts/places.js';
import { keyOf, type RunReference } from '../../src/contracts/run-reference.js';
import type { GivenContext } from '../../src/contracts/runtime-context.js';
import { waitsForAnswer } from '../../src/contracts/tool-kinds.js';
import { refusal } from '../door.js';
import { failureOf, TurnFailed } from '../session/failure-of.js';
import { settleAll } from '../session/settle-all.js';
import type { SlotDesk } from '../session/slots.js';
import { Turn } from '../session/turn.js';
import { until } from '../session/waiting.js';
import { leavePool, readAgent, runTool, turnCalls, writeResult } from './calls.js';
import { nextPlace, refuse, settled, type UnderWay } from './settle.js';
import type { SubAgents } from './sub-agents.js';
import { Transcript } from './transcript.js';
import { WorkflowToolDesk, type WorkflowTools } from './workflow-tools.js';

/** Text, or `{ text, id?, from? }`. */
export type LoopMessage =
  string | { readonly text: string; readonly id?: string; readonly from?: string };

export interface LoopAgentOptions {
  /** Over the limits of the agent's declaration. */
  readonly limits?: Partial<AgentLimits>;
}

/** What the loop of an agent adds. */
interface LoopAgentParts extends LoopAgentOptions {
  readonly context?: GivenContext | undefined;
}

export interface TurnOptions extends LoopAgentOptions {
  /** What the agent remembers, and what it adds to. Default: a new one. */
  readonly transcript?: Transcript;
  /** Tools that the workflow runs itself, by name. */
  readonly tools?: WorkflowTools;
}

/** The answer of a turn. */
export interface LoopAnswer {
  readonly text: string;
  readonly finish: FinishReason;
  /** Of the whole turn. */
  readonly usage: Usage;
  readonly transcript: Transcript;
}

/** The answer of one model call. */
export interface ModelAnswer extends LoopAnswer {
  /** Tool calls, for `tools`. Local tools have run; their results are in `done`. */
  readonly calls: readonly PlannedCall[];
  /** Place of the answer in the transcript. */
  readonly seq: number;
  /** Set where it gives tasks to sub-agents. */
  readonly rules?: DelegationRules;
}

/** The result of a tool call, as the transcript has it. */
export interface ToolAnswer {
  readonly name: string;
  /** At most 512 characters. The whole is in the transcript. */
  readonly preview: string;
  /** Type of the failure, when the tool did not do what it was asked. */
  readonly failure?: string;
}

/** The tool's own deadline comes first; this is for a worker that is silent, ms. */
const LONGEST_TOOL_MS = 3_600_000;

export class LoopAgent {
  readonly name: string;
  readonly #owner: RunReference;
  readonly #limits: Partial<AgentLimits>;
  readonly #subAgents: SubAgents;
  readonly #context: GivenContext | undefined;
  readonly #slots: SlotDesk;
  #settings: Promise<AgentSettings> | undefined;

  /** See `createAgentLoop`. */
  constructor(
    owner: RunReference,
    name: string,
    desks: { readonly subAgents: SubAgents; readonly slots: SlotDesk },
    { limits = {}, context }: LoopAgentParts = {},
  ) {
    this.#context = context;
    this.#subAgents = desks.subAgents;
    this.#slots = desks.slots;
    this.#owner = owner;
    this.name = name;
    this.#limits = limits;
  }

  /**
   * A whole turn: calls the model and its tools until the model asks for none. Fails with the type
   * of what went wrong (`Turn.StepLimit`, `Model.BadRequest`, …); the transcript then has what was
   * accepted before. Turns over the same transcript wait for each other.
   */
  async run(message: LoopMessage | readonly LoopMessage[], options: TurnOptions = {}) {
    const inbox = inboxOf(message);
    const { transcript = this.#transcript(), limits = {} } = options;
    const settings = await this.#read();
    return transcript.exclusively(async (): Promise<LoopAnswer> => {
      const { state } = transcript;
      this.#follow(transcript, settings);
      state.begin(Date.now());
      const desk = new WorkflowToolDesk(options.tools ?? {});
      const turn = new Turn(
        {
          state,
          settings: { ...settings, limits: { ...settings.limits, ...limits } },
          agent: this.#reference(settings),
          pool: settings.pool,
          calls: {
            callTool: (input) => writeResult(transcript.run, input),
            leavePool: (input) => leavePool({ ...input, run: transcript.run }),
            // Such an agent is offered no handoff: there is no session to hand over.
            handOff: () => Promise.resolve({}),
          },
          activities: turnCalls(transcript.run, () => transcript.opening),
          legacy: false,
          desk,
          paused: () => false,
          look: () => undefined,
          historyFull: () => false,
          onRepeated: () => undefined,
          onStep: () => (transcript.entered = true),
          onTools: () => undefined,
          onHandoff: () => undefined,
          delegate: (calls, rules) =>
            desk.delegate(calls, (call) => this.#subAgents.answer(this.name, call, rules)),
          onLate: () => undefined,
          onWaiting: () => desk.start(state.open?.calls?.waiting ?? []),
        },
        inbox,
      );
      return settled(transcript, turn.position, async () => {
        const outcome = await turn.run();
        // The transcript has no ids to repeat, and the history is the application's own.
        if (outcome.kind !== 'done') throw new Error(`A turn ended as "${outcome.kind}".`);
        return answerOf(transcript, outcome.last);
      });
    });
  }

  /**
   * One model call: with new messages, or with what the transcript has since its last answer (the
   * results of `tools`). A context that does not fit is compacted first.
   */
  async model(
    given: LoopMessage | readonly LoopMessage[] | Transcript,
    { transcript: named }: { transcript?: Transcript } = {},
  ): Promise<ModelAnswer> {
    const more = given instanceof Transcript;
    const transcript = more ? given : (named ?? this.#transcript());
    const inbox = more ? [] : inboxOf(given);
    const settings = await this.#read();
    return transcript.exclusively(async () => {
      this.#follow(transcript, settings);
      transcript.state.begin(Date.now());
      const call: UnderWay = { inbox, cutOff: undefined, openCalls: undefined };
      return settled(transcript, call, async () => {
        const result = await this.#callOnce(transcript, settings, call);
        const { calls = [], seq, outcome, rules } = result;
        return {
          ...answerOf(transcript, result),
          calls: outcome === 'tools' ? calls : [],
          seq,
          ...(rules ? { rules } : {}),
        };
      });
    });
  }

  /** Runs the tools that an answer asks for, all at once; their results go into its transcript. */
  async tools({ transcript, calls, seq, rules }: ModelAnswer): Promise<ToolAnswer[]> {
    const settings = await this.#read();
    return transcript.exclusively(async () => {
      const { state } = transcript;
      if (state.head !== seq) {
        throw refusal('Request.Invalid', 'The transcript has gone on since this answer.');
      }
      const { runTool: run } = turnCalls(transcript.run, () => transcript.opening);
      const agent = this.#reference(settings);
      const { head: _before, ...place } = nextPlace(transcript);
      state.head = headAfterCalls(seq, calls.length);
      const inputOf = (index: number) => {
        const at = { ...place, head: state.head, ...agent, message: seq, index };
        return { ...at, seq: resultPlace(seq, index) };
      };
      const runs = calls.map((call, index) => async (): Promise<ToolAnswer> => {
        const { name, done } = call;
        if (done !== undefined) return { name, preview: done };
        const result = await (waitsForAnswer(call.run)
          ? writeResult(transcript.run, {
              ...inputOf(index),
              ...(await this.#answerOf(call, rules)),
            })
          : run(call, inputOf(index), settings));
        return toolAnswer(name, result);
      });
      const answers: ToolAnswer[] = [];
      // When all are done: this is written at a later stage, which fences the others.
      for (const [index, settled] of (await settleAll(runs, settings.sequential)).entries()) {
        if (settled.status === 'fulfilled') {
          answers.push(settled.value);
          continue;
        }
        const failure = failureOf(settled.reason);
        if (!failure) throw settled.reason;
        const input = { ...inputOf(index), ...nextPlace(transcript), failure };
        answers.push(toolAnswer(calls[index]!.name, await writeResult(transcript.run, input)));
      }
      return answers;
    });
  }

  /** Runs one tool of the agent, which no model has asked for. A tool that fails is a result. */
  async tool(
    name: string,
    args: object = {},
    { timeoutMs = LONGEST_TOOL_MS }: { timeoutMs?: number } = {},
  ): Promise<RunToolResult & { readonly text: string }> {
    const settings = await this.#read();
    const input = { run: this.#owner, ...this.#reference(settings), key: uuid4(), name };
    const context = this.#context ? { context: this.#context } : {};
    const given = { ...input, arguments: JSON.stringify(args), ...context };
    const result = await runTool(given, timeoutMs, settings).catch(refuse);
    const texts = result.content.flatMap((part) => (part.type === 'text' ? [part.text] : []));
    return { ...result, text: texts.join('\n') };
  }

  /** What is written as the result of a call that nothing runs. */
  async #answerOf(
    call: PlannedCall,
    rules: DelegationRules | undefined,
  ): Promise<Pick<CallToolInput, 'given' | 'failure'>> {
    if (call.run !== 'agent') return { failure: NOT_HERE };
    const result = await this.#subAgents.answer(this.name, call, rules);
    if ('output' in result) return { given: result.output };
    return {
      failure: 'failure' in result ? result.failure : { ...NOT_HERE, message: result.error },
    };
  }

  async #callOnce(
    transcript: Transcript,
    settings: AgentSettings,
    call: UnderWay,
  ): Promise<RunModelResult> {
    const { state } = transcript;
    const { callModel, compact } = turnCalls(transcript.run, () => transcript.opening);
    const { maxTurnMs, maxTurnCostUsd } = settings.limits;
    const agent = this.#reference(settings);
    const left = {
      ms: maxTurnMs,
      ...(maxTurnCostUsd === undefined ? {} : { costMicros: maxTurnCostUsd * 1e6 }),
    };
    const summary = `turn ${state.turn} · ${this.name}`;
    if (settings.pool !== undefined) state.open = { ...state.open!, slot: { pool: settings.pool } };
    for (let compacted = false; ;) {
      const input = { ...nextPlace(transcript, 1), ...agent, left };
      call.cutOff = input.stage;
      const taken = call.inbox && call.inbox.length > 0 ? { inbox: call.inbox } : {};
      // What follows a single call is the application's: nobody could say when the turn is over.
      const leaves = settings.pool === undefined ? {} : { leaves: true as const };
      const result = await callModel({ ...input, ...taken, ...leaves }, settings, summary);
      transcript.entered = true;
      state.head = result.head;
      state.spend(result.usage);
      call.inbox = undefined;
      call.cutOff = undefined;
      if (result.outcome === 'queued') {
        await this.#slot(transcript, input.stage, result.queued!);
        continue;
      }
      if (result.outcome !== 'compact') return result;
      const place = nextPlace(transcript, 1);
      call.cutOff = place.stage;
      const done = compacted
        ? undefined
        : await compact({ ...place, ...agent, left }, settings, `${summary} · compaction`);
      call.cutOff = undefined;
      if (done?.queued) {
        await this.#slot(transcript, place.stage, done.queued);
        continue;
      }
      if (!done?.compacted) {
        throw new TurnFailed('Model.ContextOverflow', 'The conversation does not fit the model.');
      }
      compacted = true;
      state.head = done.head;
      state.spend(done.usage);
    }
  }

  #transcript(): Transcript {
    return new Transcript(this.#owner, undefined, this.#context);
  }

  /** Tells the desk whose slots come in, before one is asked for. */
  #follow({ run, state }: Transcript, { pool }: AgentSettings): void {
    if (pool !== undefined) this.#slots.follow(keyOf(run).session, state);
  }

  /** Waits in line until the transcript has a slot. */
  async #slot({ state }: Transcript, stage: number, { pool, ...place }: QueuedFor): Promise<void> {
    const slot = { pool, queued: { ...place, since: Date.now(), stage } };
    state.open = { ...state.open!, slot };
    await until(() => state.granted >= stage);
    state.open = { ...state.open, slot: { pool } };
  }

  /** The agent in the version that was the newest when the workflow first asked for it. */
  #reference({ version }: AgentSettings): AgentReference {
    return { agent: this.name, ...(version === undefined ? {} : { version }) };
  }

  #read(): Promise<AgentSettings> {
    this.#settings ??= readAgent({ run: this.#owner, agent: this.name }).then(
      (read) => ({ ...read, limits: { ...read.limits, ...this.#limits } }),
      refuse,
    );
    return this.#settings;
  }
}

const NOT_HERE = {
  type: 'Tool.Failed',
  message: 'The workflow that called the model does not run this tool.',
} as const;

function toolAnswer(name: string, { preview, failure }: CallToolResult): ToolAnswer {
  return { name, preview, ...(failure === undefined ? {} : { failure }) };
}

function answerOf(transcript: Transcript, result: CallModelResult): LoopAnswer {
  const { text, preview = '', outcome } = result as RunModelResult;
  return {
    text: text ?? preview,
    finish: outcome as FinishReason,
    usage: transcript.state.open!.usage,
    transcript,
  };
}

function inboxOf(given: LoopMessage | readonly LoopMessage[]): InboxMessage[] {
  const messages = isList(given) ? given : [given];
  return messages.map((message) => {
    const parsed = parseInbound(message);
    if (!parsed.ok) throw refusal('Message.Invalid', parsed.reason);
    const { text, id = uuid4(), from } = parsed;
    return { id, text, ...(from === undefined ? {} : { from }) };
  });
}

function isList(given: LoopMessage | readonly LoopMessage[]): given is readonly LoopMessage[] {
  return Array.isArray(given);
}
