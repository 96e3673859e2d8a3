/**
 * Local activities, for the histories that have them: runs begun before version 0.2. Such a run
 * replays as it was recorded, and continues as new at the next boundary of a turn. Nothing new may
 * use this file (see `calls.ts`).
 */
import { proxyLocalActivities, type LocalActivityOptions } from '@temporalio/workflow';
import type {
  CallToolInput,
  CallToolResult,
  PlannedCall,
  SessionActivities,
} from '../../src/contracts/activities.js';
import { PATIENT, toolOptions, type ShortCalls } from './calls.js';

export const localCalls: ShortCalls = proxyLocalActivities<SessionActivities>({
  startToCloseTimeout: 30_000,
  retry: PATIENT,
  // Beyond this wait a retry becomes a timer of the workflow, and the task is not kept open.
  localRetryThreshold: 5_000,
});

export function runToolLocally(call: PlannedCall, input: CallToolInput): Promise<CallToolResult> {
  const options = toolOptions(call) satisfies LocalActivityOptions;
  return proxyLocalActivities<SessionActivities>(options).callTool(input);
}
