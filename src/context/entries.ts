/** What contexts are built of: messages of a transcript with their estimated tokens. Pure. */
import type { StoredMessage, TranscriptMessage } from '../contracts/message.js';
import { estimateTokens } from '../llm/context-window.js';

/** A message of a transcript, as contexts are built of it. */
export interface CachedMessage {
  readonly seq: number;
  readonly turn: number;
  readonly message: TranscriptMessage;
  /** Estimated tokens. */
  readonly tokens: number;
  /** What the provider counted as input of this answer, over what we had estimated. */
  readonly ratio?: number;
  /** Stays in what the model sees, whole. */
  readonly pinned?: true;
}

/** A message of the store, with what contexts need to know of it. */
export function toCached({ seq, turn, message, usage, pinned }: StoredMessage): CachedMessage {
  return {
    seq,
    turn,
    message,
    tokens: tokensOf(message),
    ...(pinned ? { pinned } : {}),
    ...(usage?.sent && !usage.estimated && usage.input > 0
      ? { ratio: usage.input / usage.sent }
      : {}),
  };
}

/** Estimated tokens of a message: its text, and what the wire format adds around it. */
export function tokensOf(message: TranscriptMessage): number {
  const overhead = 4;
  switch (message.role) {
    case 'assistant':
      return (
        overhead +
        estimateTokens(message.text) +
        (message.toolCalls ?? []).reduce(
          (sum, call) => sum + 8 + estimateTokens(call.name + call.arguments),
          0,
        )
      );
    case 'tool':
      return (
        overhead +
        message.content.reduce(
          (sum, part) => sum + (part.type === 'text' ? estimateTokens(part.text) : 800),
          0,
        )
      );
    default:
      return overhead + estimateTokens(message.text);
  }
}
