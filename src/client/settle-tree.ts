/**
 * What a session could not tell its tree, because its workflow was ended from outside: the run above
 * gets a failure as the answer to its task, and what is below ends, goes on, or goes to the run above.
 */
import type { Client } from '@temporalio/client';
import { taskId } from '../contracts/delegation.js';
import type { FailureInfo } from '../contracts/failures.js';
import { workflowIdOf, type SessionKey } from '../contracts/ids.js';
import {
  HANDLERS,
  KIN_SIGNAL,
  REPLY_SIGNAL,
  type KinMessage,
  type SessionReply,
} from '../contracts/session.js';
import type { SessionRecord } from '../store/session-catalogue.js';
import type { Events, Sessions } from '../store/stores.js';

/** Never rejects: a workflow that is gone needs to be told nothing. */
export async function settleTree(
  parts: {
    readonly client: Client;
    readonly sessions: Sessions;
    readonly events: Pick<Events, 'delegated'>;
  },
  key: SessionKey,
  failure: FailureInfo,
): Promise<void> {
  const { client, sessions, events } = parts;
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
  const all = await sessions
    .below(tenant, { name: session, root: record.root ?? own }, { open: true })
    .catch(() => []);
  const children = all.filter(({ parent }) => parent === own);
  if (children.length === 0) return;
  // The others were started by hand: nobody waits for an answer of theirs.
  const tasks = await events.delegated(key, record.lastEvent).catch((): string[] => []);
  const reason = 'The workflow of the session above was ended.';
  const settle = async ({ session: child, workflowId, agent, onParentEnd }: SessionRecord) => {
    if (onParentEnd === undefined || onParentEnd === 'end') {
      return signal(workflowId, HANDLERS.terminate, { reason, by: record.workflowId });
    }
    const next = onParentEnd === 'grandparent' ? record.parent : undefined;
    if (above && next?.startsWith('session/') && tasks.includes(child)) {
      const adopt = { session: child, agent, from: own };
      await signal(above, KIN_SIGNAL, { adopt } satisfies KinMessage);
    }
  };
  await Promise.all(children.map(settle));
}

/** Workflow id of a run that may have asked; see `runName`. */
function workflowOfRun(tenant: string, run: string): string | undefined {
  const [kind, ...rest] = run.split('/');
  const id = rest.join('/');
  if (kind === 'session') return workflowIdOf({ tenant, session: id });
  return kind === 'execution' ? id : undefined;
}
