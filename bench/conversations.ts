/** A conversation of either side, so that the measurements need not know which. */
import { randomUUID } from 'node:crypto';
import type { Environment, Side } from './environment.js';
import type { loop } from './baseline/workflow.js';

export interface Conversation {
  readonly side: Side;
  readonly workflowId: string;
  /** One turn, from handing the message over to having the answer. */
  turn(text: string): Promise<string>;
  end(): Promise<void>;
}

/** Short messages of the same length, as in a conversation that goes on and on. */
export function messageOf(turn: number): string {
  return `What is 40 and 2? (${String(turn).padStart(4, '0')})`;
}

/** Ours as an application holds it: `session.ask`, which waits on the events of the session. */
export async function startPerdura({
  runtime,
}: Pick<Environment, 'runtime'>): Promise<Conversation> {
  const session = await runtime.start({ agent: 'assistant' });
  return {
    side: 'perdura',
    workflowId: session.workflowId,
    turn: async (text) => (await session.ask(text)).text,
    end: () => session.end(),
  };
}

/** The baseline: an update that returns with the answer. */
export async function startBaseline({ client, queues }: Environment): Promise<Conversation> {
  const handle = await client.workflow.start<typeof loop>('loop', {
    workflowId: `bench-${randomUUID()}`,
    taskQueue: queues.baseline,
    args: [],
  });
  return {
    side: 'baseline',
    workflowId: handle.workflowId,
    turn: (text) => handle.executeUpdate<string, [string]>('ask', { args: [text] }),
    end: () => handle.signal('end'),
  };
}
