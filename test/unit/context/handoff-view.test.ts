/** What an agent that took over sees: pure, over every filter and over what comes later. */
import { describe, expect, it } from 'vitest';
import { ContextManager } from '../../../src/context/context-manager.js';
import { toCached } from '../../../src/context/entries.js';
import { handedOver } from '../../../src/context/handoff-view.js';
import type { HandoffFilter } from '../../../src/contracts/agent.js';
import type { TranscriptMessage } from '../../../src/contracts/message.js';

const user = (text: string): TranscriptMessage => ({ role: 'user', id: text, text });
const says = (text: string, ...calls: string[]): TranscriptMessage => ({
  role: 'assistant',
  id: `a-${text}`,
  text,
  finish: calls.length > 0 ? 'tools' : 'stop',
  model: 'm',
  ...(calls.length > 0
    ? { toolCalls: calls.map((id) => ({ id, name: id, arguments: '{}' })) }
    : {}),
});
const result = (callId: string, filter?: HandoffFilter): TranscriptMessage => ({
  role: 'tool',
  callId,
  name: callId,
  content: [{ type: 'text', text: `${callId} done` }],
  ...(filter === undefined
    ? {}
    : { handoff: { from: { agent: 'a' }, to: { agent: 'b' }, filter } }),
});

/** One list in one turn each. */
function entries(...turns: TranscriptMessage[][]) {
  let seq = 0;
  return turns.flatMap((messages, index) =>
    messages.map((message) =>
      toCached({ seq: ++seq, turn: index + 1, step: 1, attempt: 1, message, at: '' }),
    ),
  );
}
const conversation = (filter: HandoffFilter) =>
  entries(
    [user('one'), says('', 'look'), result('look'), says('first')],
    [user('two'), says('hm', 'look2', 'transfer'), result('look2'), result('transfer', filter)],
  );
const shown = (list: ReturnType<typeof entries>) =>
  handedOver(list).map(({ message }) =>
    message.role === 'tool'
      ? `${message.callId} done`
      : `${message.text}${message.role === 'assistant' ? (message.toolCalls ?? []).map(({ id }) => `→${id}`).join('') : ''}`,
  );

describe('handoff view', () => {
  it('no handoff → the very list', () => {
    const list = entries([user('one'), says('first')]);
    expect(handedOver(list)).toBe(list);
  });

  it.each(['all', 'summary'] as const)('%s → the very list', (filter) => {
    const list = conversation(filter);
    expect(handedOver(list)).toBe(list);
  });

  it('no-tools → texts, and of the calls only the one that handed over', () => {
    expect(shown(conversation('no-tools'))).toEqual([
      'one',
      'first',
      'two',
      'hm→transfer',
      'transfer done',
    ]);
  });

  it('turns → the last so many, the one under way among them, and no summary of earlier ones', () => {
    expect(shown(conversation({ turns: 1 }))).toEqual([
      'two',
      'hm→look2→transfer',
      'look2 done',
      'transfer done',
    ]);
    const summary: TranscriptMessage = {
      role: 'summary',
      text: 'told before',
      covers: { from: 1, to: 1 },
    };
    const [first, ...rest] = conversation({ turns: 2 });
    const list = [{ ...first!, message: summary }, ...rest];
    expect(handedOver(list).map(({ message }) => message.role)).not.toContain('summary');
  });

  it('what comes later → behind it, whole; the list grows and is not made again', () => {
    const before = conversation({ turns: 1 });
    expect(shown(before)).toHaveLength(4);
    const [later] = entries([user('three')]);
    const more = [...before, { ...later!, seq: 9, turn: 3 }];
    expect(shown(more).at(-1)).toBe('three');
    expect(handedOver(more)[0]).toBe(handedOver(before)[0]);
  });

  it('a later handoff → its filter alone counts', () => {
    const before = conversation({ turns: 1 });
    const [call, answer] = entries([says('', 'back'), result('back', 'all')]);
    const more = [...before, { ...call!, seq: 9 }, { ...answer!, seq: 10 }];
    expect(handedOver(more)).toBe(more);
  });

  it('a summary for a handoff → all earlier turns, nothing of the one under way, nothing twice', () => {
    const manager = new ContextManager({ model: 'gpt-4o', maxTokens: 100 });
    const list = conversation('summary');
    expect(manager.compaction(list, { before: 2 })?.covers).toEqual({ from: 1, to: 4 });
    expect(manager.compaction(list, { before: 1 })).toBeUndefined();
  });

  it('a compaction after it → summarises what the agent sees, not what it was not given', () => {
    const manager = new ContextManager({ model: 'gpt-4o', maxTokens: 100 });
    const more = [
      ...conversation({ turns: 1 }),
      ...entries([user('x'.repeat(4_000)), says('y'.repeat(4_000))]).map((entry, i) => ({
        ...entry,
        seq: 20 + i,
        turn: 3,
      })),
    ];
    const plan = manager.compaction(more)!;
    expect(JSON.stringify(plan.old)).not.toContain('first');
    expect(plan.covers.from).toBe(5);
  });
});
