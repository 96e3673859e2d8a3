/** Trees of sessions, for tests: agents that delegate, the sessions below one, their histories. */
import type { Agent } from '../../src/contracts/agent.js';
import { DEFAULT_LIMITS } from '../../src/contracts/agent.js';
import type { SessionRecord } from '../../src/store/session-catalogue.js';
import type { SeenRequest } from '../../src/testing/seen-request.js';
import { replayHistory } from '../../src/testing/replay.js';
import type { Session } from '../../src/client/session.js';
import { eventually, historiesOf } from './observe.js';
import type { Harness } from './harness.js';

/** An agent whose name is its instructions, so that a script knows who asks. */
export function agentNamed(name: string, more: Partial<Agent> = {}): Agent {
  return {
    name,
    instructions: name,
    provider: 'default',
    model: 'gpt-test',
    temperature: 0.7,
    maxTokens: 1_024,
    tools: [],
    mcp: [],
    unread: 'all',
    limits: DEFAULT_LIMITS,
    ...more,
  };
}

/** Requests of this agent. */
export const by =
  (agent: string) =>
  ({ system }: SeenRequest): boolean =>
    system.startsWith(agent);

/** What the tools answered behind the last message of the model. */
export function told({ messages }: SeenRequest): string[] {
  const after = messages.findLastIndex(({ role }) => role !== 'tool') + 1;
  return messages.slice(after).map(({ text }) => text);
}

/** The sessions below one that the catalogue has. */
export async function below(
  h: Pick<Harness, 'runtime'>,
  session: Session,
): Promise<SessionRecord[]> {
  const all = await h.runtime.sessions({ limit: 1_000 });
  return all.filter(({ path = [] }) => path.slice(0, -1).includes(session.id));
}

/** Resolves when all sessions below one have ended. */
export function allEnded(h: Pick<Harness, 'runtime'>, session: Session): Promise<unknown> {
  // With a cache of 2 a hundred sessions are replayed two at a time.
  return eventually(
    async () => (await below(h, session)).every(({ state }) => state === 'terminated'),
    60_000,
  );
}

/** Replays the histories of a session and of all below it. Resolves with how many there were. */
export async function replayTree(h: Pick<Harness, 'runtime'>, session: Session): Promise<number> {
  const ids = [
    session.workflowId,
    ...(await below(h, session)).map(({ workflowId }) => workflowId),
  ];
  let runs = 0;
  for (const workflowId of ids) {
    for (const events of await historiesOf(h as Harness, workflowId)) {
      await replayHistory({ events }, { workflowId });
      runs += 1;
    }
  }
  return runs;
}
