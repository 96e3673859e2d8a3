/** Prints what the team has done, for somebody who has a minute. */
import type { Counts } from './count.js';
import type { Facts, Said, SessionFacts } from './gather.js';
import { short } from './narrator.js';

/** Lines and characters of a message that are shown. */
const LINES = 4;
const WIDTH = 110;

export function printReport(facts: Facts, counts: Counts): void {
  heading('Who worked: the group, and below its members their sub-agents');
  for (const line of tree(facts)) console.log(`  ${line}`);

  heading('Who said what to whom');
  for (const each of facts.said) printSaid(each, facts.group);

  heading(`The plan of ${facts.sessions[0]!.record.session}`);
  printPlans(facts);

  if (facts.kill) {
    const { killed, takenOverBy } = facts.kill;
    heading('The kill');
    console.log(`  kill -9 ${killed}: the worker that ran the tool of the reader`);
    console.log(
      takenOverBy === undefined
        ? '  nobody made the call again'
        : `  worker ${takenOverBy} made the call again, with the same key: it took effect once`,
    );
  }

  heading('What it cost, by agent');
  for (const line of bill(facts.sessions)) console.log(`  ${line}`);

  heading('The answer');
  console.log(indent(facts.report ? clip(facts.report.text, 14) : 'There is none.'));
  if (facts.report) console.log(`  (${facts.report.path})`);

  heading('Counted');
  for (const line of counts.lines) console.log(`  ${line}`);
  console.log(`\nlost ${counts.lost} · doubled ${counts.doubled}`);
}

function tree({ group, sessions }: Facts): string[] {
  const lines = [`${group} (one speaks after another)`];
  sessions.forEach(({ record, depth, timeline }, i) => {
    const rest = sessions.slice(i + 1);
    const isLast = (level: number) => {
      const next = rest.findIndex((each) => each.depth <= level);
      return next === -1 || rest[next]!.depth < level;
    };
    const bars = Array.from({ length: depth }, (_, level) => (isLast(level) ? '   ' : '│  '));
    const steps = timeline.turns.reduce((sum, turn) => sum + turn.steps.length, 0);
    lines.push(
      `${bars.join('')}${isLast(depth) ? '└─ ' : '├─ '}${record.session} · agent ${record.agent} · ` +
        `${plural(record.turns, 'turn')}, ${plural(steps, 'step')} · ` +
        `${tokens(record.inputTokens, record.outputTokens)} · ${money(record.costMicros)}`,
    );
  });
  return lines;
}

function printSaid({ at, from, to, how, text }: Said, group: string): void {
  const time = new Date(at).toISOString().slice(11, 19);
  const whom = to === group ? 'the group' : short(to);
  console.log(`  ${time} ${short(from)} ${how === 'said' ? 'to' : `${how}`} ${whom}:`);
  console.log(indent(clip(text, LINES), 11));
}

function printPlans({ plans }: Facts): void {
  if (plans.length === 0) console.log('  It answered without one.');
  for (const { revision, because, failed = [], goal, steps } of plans) {
    const why =
      because === undefined
        ? (goal ?? '')
        : because === 'failed'
          ? `made because ${failed.join(', ')} failed`
          : 'made because more was to be done';
    console.log(`  version ${revision}: ${why}`);
    for (const { id, use, after = [], state, failure } of steps) {
      const wait = after.length > 0 ? ` after ${after.join(', ')}` : '';
      console.log(`    ${mark(state)} ${id} ${use}${wait}: ${failure ? failure.message : state}`);
    }
  }
}

function mark(state: 'open' | 'done' | 'failed'): string {
  return { open: '·', done: '✓', failed: '✗' }[state];
}

function bill(sessions: readonly SessionFacts[]): string[] {
  const all = new Map<
    string,
    { attempts: number; input: number; output: number; micros: number }
  >();
  for (const { agents } of sessions.map(({ timeline }) => timeline)) {
    for (const { agent = '?', attempts, inputTokens, outputTokens, costMicros } of agents) {
      const sum = all.get(agent) ?? { attempts: 0, input: 0, output: 0, micros: 0 };
      all.set(agent, {
        attempts: sum.attempts + attempts,
        input: sum.input + inputTokens,
        output: sum.output + outputTokens,
        micros: sum.micros + costMicros,
      });
    }
  }
  const row = (name: string, calls: number, input: number, output: number, micros: number) =>
    `${name.padEnd(10)} ${plural(calls, 'model call').padEnd(15)} ${tokens(input, output).padEnd(24)} ${money(micros)}`;
  const sums = [...all.values()];
  const total = (of: (sum: (typeof sums)[number]) => number) =>
    sums.reduce((result, sum) => result + of(sum), 0);
  return [
    ...[...all].map(([agent, sum]) => row(agent, sum.attempts, sum.input, sum.output, sum.micros)),
    row(
      'together',
      total((sum) => sum.attempts),
      total((sum) => sum.input),
      total((sum) => sum.output),
      total((sum) => sum.micros),
    ),
  ];
}

function heading(text: string): void {
  console.log(`\n── ${text} ──`);
}

function tokens(input: number, output: number): string {
  return `${input.toLocaleString('en-US')} → ${output.toLocaleString('en-US')} tokens`;
}

function money(micros: number): string {
  return `${(micros / 1e6).toFixed(4)} USD`;
}

function plural(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

function clip(text: string, most: number): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const shown = lines
    .slice(0, most)
    .map((line) => (line.length > WIDTH ? `${line.slice(0, WIDTH - 1)}…` : line));
  return [...shown, ...(lines.length > most ? [`… ${lines.length - most} more lines`] : [])].join(
    '\n',
  );
}

function indent(text: string, by = 2): string {
  return text.replace(/^/gm, ' '.repeat(by));
}
