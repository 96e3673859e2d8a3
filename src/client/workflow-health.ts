/** Whether the workflow of a session makes progress. */
import type { Client, WorkflowHandle } from '@temporalio/client';

/** A task that fails at each replay is retried by Temporal without end, and counted here. */
export interface WorkflowHealth {
  readonly workflowTaskAttempt: number;
  readonly stuck: boolean;
}

export async function healthOf(client: Client, handle: WorkflowHandle): Promise<WorkflowHealth> {
  const { raw } = await handle.describe();
  const workflowTaskAttempt =
    raw.pendingWorkflowTask?.attempt ?? (await failedTasks(client, handle));
  return { workflowTaskAttempt, stuck: workflowTaskAttempt > 3 };
}

/**
 * Tasks that failed in a row at the end of the history. Temporal's test server does not say
 * what is pending, and writes each failure down; nor can it read a history backwards. A
 * production server says nothing of an idle workflow, of which all is well.
 */
async function failedTasks(client: Client, handle: WorkflowHandle): Promise<number> {
  const { namespace } = client.options;
  const execution = { workflowId: handle.workflowId };
  const newest = await client.workflowService
    .getWorkflowExecutionHistoryReverse({ namespace, execution, maximumPageSize: 20 })
    .then(
      ({ history }) => history?.events ?? [],
      async () => [...((await handle.fetchHistory()).events ?? [])].reverse(),
    );
  let failed = 0;
  for (const event of newest) {
    if (event.workflowTaskFailedEventAttributes || event.workflowTaskTimedOutEventAttributes) {
      failed += 1;
    } else if (
      !event.workflowTaskScheduledEventAttributes &&
      !event.workflowTaskStartedEventAttributes
    ) {
      break;
    }
  }
  return failed;
}
