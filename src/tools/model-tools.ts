/** Tools as the model sees them, made once per set of tools and not once per call. */
import type { ModelTool } from '../contracts/llm.js';
import type { Tool } from '../contracts/tool.js';

export class ModelTools {
  readonly #shown = new WeakMap<ReadonlyMap<string, Tool>, readonly ModelTool[]>();

  /** The same list for the same set: whoever counts it counts it once. */
  of(tools: ReadonlyMap<string, Tool>): readonly ModelTool[] {
    const known = this.#shown.get(tools);
    if (known) return known;
    const list = [...tools.values()].map(({ name, description, parameters }) => ({
      name,
      description,
      parameters,
    }));
    this.#shown.set(tools, list);
    return list;
  }
}
