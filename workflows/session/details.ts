/**
 * What the Temporal UI shows of a session under "current details": a page of Markdown. Much of it
 * was written by a model, a tool or a sender, so it is put in as text that formats nothing.
 */
import type { CallModelResult } from '../../src/contracts/activities.js';
import type { SessionKey } from '../../src/contracts/ids.js';
import type { Usage } from '../../src/contracts/message.js';
import type { SessionState } from './session-state.js';

const STEPS_SHOWN = 8;
/** Characters of a text that stands among others. */
const EXCERPT = 100;
const REASON = 300;

/** Keeps the newest steps and writes the page. */
export class Details {
  readonly #key: SessionKey;
  readonly #title: string | undefined;
  readonly #steps: string[] = [];
  #notice: string | undefined;

  constructor(key: SessionKey, title?: string) {
    this.#key = key;
    this.#title = title;
  }

  step(turn: number, step: number, { outcome, usage, calls, preview }: CallModelResult): void {
    const what = calls?.length
      ? `${plural(calls.length, 'tool call')}: ${names(calls)}`
      : [OUTCOMES[outcome] ?? outcome, ...(preview ? [`“${plain(preview, EXCERPT)}”`] : [])].join(
          ' ',
        );
    this.#steps.push(`- turn ${turn} · step ${step} · ${spent(usage)} · ${what}`);
    if (this.#steps.length > STEPS_SHOWN) this.#steps.shift();
  }

  /** Something a sender should know and cannot be told, because signals have no answer. */
  notice(text: string): void {
    this.#notice = text;
  }

  page(state: SessionState): string {
    const { usage, machine, failure, open, wakeAt, runs } = state;
    const title = this.#title ? ` · ${plain(this.#title, EXCERPT)}` : '';
    // Steps of earlier runs are on the pages of those.
    const run = runs > 1 ? ` · run ${group(runs)}` : '';
    const where = !open
      ? plural(state.turn, 'turn')
      : `in turn ${group(state.turn)}${open.step > 0 ? `, step ${group(open.step)}` : ''}`;
    return [
      `**${plain(state.agent.agent, EXCERPT)}**${title}`,
      '',
      `session ${code(this.#key.session)} · tenant ${code(this.#key.tenant)}${run}`,
      '',
      `${machine.state} · ${where} · ${plural(state.queued, 'message')} waiting · ${spent(usage)}`,
      ...queueLine(open),
      ...(wakeAt === undefined ? [] : ['', `Wakes at ${new Date(wakeAt).toISOString()}.`]),
      ...(failure
        ? ['', `Last failure: ${code(failure.type)} ${plain(failure.message, REASON)}`]
        : []),
      ...(this.#notice ? ['', plain(this.#notice, REASON)] : []),
      ...(this.#steps.length > 0 ? ['', 'Latest steps:', '', ...this.#steps] : []),
    ].join('\n');
  }
}

/** Where the turn waits for a slot. */
function queueLine(open: SessionState['open']): string[] {
  const { pool, queued } = open?.slot ?? {};
  if (pool === undefined || !queued) return [];
  return [
    '',
    `Waits for a slot of ${code(pool)}, place ${group(queued.position)}: ${queued.reason}.`,
  ];
}

/** What ended a step that called no tool, in words. */
const OUTCOMES: Readonly<Partial<Record<CallModelResult['outcome'], string>>> = {
  stop: 'answered',
  length: 'answered, cut at its limit of tokens',
  filtered: 'withheld by the provider',
  interrupted: 'interrupted',
  compact: 'did not fit, compacted',
  duplicate: 'nothing new',
};

/** `1,203 → 88 tokens · 0.0012 USD`; no cost where the price is not known. */
function spent({ input, output, costMicros }: Usage): string {
  const tokens = `${group(input)} → ${group(output)} tokens`;
  if (costMicros <= 0) return tokens;
  return `${tokens} · ${costMicros < 100 ? '< 0.0001' : (costMicros / 1e6).toFixed(4)} USD`;
}

/** `add` ×2, `files__read_text_file`: in the order of their first call. */
function names(calls: NonNullable<CallModelResult['calls']>): string {
  const counts = new Map<string, number>();
  for (const { name } of calls) counts.set(name, (counts.get(name) ?? 0) + 1);
  const shown = [...counts].slice(0, 5).map(([name, n]) => `${code(name)}${n > 1 ? ` ×${n}` : ''}`);
  return [...shown, ...(counts.size > 5 ? [`and ${counts.size - 5} more`] : [])].join(', ');
}

/** One line, at most `most` characters, in which Markdown and HTML find nothing to format. */
function plain(text: string, most: number): string {
  return cut(text, most).replace(/[\\`*_~[\]<>#|!&]/g, '\\$&');
}

/** A name as it is. */
function code(name: string): string {
  return `\`${cut(name, 80).replaceAll('`', "'")}\``;
}

function cut(text: string, most: number): string {
  // A little more than is shown: what follows is not looked at.
  const line = text
    .slice(0, most * 4)
    .replace(/\s+/g, ' ')
    .trim();
  const characters = [...line];
  return characters.length > most ? `${characters.slice(0, most - 1).join('')}…` : line;
}

function plural(count: number, noun: string): string {
  return `${group(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** 12345 → 12,345. Not `toLocaleString`: its result depends on the machine that replays. */
function group(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}
