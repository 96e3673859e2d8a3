/** What a step shows to its model: the context, and the request that carries it. */
import type { ModelRequest } from '../../src/contracts/llm.js';
import type { Usage } from '../../src/contracts/message.js';
import type { ModelContext } from '../../src/context/context-builder.js';
import { ContextManager } from '../../src/context/context-manager.js';
import { estimateUsage } from '../../src/llm/model-call.js';
import type { AttemptFailure } from '../../src/store/transcript-store.js';
import type { ModelTools } from '../../src/tools/model-tools.js';
import type { ActivityDeps } from '../deps.js';
import { loadImages } from './images.js';
import type { StepRecord } from './step-record.js';
import type { StepAttempt } from './step-writes.js';

export interface StepPromptDeps extends Pick<ActivityDeps, 'artifacts' | 'provider'> {
  readonly modelTools: ModelTools;
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
    const manager = new ContextManager({ ...agent, tools: this.#deps.modelTools.of(tools) });
    const built = manager.build(await this.#record.read());
    const context =
      note === undefined
        ? built
        : {
            ...built,
            messages: [...built.messages, { role: 'user', id: 'note', text: note } as const],
          };
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

  async request(context: ModelContext): Promise<ModelRequest> {
    const { agent, tools, execution, mustAnswer } = this.#step;
    const images = await loadImages(this.#deps.artifacts, execution.key, context.messages);
    return {
      model: agent.model,
      instructions: agent.instructions,
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
