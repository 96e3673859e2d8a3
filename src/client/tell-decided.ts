/** Whether a session still waits for a request, and telling it that somebody has decided. */
import type { Client } from '@temporalio/client';
import { DECIDED_SIGNAL } from '../contracts/requests.js';
import type { RequestRecord } from '../store/request-store.js';
import { isWorkflowNotFound, toClientError } from './client-errors.js';
import { PerduraError } from '../contracts/failures.js';

/** Whether it was taken. Temporal may be away: the decision stands, and a worker tells it later. */
export async function tellDecided(
  client: Client,
  { workflowId, session, callKey }: RequestRecord,
): Promise<boolean> {
  try {
    await client.workflow.getHandle(workflowId).signal(DECIDED_SIGNAL, callKey);
    return true;
  } catch (error) {
    if (isWorkflowNotFound(error)) return false;
    const known = toClientError(error, session);
    if (known instanceof PerduraError && known.type === 'Temporal.Unavailable') return false;
    throw known;
  }
}

/** Whether the workflow that waits runs; `undefined` while Temporal does not answer. */
export async function stillRuns(
  client: Client,
  { workflowId, session }: RequestRecord,
): Promise<boolean | undefined> {
  try {
    return (await client.workflow.getHandle(workflowId).describe()).status.name === 'RUNNING';
  } catch (error) {
    if (isWorkflowNotFound(error)) return false;
    const known = toClientError(error, session);
    if (known instanceof PerduraError && known.type === 'Temporal.Unavailable') return undefined;
    throw known;
  }
}
