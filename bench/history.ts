/**
 * What a conversation writes into Temporal's history: events in their protobuf encoding, as
 * the server stores and bills them, over all runs that continue-as-new made of it.
 */
import type { Client } from '@temporalio/client';
import proto from '@temporalio/proto';
import { mean, median } from './statistics.js';

// CommonJS: its names cannot be imported one by one.
const { HistoryEvent } = proto.temporal.api.history.v1;
/** Turns on either side of the one that is asked about. */
const AROUND = 5;

/** Turn by turn; `turns[0]` is the first. */
export interface HistoryGrowth {
  readonly turns: readonly { readonly bytes: number; readonly events: number }[];
  readonly runs: number;
  /** Bytes of all runs, beginning and end included. */
  readonly bytes: number;
  readonly eventsOfLongestRun: number;
}

/** A turn begins when its update is accepted, and what a new run begins with belongs to its turn. */
export async function readGrowth(client: Client, workflowId: string): Promise<HistoryGrowth> {
  const turns: { bytes: number; events: number }[] = [];
  let runs = 0;
  let total = 0;
  let longest = 0;
  let runId: string | undefined = await firstRun(client, workflowId);
  while (runId) {
    runs += 1;
    const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
    runId = undefined;
    longest = Math.max(longest, events?.length ?? 0);
    for (const event of events ?? []) {
      const bytes = HistoryEvent.encode(event).finish().length;
      total += bytes;
      if (event.workflowExecutionUpdateAcceptedEventAttributes) turns.push({ bytes: 0, events: 0 });
      const turn = turns.at(-1);
      if (turn) {
        turn.bytes += bytes;
        turn.events += 1;
      }
      runId ??=
        event.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId ?? undefined;
    }
  }
  return { turns, runs, bytes: total, eventsOfLongestRun: longest };
}

/** Bytes that one turn adds, around `turn`: the median, so that a continue-as-new is no turn. */
export function bytesAround({ turns }: HistoryGrowth, turn: number): number {
  const from = Math.max(1, Math.min(turn - AROUND, turns.length - 2 * AROUND));
  return median(turns.slice(from - 1, from + 2 * AROUND).map(({ bytes }) => bytes));
}

/** Events per turn, over all of them, continue-as-new included. The last has the session's end. */
export function eventsPerTurn({ turns }: HistoryGrowth): number {
  return mean(turns.slice(0, -1).map(({ events }) => events));
}

/** Bytes per turn over all of them, continue-as-new included. */
export function meanBytes({ turns }: HistoryGrowth): number {
  return mean(turns.slice(0, -1).map(({ bytes }) => bytes));
}

async function firstRun(client: Client, workflowId: string): Promise<string | undefined> {
  const described = await client.workflow.getHandle(workflowId).describe();
  return described.raw.workflowExecutionInfo?.firstRunId || described.runId;
}
