/**
 * Encrypted reasoning of OpenAI's Responses: kept as it came, and sent back before what it led to.
 * Pure; when it is asked for and who refuses it is in `openai-client.ts`.
 */
import type OpenAI from 'openai';
import type { AssistantMessage, ReasoningItem, ReasoningItems } from '../contracts/message.js';

type OutputItem = OpenAI.Responses.ResponseOutputItem;
type InputItem = OpenAI.Responses.ResponseInputItem;

/** Of one answer, bytes: more is not kept, since every later request would carry it. */
const MOST_BYTES = 256 * 1024;

/** The reasoning items of one answer, as they come in. */
export class ReasoningCollector {
  readonly #origin: string;
  /** What lies at each index of the output: a reasoning item, or what it may belong to. */
  readonly #output = new Map<number, OutputItem>();

  /** @param origin see {@link ReasoningItems.origin} */
  constructor(origin: string) {
    this.#origin = origin;
  }

  add(index: number, item: OutputItem): void {
    this.#output.set(index, item);
  }

  collected(): { reasoningItems?: ReasoningItems } {
    const items: ReasoningItem[] = [];
    let waiting: OutputItem[] = [];
    let calls = 0;
    for (const [, item] of [...this.#output].sort(([a], [b]) => a - b)) {
      if (item.type === 'reasoning') {
        // Without its content it could only be found at the provider, which keeps nothing.
        if (item.encrypted_content) waiting.push(item);
      } else if (item.type === 'message' || item.type === 'function_call') {
        const before = item.type === 'message' ? 'text' : calls++;
        for (const reasoning of waiting) items.push({ before, item: { ...reasoning } });
        waiting = [];
      }
    }
    // What led to nothing would be refused, so `waiting` is dropped.
    if (items.length === 0 || Buffer.byteLength(JSON.stringify(items)) > MOST_BYTES) return {};
    return { reasoningItems: { origin: this.#origin, items } };
  }
}

/** The items to send back before the text of an answer, or before one of its calls. */
export function reasoningBefore(
  { reasoningItems }: AssistantMessage,
  place: 'text' | number,
  origin: string | undefined,
): InputItem[] {
  if (!reasoningItems || reasoningItems.origin !== origin) return [];
  return reasoningItems.items
    .filter(({ before }) => before === place)
    .map(({ item }) => item as unknown as InputItem);
}
