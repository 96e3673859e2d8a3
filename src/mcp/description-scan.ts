/**
 * Looks for poison in what a server says of a tool: text that is meant for the model and
 * hidden from people, or that gives it orders. It finds the crude forms; the pins hold what
 * somebody has reviewed.
 */
import { canonicalJson } from '../contracts/canonical-json.js';
import type { McpToolInfo } from './mcp-connection.js';

/** Not the joiners U+200C and U+200D: emoji and several scripts need them. */
const HIDDEN =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]|[\u{e0000}-\u{e007f}]/u;
const ORDERS: readonly (readonly [RegExp, string])[] = [
  [
    /\b(?:ignore|disregard|forget)\s+(?:\w+\s+){0,3}(?:previous|prior|above|earlier|other)\s+(?:\w+\s+){0,2}(?:instructions?|prompts?|rules?|tools?)\b/i,
    'tells the model to ignore its instructions',
  ],
  [
    /\b(?:do\s+not|don['’]t|never|without)\s+(?:ever\s+)?(?:tell|telling|mention|mentioning|inform|informing|reveal|revealing|notify|notifying)\b[^.]{0,40}\b(?:user|human|anyone)\b/i,
    'tells the model to hide something from the user',
  ],
  [/<\s*\/?\s*(?:important|system|secret|instructions?|admin)\s*>/i, 'poses as a system prompt'],
];

/** Why a person should look at the tool before a model does; undefined when nothing stands out. */
export function suspicionOf(tool: McpToolInfo): string | undefined {
  const texts = [
    tool.name,
    tool.title ?? '',
    tool.description ?? '',
    ...stringsOf(tool.inputSchema),
  ];
  for (const text of texts) {
    if (HIDDEN.test(text)) return 'its description has characters that people cannot see';
    const order = ORDERS.find(([pattern]) => pattern.test(text));
    if (order) return `its description ${order[1]}`;
  }
  // Seen as one text as well: an order may be spread over the descriptions of two parameters.
  const whole = canonicalJson([tool.description, stringsOf(tool.inputSchema).join(' ')]);
  const order = ORDERS.find(([pattern]) => pattern.test(whole));
  return order ? `its description ${order[1]}` : undefined;
}

function stringsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => [key, ...stringsOf(member)]);
}
