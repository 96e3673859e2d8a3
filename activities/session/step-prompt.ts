/** What a step shows to its model: the context, and the request that carries it. */
import type { Agent } from '../../src/contracts/agent.js';
import type { ModelRequest } from '../../src/contracts/llm.js';
import type { TranscriptMessage, Usage, UserMessage } from '../../src/contracts/message.js';
import { shownContext, type RuntimeSessionContext } from '../../src/contracts/runtime-context.js';
import type { ModelContext } from '../../src/context/context-builder.js';
import { ContextManager } from '../../src/context/context-manager.js';
import { estimateUsage } from '../../src/llm/model-call.js';
import type { AttemptFailure } from '../../src/store/transcript-store.js';
import type { ModelTools } from '../../src/tools/model-tools.js';
import type { ActivityDeps } from '../deps.js';
import { loadImages } from './images.js';
import type { Recollections } from './recollections.js';
import type { CachedMessage } from '../../src/context/entries.js';
import type { StepRecord } from './step-record.js';
import type { StepAttempt } from './step-writes.js';

export interface StepPromptDeps extends Pick<ActivityDeps, 'artifacts' | 'provider'> {
  readonly modelTools: ModelTools;
  readonly recollections: Recollections;
}

export class StepPrompt {
  readonly #deps: StepPromptDeps;
  readonly #step: StepAttempt;
  readonly #record: Pick<StepRecord, 'read'>;

  constructor(deps: StepPromptDeps, step: StepAttempt, record: Pick<StepRecord, 'read'>) {
    this.#deps = deps;
    this.#step = step;
    this.#record = record;
  }

  /** `last` is an answer against its schema: the model is shown it, and what was wrong. */
  async context(last?: AttemptFailure): Promise<ModelContext> {
    const { agent, tools, note } = this.#step;
    const transcript = await this.#record.read();
    const memory = await this.#recall(transcript);
    const manager = new ContextManager({
      ...agent,
      // What is remembered takes room in each call too.
      instructions: this.#instructions + (memory?.text ?? ''),
      tools: this.#deps.modelTools.of(tools),
    });
    const built = manager.build(transcript);
    const messages = memory
      ? withMemory(built.messages, memory, this.#begins(transcript))
      : built.messages;
    const noted = note === undefined ? [] : [{ role: 'user', id: 'note', text: note } as const];
    const context = { ...built, messages: [...messages, ...noted] };
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

  /** What the call will cost before a word is said. */
  estimate({ tokens }: ModelContext): Usage {
    const { agent } = this.#step;
    return estimateUsage(this.#deps.provider(agent.provider).client, agent.model, tokens);
  }

  /** The message with which the turn began. */
  #begins(transcript: readonly CachedMessage[]): TranscriptMessage | undefined {
    const { turn } = this.#step.input;
    return transcript.find((entry) => entry.turn === turn && entry.message.role === 'user')
      ?.message;
  }

  #recall(transcript: readonly CachedMessage[]): Promise<UserMessage | undefined> {
    const { agent, runtime, input } = this.#step;
    const { turn } = input;
    const asked = transcript.flatMap(({ turn: of, message }) =>
      of === turn && message.role === 'user' ? [message.text] : [],
    );
    return this.#deps.recollections.of({ agent, runtime, turn, asked });
  }

  get #instructions(): string {
    return instructionsOf(this.#step.agent, this.#step.runtime);
  }

  async request(context: ModelContext): Promise<ModelRequest> {
    const { agent, tools, execution, mustAnswer } = this.#step;
    const images = await loadImages(this.#deps.artifacts, execution.key, context.messages);
    return {
      model: agent.model,
      instructions: this.#instructions,
      messages: context.messages,
      tools: this.#deps.modelTools.of(tools),
      toolChoice: mustAnswer ? 'none' : 'auto',
      temperature: agent.temperature,
      maxTokens: agent.maxTokens,
      ...(agent.responseFormat ? { responseFormat: agent.responseFormat } : {}),
      ...(images ? { images } : {}),
    };
  }
}

/** Those of the agent, with what it shows of the context. */
export function instructionsOf(agent: Agent, runtime: RuntimeSessionContext): string {
  return agent.instructions + shownContext(agent.showContext ?? [], runtime);
}

/** What is remembered, before the message that begins the turn; or first, where that is summarised. */
function withMemory(
  messages: readonly TranscriptMessage[],
  memory: UserMessage,
  begins: TranscriptMessage | undefined,
): readonly TranscriptMessage[] {
  const place = begins === undefined ? -1 : messages.indexOf(begins);
  const at = place >= 0 ? place : messages[0]?.role === 'summary' ? 1 : 0;
  return [...messages.slice(0, at), memory, ...messages.slice(at)];
}
