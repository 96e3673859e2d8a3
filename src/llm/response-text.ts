/**
 * The door through which a model's words come in: every string of an answer is made well-formed
 * and bounded here, whatever the endpoint sent, so that nothing behind it has to.
 */
import { randomUUID } from 'node:crypto';
import type { ModelResponse } from '../contracts/llm.js';
import { wellFormed, type ToolCall } from '../contracts/message.js';

/**
 * Longest name of a tool or a model, UTF-16 units. Providers allow 64; names stand in Temporal's
 * history, whose payloads are bounded, and a longer one names nothing.
 */
const LONGEST_NAME = 256;

/** The answer with strings that the store, Temporal and the next request accept. */
export function cleanResponse(response: ModelResponse): ModelResponse {
  return {
    ...response,
    text: clean(response.text),
    reasoning: clean(response.reasoning),
    toolCalls: cleanCalls(response.toolCalls),
    model: nameOf(response.model),
  };
}

/**
 * Results are matched to calls by id. Some endpoints give none, or the same one twice, and one
 * that is too long would be refused when it is sent back: those get an id of our own.
 */
function cleanCalls(calls: readonly ToolCall[]): ToolCall[] {
  const seen = new Set<string>();
  return calls.map((call) => {
    const given = clean(call.id);
    const good = given !== '' && given.length <= LONGEST_NAME && !seen.has(given);
    const id = good ? given : `call_${randomUUID().slice(0, 12)}`;
    seen.add(id);
    return { id, name: nameOf(call.name), arguments: clean(call.arguments) };
  });
}

function nameOf(given: string): string {
  return clean(String(given).slice(0, LONGEST_NAME));
}

/** By its type a string already, but it was parsed from what an endpoint sent: ids come as numbers, too. */
function clean(text: string): string {
  return wellFormed(String(text));
}
