import { describe, expect, it } from 'vitest';
import { capabilitiesText } from '../../../src/cli/render/capabilities.js';
import { checksText } from '../../../src/cli/render/checks.js';
import { devSummary, workerLine } from '../../../src/cli/render/dev.js';
import { eventNotes } from '../../../src/cli/render/event-notes.js';
import { failureText, reportOf } from '../../../src/cli/render/failure.js';
import { historyText } from '../../../src/cli/render/history.js';
import { mcpStatusText } from '../../../src/cli/render/mcp.js';
import { sessionsText } from '../../../src/cli/render/sessions.js';
import { createStyle } from '../../../src/cli/render/style.js';
import { timelineText } from '../../../src/cli/render/timeline.js';
import { ago, bytes, dollars, duration, tokens } from '../../../src/cli/render/units.js';
import { buildTimeline } from '../../../src/client/timeline.js';
import type { SessionEvent, SessionEventBody } from '../../../src/contracts/events.js';
import { tool } from '../../../src/contracts/define-tool.js';
import { PerduraError } from '../../../src/contracts/failures.js';
import { NO_USAGE, type StoredMessage } from '../../../src/contracts/message.js';
import { buildCapabilityGraph } from '../../../src/planner/build-graph.js';
import type { AttemptRow } from '../../../src/store/attempts.js';
import type { SessionRecord } from '../../../src/store/session-catalogue.js';

const style = createStyle(false);
const at = '2026-01-01T00:00:00.000Z';
const record: SessionRecord = {
  tenant: 'default',
  session: 'notes',
  workflowId: 'w',
  transcript: 'notes',
  agent: 'assistant',
  state: 'idle',
  turns: 2,
  head: 4,
  lastEvent: 9,
  inputTokens: 1_203,
  outputTokens: 88,
  cachedTokens: 0,
  costMicros: 1_234,
  title: 'A\u001b[31m title',
  createdAt: at,
  updatedAt: at,
};

describe('units', () => {
  it.each([
    [dollars(0), '$0'],
    [dollars(42), '$0.000042'],
    [dollars(1_234), '$0.0012'],
    [dollars(2_500_000), '$2.50'],
    [duration(12.4), '12 ms'],
    [duration(3_449), '3.4 s'],
    [duration(59_970), '1 min 0 s'],
    [duration(7_500_000), '2 h 5 min'],
    [bytes(512), '512 B'],
    [bytes(3_482), '3.4 KB'],
    [bytes(1_258_291), '1.2 MB'],
    [tokens({ ...NO_USAGE, input: 1_203, output: 88, estimated: true }), '~1,203 → 88 tokens'],
    [ago(at, Date.parse(at) + 30_000), 'now'],
    [ago(at, Date.parse(at) + 3_600_000), '1 h ago'],
    [ago(at, Date.parse(at) + 3 * 86_400_000), '3 days ago'],
  ])('%s', (text, expected) => {
    expect(text).toBe(expected);
  });
});

describe('failures', () => {
  it('one of ours → type, message, remedy', () => {
    const report = reportOf(new PerduraError('Message.Invalid', 'The message is empty.'));
    expect(failureText(report, style)).toBe(
      'Message.Invalid: The message is empty. Send plain text, or { "text": "…", "id": "optional" }.\n',
    );
  });

  it('any other error → its message, no stack, and where to see more', () => {
    const text = failureText(reportOf(new TypeError('x is not a function')), style);
    expect(text).toBe(
      'Internal: x is not a function. Set PERDURA_LOG_LEVEL=debug to see where it comes from.\n',
    );
  });

  it('a list of problems → the remedy on a line of its own', () => {
    const report = reportOf(new PerduraError('Agent.Invalid', '2 problems:\na: x.\nb: y.\n'));
    expect(failureText(report, style)).toMatch(/b: y\.\nCorrect the definition/);
  });
});

describe('sessions', () => {
  it('a list → one line each, clean', () => {
    const [head, line] = sessionsText([record], style, Date.parse(at) + 60_000).split('\n');
    expect(head).toMatch(/^SESSION +AGENT +STATE +TURNS +COST +ACTIVE +TITLE$/);
    expect(line).toMatch(/^notes +assistant +idle +2 +\$0\.0012 +1 min ago +A title$/);
  });

  it('none → how to start one', () => {
    expect(sessionsText([], style, 0)).toMatch(/perdura chat/);
  });
});

