/**
 * The tools that the application declared, by name. Tools of MCP servers are not in here:
 * they come and go with their servers (`src/mcp`); {@link combineTools} joins both.
 */
import { PerduraError } from '../contracts/failures.js';
import type { Tool, ToolLogger } from '../contracts/tool.js';

export interface ToolRegistryChange {
  readonly change: 'registered' | 'removed';
  readonly tool: Tool;
}

export class ToolRegistry {
  readonly #tools = new Map<string, Tool>();
  readonly #listeners = new Set<(change: ToolRegistryChange) => void>();

  constructor(tools: Iterable<Tool> = []) {
    for (const tool of tools) this.register(tool);
  }

  /** Throws `Config.Invalid` when the name is taken: a tool never takes another's place unseen. */
  register(tool: Tool): this {
    if (this.#tools.has(tool.name)) {
      throw new PerduraError(
        'Config.Invalid',
        `There is already a tool named "${tool.name}": rename one, or remove("${tool.name}") first.`,
      );
    }
    this.#tools.set(tool.name, tool);
    this.#tell({ change: 'registered', tool });
    return this;
  }

  /** Whether there was such a tool. Calls that already run are not touched. */
  remove(name: string): boolean {
    const tool = this.#tools.get(name);
    if (!tool) return false;
    this.#tools.delete(name);
    this.#tell({ change: 'removed', tool });
    return true;
  }

  get(name: string): Tool | undefined {
    return this.#tools.get(name);
  }

  /** In the order of registration, which is the order that models see: stable for prompt caches. */
  list(): readonly Tool[] {
    return [...this.#tools.values()];
  }

  /** The tools of these names, `*` for all, without duplicates; see {@link missing} for the rest. */
  select(names: readonly string[]): readonly Tool[] {
    if (names.includes('*')) return this.list();
    return this.list().filter((tool) => names.includes(tool.name));
  }

  /** The names that no tool has. */
  missing(names: readonly string[]): readonly string[] {
    return names.filter((name) => name !== '*' && !this.#tools.has(name));
  }

  /**
   * Tools whose name or description has words of `query`, best first, at most `limit`. All
   * tools for an empty query.
   */
  discover(query: string, limit = 10): readonly Tool[] {
    const words = wordsOf(query);
    if (words.length === 0) return this.list().slice(0, limit);
    return this.list()
      .map((tool) => ({ tool, score: score(tool, words) }))
      .filter(({ score }) => score > 0)
      .sort((a, b) => b.score - a.score)
      .slice(0, limit)
      .map(({ tool }) => tool);
  }

  /** Calls `listener` after each change; returns what ends that. */
  onChange(listener: (change: ToolRegistryChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(change: ToolRegistryChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

/**
 * One list of tools for a model. Where two have the same name the first is kept and the
 * other left out with a warning: a server cannot put its tool in the place of the
 * application's.
 */
export function combineTools(
  lists: readonly (readonly Tool[])[],
  log?: Pick<ToolLogger, 'warn'>,
): readonly Tool[] {
  const byName = new Map<string, Tool>();
  for (const tool of lists.flat()) {
    if (byName.has(tool.name)) {
      log?.warn({ tool: tool.name, source: tool.source }, 'a tool with a taken name is left out');
    } else {
      byName.set(tool.name, tool);
    }
  }
  return [...byName.values()];
}

function wordsOf(text: string): string[] {
  return text
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '');
}

/** A word of the name counts more than one of the description, a whole one more than a part. */
function score(tool: Tool, words: readonly string[]): number {
  const name = wordsOf(tool.name);
  const description = wordsOf(tool.description);
  let sum = 0;
  for (const word of words) {
    if (name.includes(word)) sum += 8;
    else if (name.some((own) => own.includes(word))) sum += 4;
    if (description.includes(word)) sum += 2;
    else if (description.some((own) => own.startsWith(word))) sum += 1;
  }
  return sum;
}
