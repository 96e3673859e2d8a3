import { describe, expect, it } from 'vitest';
import type { CallModelResult, PlannedCall } from '../../../src/contracts/activities.js';
import { Details } from '../../../workflows/session/details.js';
import { SessionState } from '../../../workflows/session/session-state.js';

const key = { tenant: 'acme', session: 's-7d61' };
const usage = { input: 12_030, output: 88, cached: 0, reasoning: 0, costMicros: 12_345 };
const result = (more: Partial<CallModelResult> = {}): CallModelResult => ({
  outcome: 'stop',
  head: 2,
  seq: 2,
  usage,
  ...more,
});
const calls = (...names: string[]) => names.map((name) => ({ name })) as PlannedCall[];

describe('current details', () => {
  it('details: a turn under way → whose session it is, where it stands, what the last steps did', () => {
    const details = new Details(key, 'Cranes');
    const state = new SessionState();
    for (const id of ['a', 'b']) state.accept({ id, text: id });
    state.begin(0);
    state.take('one');
    state.open = { ...state.open!, step: 2 };
    state.spend(usage);
    details.step(
      1,
      1,
      result({ outcome: 'tools', calls: calls('add', 'files__read_text_file', 'add') }),
    );
    details.step(1, 2, result({ preview: 'Crane 2 is in\nthe third file.' }));
    expect(details.page(state)).toBe(
      [
        '**assistant** · Cranes',
        '',
        'session `s-7d61` · tenant `acme`',
        '',
        'running · in turn 1, step 2 · 1 message waiting · 12,030 → 88 tokens · 0.0123 USD',
        '',
        'Latest steps:',
        '',
        '- turn 1 · step 1 · 12,030 → 88 tokens · 0.0123 USD · 3 tool calls: `add` ×2, `files__read_text_file`',
        '- turn 1 · step 2 · 12,030 → 88 tokens · 0.0123 USD · answered “Crane 2 is in the third file.”',
      ].join('\n'),
    );
  });

  it('details: a session that failed and goes on in its second run → the failure, the run; no cost where none is known', () => {
    const first = new SessionState();
    first.begin(0);
    first.finish({ type: 'Model.NotFound', message: 'There is no model gpt-6.' });
    const page = new Details(key, 'assistant').page(new SessionState(first.carry()));
    expect(page).toContain(
      'tenant `acme` · run 2\n\nerror · 1 turn · 0 messages waiting · 0 → 0 tokens\n',
    );
    expect(page).toContain('Last failure: `Model.NotFound` There is no model gpt-6.');
  });

  it('S15 details: Markdown and HTML from a model, a tool and a sender → shown as text, on one line, cut', () => {
    const details = new Details(key, '<img src=x>');
    const state = new SessionState(undefined, { agent: '**x**' });
    details.step(1, 1, result({ preview: '# Big\n\n[click](http://evil) <script>' }));
    details.step(1, 2, result({ outcome: 'tools', calls: calls('a`b') }));
    details.notice(`A message was refused: ${'_y_ '.repeat(500)}`);
    const page = details.page(state);
    expect(page).toContain('\\*\\*x\\*\\*** · \\<img src=x\\>');
    expect(page).toContain('“\\# Big \\[click\\](http://evil) \\<script\\>”');
    expect(page).toContain("`a'b`");
    expect(page.length).toBeLessThan(1_500);
  });

  it('details: many steps → the newest eight', () => {
    const details = new Details(key, 'assistant');
    for (let step = 1; step <= 20; step++) details.step(1, step, result());
    const page = details.page(new SessionState());
    expect(page.match(/step \d+/g)).toHaveLength(8);
    expect(page).toContain('step 20');
  });
});
