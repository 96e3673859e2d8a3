/** The demo of a team must not say "lost 0" by habit. */
import { describe, expect, it } from 'vitest';
import { count } from '../../../examples/demo-team/count.js';
import type { Facts, SessionFacts } from '../../../examples/demo-team/gather.js';

const CALLS = ['lead', 'checker', 'writer', 'reviewer'];

/** A run in which everything went well, as far as it is counted. */
function facts(
  change: { transcript?: string[]; mailbox?: string[]; report?: undefined } = {},
): Facts {
  const sessions = CALLS.map((name, i) => ({
    record: { session: name, agent: name },
    depth: 0,
    timeline: {
      turns: [{ outcome: 'completed', steps: [{ tools: i === 2 ? [saved] : [] }] }],
    },
    transcript: (i === 0 ? (change.transcript ?? ['mail.m1']) : ['mail.m1']).map((id) => ({
      message: { role: 'user', id },
    })),
  })) as unknown as SessionFacts[];
  return {
    question: '?',
    group: 'g',
    sessions,
    plans: [],
    said: ['you', ...CALLS].map((from) => ({ at: '', from, to: 'g', how: 'said', text: '' })),
    mail: [
      {
        id: 'm1',
        deliveries: [
          ...CALLS.map((receiver) => ({ receiver, state: 'read' as const })),
          { receiver: 'you', state: 'delivered' },
        ],
      },
    ],
    mailbox: change.mailbox ?? ['m1'],
    kill: undefined,
    effects: [{ n: 1, key: 'k', attempt: 1, effect: true, pid: 1 }],
    report: 'report' in change ? change.report : { path: 'report.md', text: '' },
  };
}
const saved = { callId: 'c', name: 'save_report', result: { bytes: 1 } };

describe('count of the demo', () => {
  it('all is well → nothing lost, nothing doubled, nothing wrong', () => {
    expect(count(facts())).toMatchObject({ lost: 0, doubled: 0, wrong: [] });
  });

  it.each([
    ['a message that is in no transcript', facts({ transcript: [] }), { lost: 1, doubled: 0 }],
    [
      'in a transcript twice',
      facts({ transcript: ['mail.m1', 'mail.m1'] }),
      { lost: 0, doubled: 1 },
    ],
    ['not in the mailbox', facts({ mailbox: [] }), { lost: 1, doubled: 0 }],
    ['a call without an effect', { ...facts(), effects: [] }, { lost: 1, doubled: 0 }],
    [
      'an effect twice under one key',
      { ...facts(), effects: [...facts().effects, ...facts().effects] },
      { lost: 0, doubled: 1 },
    ],
    [
      'an effect of no call',
      { ...facts(), effects: [...facts().effects, { ...facts().effects[0]!, key: 'other' }] },
      { lost: 0, doubled: 1 },
    ],
  ])('%s → counted', (_, given, expected) => {
    const counted = count(given);
    expect(counted).toMatchObject(expected);
    expect(counted.wrong).not.toEqual([]);
  });

  it('no report, a member that did not speak → wrong', () => {
    expect(count(facts({ report: undefined })).wrong).toEqual(['There is no report.']);
    expect(count({ ...facts(), said: facts().said.slice(0, 4) }).wrong[0]).toContain(
      'did not speak',
    );
  });
});
