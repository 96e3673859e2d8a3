/** Compares the catalogue with Temporal: for sessions whose workflow was ended from outside. */
import type { SessionRecord } from '../store/session-catalogue.js';
import type { Connections } from './connections.js';
import { SessionWorkflow } from './session-workflow.js';

/** Questions to Temporal at the same time. */
const AT_ONCE = 10;

/** Resolves with the names of the sessions whose record was corrected. */
export async function reconcile(
  connections: Connections,
  records: readonly SessionRecord[],
): Promise<string[]> {
  const open = records.filter(({ state }) => state !== 'terminated').values();
  const corrected: string[] = [];
  const ask = async () => {
    for (const { tenant, session, workflowId } of open) {
      const workflow = new SessionWorkflow(connections, { tenant, session }, workflowId);
      const { is } = await workflow.presence();
      if (is === 'ended' || is === 'failed') corrected.push(session);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, ask));
  return corrected;
}
