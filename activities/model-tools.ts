/** Tools as the model sees them, made once per set of tools and not once per call. */
import type { ModelTool } from '../src/contracts/llm.js';
import type { Tool } from '../src/contracts/tool.js';
import { estimateTokens } from './llm/context-window.js';

interface Shown {
  readonly tools: readonly ModelTool[];
  readonly tokens: number;
}

export class ModelTools {
  readonly #shown = new WeakMap<ReadonlyMap<string, Tool>, Shown>();

  of(tools: ReadonlyMap<string, Tool>): readonly ModelTool[] {
    return this.#show(tools).tools;
  }

  /** Estimated tokens of the descriptions and schemas. */
  tokens(tools: ReadonlyMap<string, Tool>): number {
    return this.#show(tools).tokens;
  }

  #show(tools: ReadonlyMap<string, Tool>): Shown {
    let shown = this.#shown.get(tools);
    if (!shown) {
      const list = [...tools.values()].map(({ name, description, parameters }) => ({
        name,
        description,
        parameters,
      }));
      shown = { tools: list, tokens: list.length === 0 ? 0 : estimateTokens(JSON.stringify(list)) };
      this.#shown.set(tools, shown);
    }
    return shown;
  }
}
