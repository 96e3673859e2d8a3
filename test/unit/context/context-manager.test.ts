import { describe, expect, it } from 'vitest';
import { ContextManager } from '../../../src/context/context-manager.js';
import { contextWindowOf } from '../../../src/llm/context-window.js';
import { toCached } from '../../../src/context/entries.js';
import { DEFAULT_LIMITS, type Agent } from '../../../src/contracts/agent.js';
import {
  NO_USAGE,
  type StoredMessage,
  type TranscriptMessage,
} from '../../../src/contracts/message.js';

const user = (text: string): TranscriptMessage => ({ role: 'user', id: text.slice(0, 8), text });
const answer = (text: string): TranscriptMessage => ({
  role: 'assistant',
  id: text.slice(0, 8),
  text,
  finish: 'stop',
  model: 'm',
});
const call = (id: string): TranscriptMessage =>
  ({
    ...answer(''),
    finish: 'tools',
    toolCalls: [{ id, name: 'look', arguments: '{}' }],
  }) as TranscriptMessage;
const result = (callId: string, text: string): TranscriptMessage => ({
  role: 'tool',
  callId,
  name: 'look',
  content: [{ type: 'text', text }],
});
const stored = (...messages: readonly TranscriptMessage[]): StoredMessage[] =>
  messages.map((message, i) => ({
    seq: i + 1,
    turn: 1,
    step: 0,
    attempt: 1,
    message,
    at: '2026-01-01T00:00:00Z',
  }));
const long = (n: number) =>
  Array.from({ length: n }, (_, i) => [
    user(`question ${i} ${'q'.repeat(400)}`),
    answer(`answer ${i} ${'a'.repeat(400)}`),
  ]).flat();
const small = new ContextManager({ model: 'm', contextWindow: 2_000, maxTokens: 500 });

describe('ContextManager', () => {
  it('room → the window less the longest answer, and what every call carries', () => {
    const tools = [{ name: 'look', description: 'Looks.', parameters: { type: 'object' } }];
    const manager = new ContextManager({
      model: 'gpt-4o',
      maxTokens: 4_096,
      instructions: 'x'.repeat(40),
      tools,
    });
    expect(manager.room.limit).toBe(contextWindowOf('gpt-4o') - 4_096);
    expect(manager.room.fixed).toBe(10 + manager.estimate(JSON.stringify(tools)));
  });

  it('a window smaller than the longest answer → still some room', () => {
    const { room } = new ContextManager({ model: 'm', contextWindow: 100, maxTokens: 500 });
    expect(room).toEqual({ limit: 256, fixed: 0 });
  });

  it('an agent → its own window, its instructions', () => {
    const agent: Agent = {
      name: 'a',
      instructions: 'y'.repeat(80),
      provider: 'default',
      model: 'm',
      temperature: null,
      maxTokens: 1_000,
      contextWindow: 9_000,
      tools: ['*'],
      mcp: [],
      unread: 'all',
      limits: DEFAULT_LIMITS,
    };
    expect(new ContextManager({ ...agent, tools: [] }).room).toEqual({ limit: 8_000, fixed: 20 });
  });

  it('messages of the store, entries of a worker → the same context', () => {
    const transcript = stored(user('a'), call('c1'), result('c1', 'x'), answer('b'));
    const context = small.build(transcript);
    expect(context.messages).toEqual(transcript.map(({ message }) => message));
    expect(small.build(transcript.map(toCached))).toEqual(context);
    expect(small.tokens(transcript)).toBe(context.tokens);
    const one = transcript.map(({ message }) => small.estimate(message));
    expect(context.tokens).toBe(one.reduce((a, b) => a + b));
  });

  it('what the provider counted → corrects the next estimate', () => {
    const transcript = stored(user('x'.repeat(400)), answer('b'), user('c'));
    const usage = { ...NO_USAGE, input: 300, sent: 200 };
    const counted = transcript.map((row) => (row.seq === 2 ? { ...row, usage } : row));
    expect(small.tokens(counted)).toBe(Math.ceil(small.tokens(transcript) * 1.5));
  });

  it('a full window → needs compaction; with the summary of its plan → not any more', () => {
    expect(small.needsCompaction(stored(...long(2)))).toBe(false);
    const transcript = stored(...long(20));
    expect(small.needsCompaction(transcript)).toBe(true);
    const plan = small.compaction(transcript)!;
    expect(plan.covers).toEqual({ from: 1, to: plan.old.length });
    const summary: TranscriptMessage = { role: 'summary', text: 'so far', covers: plan.covers };
    const after = [...transcript, { ...transcript[0]!, seq: 41, message: summary }];
    expect(small.needsCompaction(after)).toBe(false);
    expect(small.build(after).messages.slice(0, 2)).toEqual([
      summary,
      transcript[plan.old.length]!.message,
    ]);
  });

  it('nothing old enough → no plan', () => {
    expect(small.compaction([])).toBeUndefined();
    expect(small.compaction(stored(user('only')))).toBeUndefined();
  });
});
