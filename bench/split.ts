/**
 * Where the time of a turn goes, seen from outside: the model server knows when it was asked
 * and when it had answered, the caller when it asked and when it had the answer.
 */
import type { ModelRequestLog } from './model-server.js';
import { median } from './statistics.js';
import type { Run } from './turns.js';

/** Medians, ms. Together they are the turn, as far as medians add up. */
export interface TurnSplit {
  /** From the caller's message to the first request at the model: update, workflow, store. */
  readonly toModel: number;
  /** The model server itself, both requests. */
  readonly inModel: number;
  /** From the tool call's last byte to the second request: the tool and a round of the loop. */
  readonly tool: number;
  /** From the answer's last byte to the caller having it. */
  readonly toCaller: number;
}

export function splitOf(
  runs: readonly Run[],
  log: readonly ModelRequestLog[],
  wanted: (turn: number) => boolean,
): TurnSplit {
  const parts: TurnSplit[] = [];
  for (const { from, to } of runs.flatMap((run) => run.turns.filter((t) => wanted(t.turn)))) {
    const [first, second] = log.filter((r) => r.arrivedMs >= from && r.answeredMs <= to);
    if (!first || !second) continue;
    parts.push({
      toModel: first.arrivedMs - from,
      inModel: first.answeredMs - first.arrivedMs + second.answeredMs - second.arrivedMs,
      tool: second.arrivedMs - first.answeredMs,
      toCaller: to - second.answeredMs,
    });
  }
  const middle = (key: keyof TurnSplit) => median(parts.map((part) => part[key]));
  return {
    toModel: middle('toModel'),
    inModel: middle('inModel'),
    tool: middle('tool'),
    toCaller: middle('toCaller'),
  };
}
