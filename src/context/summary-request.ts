/**
 * The request for a summary of old messages, and whether what came back is one. Pure: no model is
 * called here, and nothing is written.
 */
import type { Agent } from '../contracts/agent.js';
import type { ModelRequest, ModelResponse } from '../contracts/llm.js';
import type { TranscriptMessage } from '../contracts/message.js';
import { isOpenAIReasoningModel } from '../contracts/model-traits.js';
import { estimateTokens } from '../llm/context-window.js';
import type { CompactionPlan } from './context-manager.js';
import type { CachedMessage } from './entries.js';

/** Of each tool result, the summary's author sees this much, characters. */
const SHOWN_OUTPUT = 600;
/** Longest summary, tokens. */
const SUMMARY_TOKENS = 1_500;
/** Longest summary that is asked for, words; well below the tokens that it may have. */
const SUMMARY_WORDS = 600;

const instructions = (
  words: number,
) => `Summarise the conversation for the assistant that continues it.
Keep: what the user wants, decisions, facts, names, numbers, file paths, open tasks, and what was tried and failed.
Leave out: greetings, repetition, raw tool output. Write in the language of the conversation, at most ${words} words.`;

export interface SummaryOptions {
  /** From 1. Each further attempt asks for half as many words, and may answer at full length. */
  readonly attempt: number;
  /** Most tokens of the conversation to show. Default: as many as fit. */
  readonly shown?: number;
}

/** Asks the agent's model for a summary of `plan.old`. */
export function summaryRequest(
  agent: Pick<Agent, 'model' | 'maxTokens' | 'temperature'>,
  { old, limit }: CompactionPlan,
  { attempt, shown }: SummaryOptions,
): ModelRequest {
  const { model, maxTokens, temperature } = agent;
  const room = Math.max(limit / 4, limit - SUMMARY_TOKENS);
  // Thinking counts as output, so a model that thinks gets all that the agent allows.
  const most = attempt > 1 || isOpenAIReasoningModel(model) ? maxTokens : SUMMARY_TOKENS;
  const words = Math.min(SUMMARY_WORDS, maxTokens * 0.4) / 2 ** (attempt - 1);
  return {
    model,
    instructions: instructions(Math.max(20, Math.floor(words))),
    messages: [
      ...shorten(old, Math.min(room, shown ?? room)),
      { role: 'user', id: 'compact', text: 'Write the summary of the conversation so far.' },
    ],
    tools: [],
    toolChoice: 'none',
    temperature,
    maxTokens: Math.min(maxTokens, most),
  };
}

/** Estimated tokens of a request. */
export function conversationTokens({ instructions: system, messages }: ModelRequest): number {
  return messages.reduce((sum, message) => sum + lengthOf(message), estimateTokens(system));
}

/** Why an answer cannot stand for the messages that it covers; `undefined` when it can. */
export function summaryProblem({ text, finish }: ModelResponse): string | undefined {
  if (finish === 'filtered') return 'The model refused to summarise the conversation.';
  if (finish === 'length') return 'The summary of the conversation was cut off at its longest.';
  if (text.trim() === '') return 'The summary of the conversation was empty.';
  return undefined;
}

/** The old messages with tool output cut short, and of too many only the newest. */
function shorten(old: readonly CachedMessage[], room: number): TranscriptMessage[] {
  let left = room;
  const fitting: TranscriptMessage[] = [];
  for (const { message } of old.toReversed()) {
    const shown = asText(message);
    const most = Math.max(0, Math.floor(left * 3));
    left -= lengthOf(shown);
    if (left >= 0) {
      fitting.unshift(shown);
      continue;
    }
    // The oldest part of what does not fit is lost to the summary, never to the transcript.
    if (most > 200) fitting.unshift({ ...shown, text: `${shown.text.slice(0, most)} […]` });
    break;
  }
  return fitting;
}

/** Without tool calls: a call whose result is cut away would be refused, and so the other way round. */
function asText(message: TranscriptMessage): Exclude<TranscriptMessage, { role: 'tool' }> {
  if (message.role === 'tool') {
    const text = message.content
      .map((p) => (p.type === 'text' ? p.text : `[${p.type}]`))
      .join('\n');
    const shown = `[result of ${message.name}] ${text.slice(0, SHOWN_OUTPUT)}`;
    return { role: 'user', id: message.callId, text: shown };
  }
  if (message.role !== 'assistant') return message;
  const { toolCalls, reasoningItems: _reasoning, ...rest } = message;
  const calls = (toolCalls ?? []).map(
    (call) => `[called ${call.name} ${call.arguments.slice(0, SHOWN_OUTPUT)}]`,
  );
  return { ...rest, text: [rest.text, ...calls].filter((line) => line !== '').join('\n') };
}

function lengthOf(message: TranscriptMessage): number {
  return 'text' in message ? estimateTokens(message.text) : 0;
}
