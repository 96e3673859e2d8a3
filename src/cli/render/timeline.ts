/** What happened in a session, for reading from top to bottom. Pure. */
import type { Timeline, TimelineStep, TimelineTool, TimelineTurn } from '../../client/timeline.js';
import type { AgentState } from '../../contracts/state.js';
import type { AttemptRow } from '../../store/attempts.js';
import type { SessionRecord } from '../../store/session-catalogue.js';
import { clean, oneLine } from './clean.js';
import { unavailableText } from './event-notes.js';
import { planLines } from './plan.js';
import { stateText } from './sessions.js';
import { createStyle, type Style } from './style.js';
import { decisionText, waitingText } from './tool-lines.js';
import { bytes, dollars, duration, plural, tokens } from './units.js';

/** Within a line that is dimmed as a whole. */
const PLAIN = createStyle(false);

export interface TimelineOptions {
  readonly style: Style;
  /** Whole texts, arguments and previews instead of one line each. */
  readonly full: boolean;
}

export function timelineText(
  record: SessionRecord,
  { turns, agents, states, refused }: Timeline,
  options: TimelineOptions,
): string {
  const { style } = options;
  const facts = [
    record.agent,
    stateText(record.state, style),
    plural(record.turns, 'turn'),
    tokens({ input: record.inputTokens, output: record.outputTokens }),
    dollars(record.costMicros),
  ];
  const lines = [`${style.bold(record.session)} · ${facts.join(' · ')}`];
  if (record.title) lines.push(oneLine(record.title, 200));
  // Only where it is not that of the session.
  for (const bill of agents.length > 1 ? agents : []) {
    const { agent = 'not on record', attempts, inputTokens, outputTokens, costMicros } = bill;
    const spent = [
      plural(attempts, 'attempt'),
      tokens({ input: inputTokens, output: outputTokens }),
      dollars(costMicros),
    ];
    lines.push(style.dim(`${oneLine(agent, 64)} · ${spent.join(' · ')}`));
  }
  for (const turn of turns) lines.push('', ...turnLines(turn, options));
  if (states.length > 0) lines.push('');
  for (const { at, state, reason } of states) {
    lines.push(style.dim(`${at}  ${changeText(state)}${reason ? `: ${oneLine(reason)}` : ''}`));
  }
  if (refused.length > 0) lines.push('');
  for (const { at, reason, id } of refused) {
    const which = id === undefined ? '' : ` (${oneLine(id, 40)})`;
    lines.push(style.yellow(`${at}  refused${which}: ${oneLine(reason, 300)}`));
  }
  return `${lines.join('\n')}\n`;
}

/** The change as a word: any state after a pause means that the session was resumed. */
function changeText(state: AgentState): string {
  return state === 'paused' || state === 'terminated' ? stateText(state, PLAIN) : 'resumed';
}

function turnLines(turn: TimelineTurn, options: TimelineOptions): string[] {
  const { style } = options;
  const { outcome, startedAt, endedAt, failure, reason } = turn;
  const took = startedAt && endedAt ? duration(Date.parse(endedAt) - Date.parse(startedAt)) : '';
  const ended = turn.rolledBack ? 'rolled back' : outcome;
  const facts = [ended, took, dollars(turn.costMicros), startedAt ?? ''].filter(Boolean);
  const lines = [`${style.bold(`Turn ${turn.turn}`)} ${style.dim(`· ${facts.join(' · ')}`)}`];
  for (const { text, from, step } of turn.messages) {
    const who = from ? oneLine(from, 40) : 'you';
    lines.push(...said(2, step === undefined ? who : `${who}, at step ${step}`, text, options));
  }
  for (const server of turn.unavailable ?? []) {
    lines.push(`  ${style.yellow(unavailableText(server))}`);
  }
  for (const { pool, position, reason, waitedMs } of turn.pools ?? []) {
    const waits =
      waitedMs !== undefined
        ? `waited ${duration(waitedMs)} for a slot of ${oneLine(pool, 64)}`
        : `${outcome === 'running' ? 'waits' : 'waited'} for a slot of ${oneLine(pool, 64)}, place ${position}`;
    lines.push(`  ${style.yellow(`${waits}: ${reason}`)}`);
  }
  for (const plan of turn.plans ?? []) lines.push(...planLines(plan, style));
  for (const step of turn.steps) lines.push(...stepLines(step, options));
  if (reason) lines.push(`  ${style.yellow(`${ended}: ${oneLine(reason)}`)}`);
  if (failure) lines.push(`  ${style.red(`${failure.type}: ${oneLine(failure.message, 300)}`)}`);
  return lines;
}