describe('timeline', () => {
  const place = { turn: 1, step: 1 };
  const bodies: SessionEventBody[] = [
    { type: 'turn.started', turn: 1 },
    { type: 'message.accepted', id: 'a', seq: 1, turn: 1, text: 'What is in a.txt?' },
    {
      type: 'step.completed',
      ...place,
      attempt: 2,
      seq: 2,
      text: 'Let me see.',
      finish: 'tools',
      model: 'm',
      usage: { ...NO_USAGE, input: 10, output: 2, costMicros: 900 },
      toolCalls: [{ id: 'c', name: 'read', arguments: '{"path":"a.txt"}' }],
    },
    {
      type: 'tool.completed',
      ...place,
      attempt: 1,
      callId: 'c',
      name: 'read',
      seq: 3,
      preview: 'line 1\nline \u001b[2J2',
      bytes: 20,
      ms: 12,
    },
    {
      type: 'turn.failed',
      turn: 1,
      failure: { type: 'Turn.StepLimit', message: 'Too many steps.' },
      usage: NO_USAGE,
    },
    { type: 'session.state', state: 'paused', reason: 'lunch' },
    { type: 'session.state', state: 'idle' },
    { type: 'session.ended', reason: 'done' },
  ];
  const events = bodies.map((body, i): SessionEvent => ({ ...body, n: i + 1, at }));
  const attempt: AttemptRow = {
    ...place,
    attempt: 1,
    kind: 'model',
    model: 'gpt-5-mini',
    outcome: 'failed',
    inputTokens: 0,
    outputTokens: 0,
    cachedTokens: 0,
    costMicros: 0,
    estimated: false,
    startedAt: at,
    endedAt: at,
    failure: { type: 'Model.RateLimited', message: 'slow down' },
  };
  const timeline = buildTimeline('notes', events, [
    attempt,
    {
      ...attempt,
      attempt: 2,
      outcome: 'completed',
      failure: undefined as never,
      endedAt: '2026-01-01T00:00:01.500Z',
      costMicros: 900,
    },
  ]);
  const text = timelineText(record, timeline, { style, full: false });

  it.each([
    ['the session', /^notes · assistant · idle · 2 turns · 1,203 → 88 tokens · \$0\.0012\n/],
    ['the turn with its cost', /\nTurn 1 · failed · 0 ms · \$0\.0009 · 2026-/],
    ['the message', /\n {2}you: What is in a\.txt\?\n/],
    [
      'the step with model, tokens, cost and time',
      /\n {2}step 1 · gpt-5-mini · 10 → 2 tokens · \$0\.0009 · 1\.5 s\n/,
    ],
    ['the attempt that failed', /\n {4}attempt 1 failed · Model\.RateLimited: slow down\n/],
    [
      'the tool with its arguments',
      /\n {4}→ read \{"path":"a\.txt"\}\n {6}✓ 20 B · 12 ms\n {8}line 1 line 2\n/,
    ],
    ['why the turn failed', /\n {2}Turn\.StepLimit: Too many steps\.\n/],
    ['a pause and its end', /Z {2}paused: lunch\n2026-01-01T00:00:00\.000Z {2}resumed\n/],
    ['the end', /2026-01-01T00:00:00\.000Z {2}ended: done\n$/],
  ])('shows %s', (_, pattern) => {
    expect(text).toMatch(pattern);
  });

  it('a call that waits → the key to answer it by, until its turn ends', () => {
    const waiting = {
      ...place,
      type: 'tool.waiting',
      callId: 'c',
      name: 'read',
      key: 'c2.0',
    } as const;
    const open = [...bodies.slice(0, 3), waiting].map((body, n) => ({ ...body, n, at }));
    const shown = (until: readonly SessionEvent[]) =>
      timelineText(record, buildTimeline('notes', until, []), { style, full: false });
    expect(shown(open)).toMatch(/→ read .*\n {6}waits for an answer to call c2\.0\n/);
    const ended = { type: 'turn.interrupted', turn: 1, usage: NO_USAGE, n: 9, at } as const;
    expect(shown([...open, ended])).toMatch(/→ read .*\n {6}no result\n/);
  });

  it('full → whole texts, without control characters', () => {
    const full = timelineText(record, timeline, { style, full: true });
    expect(full).toMatch(/\n {8}line 1\n {8}line 2\n/);
    expect(full).not.toMatch(/\u001b/);
  });
});

