/** The list of sessions. Pure. */
import type { AgentState } from '../../contracts/state.js';
import type { SessionRecord } from '../../store/session-catalogue.js';
import { oneLine } from './clean.js';
import type { Style } from './style.js';
import { table } from './table.js';
import { ago, dollars } from './units.js';

/** `now` in ms since the epoch; `filtered` where not all were asked for. */
export function sessionsText(
  records: readonly SessionRecord[],
  style: Style,
  now: number,
  filtered = false,
): string {
  if (records.length === 0) {
    return filtered
      ? 'No matching sessions. List all of them with: perdura sessions\n'
      : 'No sessions yet. Start one with: perdura chat\n';
  }
  const head = ['SESSION', 'AGENT', 'STATE', 'TURNS', 'COST', 'ACTIVE', 'TITLE'];
  const rows = records.map((record) => [
    record.session,
    record.agent,
    stateText(record.state, style),
    String(record.turns),
    dollars(record.costMicros),
    ago(record.updatedAt, now),
    oneLine(record.title ?? record.failure?.message ?? '', 60),
  ]);
  return table([head.map(style.dim), ...rows]);
}

/** A state in the word that the commands have for it; `terminated` is the contract's for `ended`. */
export function stateText(state: AgentState, style: Style): string {
  if (state === 'terminated') return 'ended';
  if (state === 'error') return style.red(state);
  if (state === 'running') return style.green(state);
  return state === 'paused' ? style.yellow(state) : state;
}
