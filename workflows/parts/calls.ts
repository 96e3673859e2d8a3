/**
 * How a workflow of an application calls the activities of its parts. Timeouts and retries are those
 * of a session (`session/calls.ts`): regular activities, and infrastructure is waited for.
 */
import { proxyActivities } from '@temporalio/workflow';
import type {
  CallToolInput,
  CallToolResult,
  SessionActivities,
} from '../../src/contracts/activities.js';
import type { Opening, PartActivities, RunModelInput } from '../../src/contracts/parts.js';
import type { RunReference } from '../../src/contracts/run-reference.js';
import {
  modelOptions,
  SHORT_CALL,
  toolCallOptions,
  type CallSettings,
  type TurnCalls,
} from '../session/calls.js';

type ShortPartCalls = Pick<
  PartActivities,
  'closeTurn' | 'readAgent' | 'readTranscript' | 'runToolCall'
>;

const short = (summary: string) => proxyActivities<ShortPartCalls>({ ...SHORT_CALL, summary });

/** Reads what a workflow must know of an agent. */
export const readAgent: PartActivities['readAgent'] = (input) =>
  short(`read the agent ${input.agent}`).readAgent(input);

export const readTranscript: PartActivities['readTranscript'] = (input) =>
  short('read a transcript').readTranscript(input);

/** Writes the result of a call that nothing has to run. */
export function writeResult(run: RunReference, input: CallToolInput): Promise<CallToolResult> {
  return short('write the result of a tool call').runToolCall({ ...input, run });
}

/** Closes a turn that did not complete. */
export const closeTurn: PartActivities['closeTurn'] = (input) =>
  short('close the turn').closeTurn(input);

/** Gives back the slot of a pool, or leaves the line. */
export const leavePool: SessionActivities['leavePool'] = (input) =>
  proxyActivities<SessionActivities>({
    ...SHORT_CALL,
    summary: 'give back the slot of the pool',
  }).leavePool(input);

/** Runs a tool that no model has called. */
export function runTool(
  input: Parameters<PartActivities['runTool']>[0],
  timeoutMs: number,
  settings: CallSettings,
): ReturnType<PartActivities['runTool']> {
  const call = { name: input.name, args: input.arguments, timeoutMs, retryMs: 500 };
  return proxyActivities<PartActivities>(toolCallOptions(call, settings)).runTool(input);
}

/** The calls of which a turn over this transcript is made. */
export function turnCalls(run: RunReference, opening: () => Opening): TurnCalls {
  return {
    callModel(input, settings, summary) {
      const given: RunModelInput = { ...input, run, ...opening() };
      return proxyActivities<PartActivities>(modelOptions(settings, summary)).runModel(given);
    },
    compact: (input, settings, summary) =>
      proxyActivities<PartActivities>(modelOptions(settings, summary)).compactTranscript({
        ...input,
        run,
      }),
    runTool: (call, input, settings) =>
      proxyActivities<PartActivities>(toolCallOptions(call, settings)).runToolCall({
        ...input,
        run,
      }),
  };
}
