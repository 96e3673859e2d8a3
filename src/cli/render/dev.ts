/** What `perdura dev` says when everything runs, and the lines of its workers. Pure. */
import { clean, oneLine } from './clean.js';
import type { Style } from './style.js';
import { table } from './table.js';

export interface DevSummary {
  readonly temporal: string;
  readonly ui: string | undefined;
  /** Each completes "It cannot …". */
  readonly cannot: readonly string[];
  readonly database: string;
  readonly workers: readonly (number | undefined)[];
  readonly agents: readonly string[];
  readonly config: string | undefined;
  readonly data: string;
}

export function devSummary(summary: DevSummary, style: Style): string {
  const { temporal, ui, cannot, database, workers, agents, config, data } = summary;
  const pids = workers.map((pid) => pid ?? 'starting').join(', ');
  const rows = [
    ['Temporal', temporal],
    ...(ui === undefined ? [] : [['UI', ui]]),
    ...cannot.map((what, i) => [i === 0 ? 'Limits' : '', `it cannot ${what.replace(/\.$/, '')}`]),
    ['Database', database],
    ['Workers', workers.length === 0 ? 'none' : `process ${pids}`],
    ['Agents', `${agents.join(', ')}${config === undefined ? '' : ` (${config})`}`],
    ['Data, logs', data],
  ];
  const text = table(rows.map(([name = '', value = '']) => [style.bold(name), clean(value)]));
  return `\n${text}\nReady. Talk to an agent in another terminal with: perdura chat\nCtrl-C stops everything.\n`;
}

/** Of Temporal's core, below errors: they are in the log file, and seldom for users. */
const CORE_LINE = /^\S+Z\s+(?:WARN|INFO|DEBUG|TRACE)\s+temporal/;

/** A line of a worker: its JSON log as a sentence, everything else as it is; empty for noise. */
export function workerLine(part: string, line: string, style: Style): string {
  if (CORE_LINE.test(clean(line))) return '';
  let text = line;
  try {
    const { level, msg, ...rest } = JSON.parse(line) as Record<string, unknown>;
    if (typeof msg === 'string') {
      const { time: _, pid: __, ...facts } = rest;
      const more = Object.keys(facts).length > 0 ? ` ${JSON.stringify(facts)}` : '';
      // pino's levels: https://getpino.io/#/docs/api?id=logger-level
      text = `${Number(level) >= 50 ? 'error: ' : ''}${msg}${more}`;
    }
  } catch {
    // No JSON: a line of the Temporal SDK, or of a tool.
  }
  return `${style.dim(`${part} |`)} ${oneLine(text, 400)}\n`;
}
