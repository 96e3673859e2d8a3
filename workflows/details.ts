/** What the Temporal UI shows of a session under "current details": a page of Markdown. */
import type { CallModelResult } from '../src/contracts/activities.js';
import type { SessionKey } from '../src/contracts/ids.js';
import type { SessionState } from './session-state.js';

const STEPS_SHOWN = 8;

/** Keeps the newest steps and writes the page. */
export class Details {
  readonly #key: SessionKey;
  readonly #agent: string;
  readonly #steps: string[] = [];
  #notice: string | undefined;

  constructor(key: SessionKey, agent: string) {
    this.#key = key;
    this.#agent = agent;
  }

  step(turn: number, step: number, { outcome, usage, calls }: CallModelResult): void {
    const tools = calls?.length ? ` · ${plural(calls.length, 'tool call')}: ${names(calls)}` : '';
    const tokens = `${group(usage.input)} → ${group(usage.output)} tokens`;
    this.#steps.push(`- turn ${turn} · step ${step} · ${tokens} · ${outcome}${tools}`);
    if (this.#steps.length > STEPS_SHOWN) this.#steps.shift();
  }

  /** Something a sender should know and cannot be told, because signals have no answer. */
  notice(text: string): void {
    this.#notice = text;
  }

  page(state: SessionState): string {
    const { usage, machine, failure } = state;
    return [
      `**${this.#agent}** · session \`${this.#key.session}\` · tenant \`${this.#key.tenant}\``,
      '',
      `${machine.state} · ${plural(state.turn, 'turn')} · ${plural(state.queued, 'message')} waiting · ` +
        `${group(usage.input)} → ${group(usage.output)} tokens · ${(usage.costMicros / 1e6).toFixed(4)} USD`,
      ...(failure ? ['', `Last failure: \`${failure.type}\` ${failure.message}`] : []),
      ...(this.#notice ? ['', this.#notice] : []),
      ...(this.#steps.length > 0 ? ['', ...this.#steps] : []),
    ].join('\n');
  }
}

function names(calls: NonNullable<CallModelResult['calls']>): string {
  return [...new Set(calls.map(({ name }) => name))].join(', ').slice(0, 120);
}

function plural(count: number, noun: string): string {
  return `${group(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** 12345 → 12,345. Not `toLocaleString`: its result depends on the machine that replays. */
function group(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}