function stepLines(step: TimelineStep, options: TimelineOptions): string[] {
  const { style } = options;
  const lines: string[] = [];
  const last = step.attempts.findLast(({ outcome }) => outcome === 'completed');
  const model = (last ?? step.attempts.at(-1))?.model;
  const facts = [
    model ? oneLine(model, 60) : '',
    step.usage ? tokens(step.usage) : '',
    step.usage ? dollars(step.usage.costMicros) : '',
    last ? took(last) : '',
  ].filter(Boolean);
  lines.push(style.dim(`  step ${step.step}${facts.length > 0 ? ` · ${facts.join(' · ')}` : ''}`));
  for (const attempt of step.attempts) {
    if (attempt !== last) lines.push(`    ${attemptLine(attempt, style)}`);
  }
  for (const { from, to } of step.compactions) {
    lines.push(style.dim(`    messages ${from}–${to} were summarised`));
  }
  if (step.text?.trim()) lines.push(...said(4, 'agent', step.text, options));
  for (const tool of step.tools) lines.push(...toolLines(tool, options));
  if (step.handoff) {
    const { to, reason } = step.handoff;
    const why = reason === undefined ? '' : `: ${oneLine(reason, 160)}`;
    lines.push(`    ${style.yellow(`handed over to ${oneLine(to.agent, 64)}${why}`)}`);
  }
  return lines;
}

function attemptLine(attempt: AttemptRow, style: Style): string {
  const what = attempt.kind === 'compact' ? 'summary, attempt' : 'attempt';
  const { failure, outcome } = attempt;
  const why = failure ? ` · ${failure.type}: ${oneLine(failure.message, 160)}` : '';
  const { inputTokens: input, outputTokens: output, costMicros, estimated } = attempt;
  const cost =
    input + output > 0 ? ` · ${tokens({ input, output, estimated })} · ${dollars(costMicros)}` : '';
  const text = `${what} ${attempt.attempt} ${outcome}${why}${cost}`;
  return outcome === 'completed' || outcome === 'running' ? style.dim(text) : style.yellow(text);
}

function took({ startedAt, endedAt }: AttemptRow): string {
  return endedAt ? duration(Date.parse(endedAt) - Date.parse(startedAt)) : '';
}

function toolLines(tool: TimelineTool, { style, full }: TimelineOptions): string[] {
  const args = full ? clean(tool.arguments) : oneLine(tool.arguments, 100);
  const lines = [`    → ${oneLine(tool.name, 64)} ${style.dim(args)}`];
  const { result, attempts, waiting, decision } = tool;
  if (decision) {
    const { state, ...how } = decision;
    lines.push(`      ${style.dim(decisionText({ decision: state, ...how }))}`);
  }
  if (waiting) {
    const { request } = waiting;
    const text =
      request === undefined
        ? waitingText(waiting)
        : `waits for a person: perdura inbox show ${request.slice(0, 12)}`;
    lines.push(`      ${style.yellow(text)}`);
    return lines;
  }
  if (!result) {
    lines.push(style.dim(`      ${attempts > 0 ? 'running' : 'no result'}`));
    return lines;
  }
  const facts = [
    bytes(result.bytes),
    duration(result.ms),
    ...(attempts > 1 ? [plural(attempts, 'attempt')] : []),
    ...(result.artifact ? [`artifact ${result.artifact}`] : []),
  ].join(' · ');
  const { failure } = result;
  lines.push(
    failure
      ? `      ${style.red(`✗ ${failure.type}: ${oneLine(failure.message, 200)}`)} ${style.dim(facts)}`
      : `      ${style.green('✓')} ${style.dim(facts)}`,
  );
  const preview = full
    ? indented(clean(result.preview), 8)
    : `        ${oneLine(result.preview, 110)}`;
  if (!failure && preview.trim() !== '') lines.push(style.dim(preview));
  return lines;
}

function said(by: number, who: string, text: string, { style, full }: TimelineOptions): string[] {
  const head = `${' '.repeat(by)}${style.dim(`${who}:`)}`;
  return full ? [head, indented(clean(text).trimEnd(), by + 2)] : [`${head} ${oneLine(text, 160)}`];
}

function indented(text: string, by: number): string {
  return text.replace(/^(?=.)/gm, ' '.repeat(by));
}
