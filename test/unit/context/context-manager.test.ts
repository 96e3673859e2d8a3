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

describe('ContextManager: pins, trimming, summaries', () => {
  it('pin: a message that a summary covers → stays, in its place behind the summary', () => {
    const summary: TranscriptMessage = { role: 'summary', text: 'S', covers: { from: 1, to: 3 } };
    const transcript = stored(user('rule'), answer('yes'), user('other'), user('now'), summary);
    const texts = (of: ReturnType<typeof small.pin>) =>
      small.build(of).messages.map((message) => ('text' in message ? message.text : ''));
    expect(texts(transcript)).toEqual(['S', 'now']);
    expect(texts(small.pin(transcript, 1))).toEqual(['S', 'rule', 'now']);
    expect(texts(small.pin(small.pin(transcript, 1), 1, false))).toEqual(['S', 'now']);
    expect(texts(small.pin(transcript, 99))).toEqual(['S', 'now']);
  });

  it('pin: a result → its call too, both whole where others are trimmed', () => {
    const output = 'o'.repeat(1_200);
    const calls = Array.from({ length: 10 }, (_, i) => [
      call(`c${i}`),
      result(`c${i}`, output),
    ]).flat();
    const transcript = stored(user('q'), ...calls, ...long(4));
    const pinned = small.pin(transcript, 3);
    const shown = small.view(pinned).entries;
    expect(shown.filter((entry) => entry.pinned).map(({ seq }) => seq)).toEqual([2, 3]);
    expect(shown.find(({ seq }) => seq === 3)!.shown).toBe('whole');
    expect(shown.find(({ seq }) => seq === 5)!.shown).toBe('trimmed');
  });

  it('compaction: what is pinned → summarised with the rest, but no reason for a summary by itself', () => {
    const transcript = stored(...long(6));
    const all = transcript.map((entry) => ({ ...entry, pinned: true as const }));
    expect(small.compaction(transcript)).toBeDefined();
    expect(small.compaction(all)).toBeUndefined();
  });

  it('trim: to fewer tokens → old output left out; the transcript itself is not changed', () => {
    const transcript = stored(
      user('q'),
      ...Array.from({ length: 12 }, (_, i) => [
        call(`c${i}`),
        result(`c${i}`, 'o'.repeat(2_000)),
      ]).flat(),
      answer('done'),
    );
    const before = JSON.stringify(transcript);
    const roomy = new ContextManager({ model: 'm', contextWindow: 200_000, maxTokens: 500 });
    const leftOut = (messages: readonly TranscriptMessage[]) =>
      messages.filter((message) => JSON.stringify(message).includes('left out')).length;
    expect(leftOut(roomy.trim(transcript))).toBe(0);
    expect(leftOut(roomy.trim(transcript, 3_000))).toBeGreaterThan(0);
    expect(JSON.stringify(transcript)).toBe(before);
  });

  it('compact: a summary that the caller writes → stands for the older part; an empty one is refused', async () => {
    const transcript = stored(...long(6));
    const compacted = await small.compact(transcript, (old) =>
      Promise.resolve(`Of ${old.length} messages.`),
    );
    const { messages, overflow } = small.build(compacted);
    expect(messages[0]).toMatchObject({ role: 'summary', text: expect.stringMatching(/^Of \d+/) });
    expect(messages.length).toBeLessThan(transcript.length);
    expect(overflow).toBe(false);
    expect(small.view(compacted).entries.some(({ shown }) => shown === 'summarised')).toBe(true);
    await expect(small.compact(transcript, () => Promise.resolve(' '))).rejects.toThrow(TypeError);
    expect(await small.compact(stored(user('hi')), () => Promise.reject(new Error()))).toHaveLength(
      1,
    );
  });

  it('load and save → what is pinned, and only what has changed is written', async () => {
    const kept = new Set([4]);
    const written: string[] = [];
    const messages = stored(user('a'), answer('b'), user('c'), answer('d'));
    const store = {
      transcript: () =>
        Promise.resolve(
          messages.map((entry) =>
            kept.has(entry.seq) ? { ...entry, pinned: true as const } : entry,
          ),
        ),
      pin: (seq: number) => Promise.resolve(void (written.push(`pin ${seq}`), kept.add(seq))),
      unpin: (seq: number) =>
        Promise.resolve(void (written.push(`unpin ${seq}`), kept.delete(seq))),
    };
    const transcript = await small.load(store);
    await small.save(store, transcript);
    expect(written).toEqual([]);
    await small.save(store, small.pin(small.pin(transcript, 1), 4, false));
    expect(written).toEqual(['unpin 4', 'pin 1']);
  });
});
