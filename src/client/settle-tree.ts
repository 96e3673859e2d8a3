/**
 * What a session could not tell its tree, because its workflow was ended from outside: the run above
 * gets a failure as the answer to its task, and what is below ends.
 */
import type { Client } from '@temporalio/client';
import { taskId } from '../contracts/delegation.js';
import type { FailureInfo } from '../contracts/failures.js';
import { workflowIdOf, type SessionKey } from '../contracts/ids.js';
import { HANDLERS, REPLY_SIGNAL, type SessionReply } from '../contracts/session.js';
import type { Sessions } from '../store/stores.js';

/** Never rejects: a workflow that is gone needs to be told nothing. */
export async function settleTree(
  { client, sessions }: { readonly client: Client; readonly sessions: Sessions },
  key: SessionKey,
  failure: FailureInfo,
): Promise<void> {
  const { tenant, session } = key;
  const record = await sessions.get(tenant, session).catch(() => undefined);
  if (!record) return;
  const signal = (workflowId: string, name: string, argument: unknown) =>
    client.workflow
      .getHandle(workflowId)
      .signal(name, argument)
      .catch(() => undefined);
  const above = record.parent && workflowOfRun(tenant, record.parent);
  if (above) {
    const reply: SessionReply = { id: taskId(session), session, failure };
    await signal(above, REPLY_SIGNAL, reply);
  }
  const own = `session/${session}`;
  const below = await sessions
    .below(tenant, { name: session, root: record.root ?? own }, { open: true })
    .catch(() => []);
  const reason = 'The workflow of the session above was ended.';
  await Promise.all(
    below
      .filter(({ parent, kept }) => parent === own && !kept)
      .map(({ workflowId }) =>
        signal(workflowId, HANDLERS.terminate, { reason, by: record.workflowId }),
      ),
  );
}

/** Workflow id of a run that may have asked; see `runName`. */
function workflowOfRun(tenant: string, run: string): string | undefined {
  const [kind, ...rest] = run.split('/');
  const id = rest.join('/');
  if (kind === 'session') return workflowIdOf({ tenant, session: id });
  return kind === 'execution' ? id : undefined;
}