describe('other reports', () => {
  it('history → the last messages with text, and how many there were before', () => {
    const of = (message: StoredMessage['message'], seq: number): StoredMessage => ({
      seq,
      turn: 1,
      step: 1,
      attempt: 1,
      message,
      at,
    });
    const messages = [
      of({ role: 'user', id: '1', text: 'one' }, 1),
      of({ role: 'assistant', id: '2', text: '', finish: 'tools', model: 'm' }, 2),
      of({ role: 'tool', callId: 'c', name: 'x', content: [] }, 3),
      of({ role: 'assistant', id: '4', text: 'two\u001b[2J', finish: 'stop', model: 'm' }, 4),
      of({ role: 'user', id: '5', text: 'three', from: 'Ann' }, 5),
    ];
    expect(historyText(messages, 2, style)).toBe('(1 earlier)\ntwo\nAnn> three\n');
  });

  it('checks → a mark each, remedies below', () => {
    const text = checksText(
      [
        { name: 'Node', ok: true, detail: 'Node 20' },
        { name: 'Model', ok: false, detail: 'no key', remedy: 'Set it.' },
      ],
      style,
    );
    expect(text).toBe('✓ Node   Node 20\n✗ Model  no key\n         Set it.\n');
  });

  it('an MCP tool that is held back → all that a model would be told, clean', () => {
    const text = mcpStatusText(
      [
        {
          server: 'f',
          state: 'ready',
          tools: 2,
          changed: ['x'],
          warnings: [],
          blocked: [
            {
              tool: 'x',
              reason: 'changed',
              detail: 'it differs',
              description: 'Reads.\u001b[8m Hidden.',
              digest: '',
            },
          ],
        },
      ],
      style,
    );
    expect(text).toMatch(
      /held back: x \(changed: it differs\)\n {4}Reads\. Hidden\.\n.*perdura mcp accept f\n$/,
    );
  });

  it('a worker’s log line → a sentence; those of Temporal’s core → nothing', () => {
    expect(
      workerLine('worker', '{"level":50,"time":1,"pid":2,"msg":"it broke","session":"s"}', style),
    ).toBe('worker | error: it broke {"session":"s"}\n');
    expect(
      workerLine(
        'worker',
        '\u001b[2m2026-11-21T08:51:39.6Z\u001b[0m \u001b[33m WARN\u001b[0m temporalio_sdk_core::worker: x',
        style,
      ),
    ).toBe('');
    expect(workerLine('worker', 'ended (SIGKILL)', style)).toBe('worker | ended (SIGKILL)\n');
  });

  it('the dev summary → where everything is, and what cannot be done', () => {
    const text = devSummary(
      {
        temporal: 'T',
        ui: undefined,
        cannot: ['list workflows'],
        database: 'D',
        workers: [12],
        agents: ['a'],
        config: undefined,
        data: '/d',
      },
      style,
    );
    expect(text).toMatch(/Limits +it cannot list workflows\n/);
    expect(text).toMatch(/Workers +process 12\n/);
  });
});

describe('plans', () => {
  const events: SessionEventBody[] = [
    {
      type: 'plan.made',
      turn: 1,
      step: 1,
      revision: 1,
      goal: 'Add it\u001b[2J up.',
      steps: [
        { id: 'one', use: 'fetch_page' },
        { id: 'sum', use: 'add', after: ['one'] },
      ],
    },
    {
      type: 'plan.step',
      turn: 1,
      step: 2,
      revision: 1,
      id: 'one',
      use: 'fetch_page',
      callId: 'p1-1-one',
      state: 'failed',
      failure: { type: 'Tool.Failed', message: 'It is gone.' },
    },
    {
      type: 'plan.changed',
      turn: 1,
      step: 3,
      revision: 2,
      because: 'failed',
      failed: ['one'],
      steps: [{ id: 'two', use: 'fetch_page' }],
    },
    {
      type: 'plan.step',
      turn: 1,
      step: 4,
      revision: 2,
      id: 'two',
      use: 'fetch_page',
      callId: 'p1-2-two',
      state: 'done',
    },
  ];
  const numbered = events.map((event, i): SessionEvent => ({ ...event, n: i + 1, at }));

  it('C5 show: each plan, why it was changed, and how far its steps have come', () => {
    const timeline = buildTimeline('notes', numbered, []);
    expect(timelineText(record, timeline, { style, full: false })).toContain(
      [
        '  plan 1 · 2 steps · Add it up.',
        '    ✗ one  fetch_page Tool.Failed: It is gone.',
        '    · sum  add after one · not run',
        '  plan 2 · 1 step, because one failed',
        '    ✓ two  fetch_page',
        '',
      ].join('\n'),
    );
  });

  it('C5 chat: a plan that is made or changed → one line', () => {
    expect(numbered.flatMap((event) => eventNotes(event, style))).toEqual([
      '(plan 1, 2 steps: one (fetch_page), sum (add))',
      '(plan 2, 1 step, because one failed: two (fetch_page))',
    ]);
  });
});

describe('capabilities', () => {
  const graph = buildCapabilityGraph({
    agent: { name: 'clerk' },
    tools: [
      tool({ name: 'shell_exec', description: 'Runs a command.', execute: () => 1 }),
      tool({ name: 'look', description: 'Looks.', effect: 'read', execute: () => 1 }),
    ],
    unavailable: [{ server: 'files', reason: 'It does not start.' }],
  });

  it('C5 capabilities: what can be used, what not and why, what is missing', () => {
    const text = capabilitiesText(graph, style);
    expect(text).toMatch(/^clerk · can use 2 of 2\n/);
    expect(text).toMatch(
      /✓ {2}shell_exec {2}tool · once · high risk · a person approves each call {2}Runs a command\./,
    );
    expect(text).toMatch(/✓ {2}look +tool · read +Looks\./);
    expect(text).toContain('files is unavailable: It does not start.\n');
  });
});
