/**
 * Compaction: the model writes a summary of old turns, which stands for them from then on.
 * The turns stay in the transcript; only what the model sees gets shorter.
 */
import type { CompactInput, CompactResult } from '../../src/contracts/activities.js';
import { NO_USAGE, type TranscriptMessage } from '../../src/contracts/message.js';
import { PerduraError } from '../../src/contracts/failures.js';
import { ContextManager } from '../../src/context/context-manager.js';
import type { CallModelDeps } from './model-step.js';
import { currentExecution, keepAlive } from '../execution.js';
import { toFailure } from '../failures.js';
import { estimateTokens } from '../../src/llm/context-window.js';
import type { CachedMessage } from '../../src/context/entries.js';

/** Of each tool result, the summary's author sees this much, characters. */
const SHOWN_OUTPUT = 600;
/** Longest summary, tokens, and its share of the window. */
const SUMMARY_TOKENS = 1_500;

const INSTRUCTIONS = `Summarise the conversation for the assistant that continues it.
Keep: what the user wants, decisions, facts, names, numbers, file paths, open tasks, and what was tried and failed.
Leave out: greetings, repetition, raw tool output. Write in the language of the conversation, at most 600 words.`;

export async function compact(deps: CallModelDeps, input: CompactInput): Promise<CompactResult> {
  const execution = currentExecution();
  const stop = keepAlive();
  try {
    const { key, transcript, run, attempt } = execution;
    const { turn, step, head } = input;
    const agent = deps.agents.get(input.agent);
    const { client, provider } = deps.provider(agent.provider);
    const { model, contextWindow, maxTokens } = agent;
    const plan = new ContextManager({ model, contextWindow, maxTokens }).compaction(
      await deps.cache.load(key, transcript, run, head),
    );
    if (!plan) return { head, usage: NO_USAGE, compacted: false };
    const { old, limit, covers } = plan;
    const room = Math.max(limit / 4, limit - SUMMARY_TOKENS);
    const messages = shorten(old, room);
    const tokens = messages.reduce((sum, message) => sum + lengthOf(message), 0);
    const writer = execution.writer(input);
    const record = { kind: 'compact', turn, step, attempt, model: agent.model } as const;
    const seq = head + 1;
    const append = (rest: object) =>
      deps.transcripts.append(writer, { channel: execution.channel, ...rest });

    const estimate = { ...NO_USAGE, input: tokens, estimated: true };
    const { existing, failures } = await append({
      attempt: {
        ...record,
        outcome: 'running',
        usage: { ...estimate, costMicros: client.price(agent.model, estimate) },
      },
      probe: { seq, key: `s${input.stage}` },
    });
    if (existing[0]) return { head: seq, usage: existing[0].usage ?? NO_USAGE, compacted: true };
    try {
      const ask = (shown: readonly TranscriptMessage[]) =>
        client.complete(
          {
            model: agent.model,
            instructions: INSTRUCTIONS,
            messages: [
              ...shown,
              {
                role: 'user',
                id: 'compact',
                text: 'Write the summary of the conversation so far.',
              },
            ],
            tools: [],
            toolChoice: 'none',
            temperature: agent.temperature,
            maxTokens: Math.min(agent.maxTokens, SUMMARY_TOKENS),
          },
          { signal: execution.signal, stallTimeoutMs: provider.stallTimeoutMs },
        );
      const response = await ask(messages).catch((error: unknown) => {
        if (!(error instanceof PerduraError) || error.type !== 'Model.ContextOverflow') throw error;
        // Too much even for this: a summary of the newest part is better than no way on.
        return ask(shorten(old, Math.min(room, tokens) / 4));
      });
      const usage = response.usage ?? {
        ...estimate,
        output: estimateTokens(response.text),
      };
      await append({
        messages: [
          {
            seq,
            key: `s${input.stage}`,
            turn,
            step,
            attempt,
            body: { role: 'summary', text: response.text, covers },
            usage,
          },
        ],
        attempt: { ...record, model: response.model, outcome: 'completed', usage },
        events: [
          {
            key: `k${input.stage}`,
            body: { type: 'context.compacted', turn, step, covers, usage },
          },
        ],
        updates: { head: seq },
      });
      return { head: seq, usage, compacted: true };
    } catch (error) {
      if (execution.signal.aborted) {
        // What was asked was read, and is billed.
        const usage = { ...estimate, costMicros: client.price(agent.model, estimate) };
        await append({ attempt: { ...record, outcome: 'interrupted', usage } });
        throw error;
      }
      if (!(error instanceof PerduraError) || !error.type.startsWith('Model.')) throw error;
      const failure = { type: error.type, message: error.message };
      await append({ attempt: { ...record, outcome: 'failed', usage: NO_USAGE, failure } });
      const again = failures + 1 < deps.settings.maxModelAttempts ? undefined : false;
      throw toFailure(error, again);
    }
  } finally {
    stop();
  }
}

/** The old messages with tool output cut short, and of too many only the newest. */
function shorten(old: readonly CachedMessage[], room: number): TranscriptMessage[] {
  const messages = old.map(({ message }): TranscriptMessage => {
    if (message.role === 'tool') {
      const text = message.content
        .map((p) => (p.type === 'text' ? p.text : `[${p.type}]`))
        .join('\n');
      // As text of the user: without its call, which may be cut away, it would be refused.
      return {
        role: 'user',
        id: message.callId,
        text: `[result of ${message.name}] ${text.slice(0, SHOWN_OUTPUT)}`,
      };
    }
    if (message.role !== 'assistant') return message;
    const { toolCalls, ...rest } = message;
    const calls = (toolCalls ?? []).map(
      (call) => `[called ${call.name} ${call.arguments.slice(0, SHOWN_OUTPUT)}]`,
    );
    return { ...rest, text: [rest.text, ...calls].filter((line) => line !== '').join('\n') };
  });
  let left = room;
  const fitting: TranscriptMessage[] = [];
  for (const message of messages.reverse()) {
    const text = 'text' in message ? message.text : '';
    const most = Math.max(0, Math.floor(left * 3));
    left -= estimateTokens(text);
    if (left >= 0) fitting.unshift(message);
    else {
      // The oldest part of what does not fit is lost to the summary, never to the transcript.
      if (most > 200 && message.role !== 'tool') {
        fitting.unshift({ ...message, text: `${text.slice(0, most)} […]` });
      }
      break;
    }
  }
  return fitting;
}

function lengthOf(message: TranscriptMessage): number {
  return 'text' in message ? estimateTokens(message.text) : 0;
}
