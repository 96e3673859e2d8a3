/**
 * The cause of histories that cannot be replayed, beside the SDK's own code. A local activity ends
 * within a workflow task, and where in it is not on record: at replay every local activity whose
 * marker stands in a task is resolved at once, together with the updates of that task
 * (`apply_local_activity_peeked_resolutions` in sdk-core, workflow_machines.rs). What the workflow
 * did in several activations it then does in one, in another order.
 *
 * When one of these fails because a replay succeeds, the SDK has changed, and the rule "no local
 * activities" in docs/architecture.md may be looked at again.
 */
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Connection, Client, WithStartWorkflowOperation } from '@temporalio/client';
import {
  bundleWorkflowCode,
  NativeConnection,
  Worker,
  type InjectedSinks,
} from '@temporalio/worker';
import type { Gates } from '../../fixtures/local-activity-workflows.js';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';

const taskQueue = `local-${randomUUID()}`;
const workflowsPath = fileURLToPath(
  new URL('../../fixtures/local-activity-workflows.ts', import.meta.url),
);

let native: NativeConnection;
let client: Client;
let worker: Worker;
let running: Promise<void>;
let workflowBundle: { code: string };

interface Gate {
  /** Whether the activity runs. */
  readonly waiting: Promise<void>;
  readonly reached: () => void;
  readonly opened: Promise<void>;
  readonly open: () => void;
}
const gates = new Map<string, Gate>();
function gateOf(name: string): Gate {
  let gate = gates.get(name);
  if (!gate) {
    let reached!: () => void;
    let open!: () => void;
    const waiting = new Promise<void>((resolve) => (reached = resolve));
    const opened = new Promise<void>((resolve) => (open = resolve));
    gates.set(name, (gate = { waiting, reached, opened, open }));
  }
  return gate;
}
// A sink is called before the SDK's core hears what the workflow did; the activity ends after that.
const REPORTED_MS = 300;
const sinks: InjectedSinks<Gates> = {
  gates: {
    open: {
      fn: (_info, gate) => void setTimeout(gateOf(gate).open, REPORTED_MS),
      callDuringReplay: false,
    },
  },
};

beforeAll(async () => {
  const address = inject('temporalAddress');
  native = await NativeConnection.connect({ address });
  client = new Client({ connection: await Connection.connect({ address }) });
  workflowBundle = await bundleWorkflowCode({ workflowsPath });
  worker = await Worker.create({
    connection: native,
    taskQueue,
    workflowBundle,
    activities: {
      wait: async (gate?: string) => {
        if (gate === undefined) return;
        gateOf(gate).reached();
        await gateOf(gate).opened;
      },
    },
    sinks,
  });
  running = worker.run();
});
afterAll(async () => {
  worker.shutdown();
  await running;
  await native.close();
  await client.connection.close();
});

/** Runs the workflow, presses the button, and replays what has happened. */
async function replayed(workflow: string, pressAtStart: boolean): Promise<string> {
  const workflowId = `${workflow}-${randomUUID()}`;
  const start = { workflowId, taskQueue, args: [workflowId], workflowTaskTimeout: 1_000 } as const;
  if (pressAtStart) {
    await client.workflow.executeUpdateWithStart('press', {
      startWorkflowOperation: new WithStartWorkflowOperation(workflow, {
        ...start,
        workflowIdConflictPolicy: 'FAIL',
      }),
    });
  } else {
    const handle = await client.workflow.start(workflow, start);
    await gateOf(workflowId).waiting;
    await handle.executeUpdate('press');
  }
  const handle = client.workflow.getHandle(workflowId);
  await handle.result();
  return Worker.runReplayHistory(
    { workflowBundle, sinks },
    await handle.fetchHistory(),
    workflowId,
  ).then(
    () => 'replays',
    (error: unknown) => (error as Error).message,
  );
}

/**
 * The same until a history cannot be replayed. On a busy machine both activities may end in one
 * activation in the first run too, and then there is nothing to see.
 */
async function replayedOften(workflow: string, pressAtStart: boolean): Promise<string> {
  for (let tries = 1; ; tries++) {
    const verdict = await replayed(workflow, pressAtStart);
    if (verdict !== 'replays' || tries === 6) return verdict;
  }
}

describe('two activities at once in a workflow that takes an update', () => {
  it('local activities: the history cannot be replayed, because both end in one activation then', async () => {
    expect(await replayedOften('twoLocalActivities', true)).toMatch(/Nondeterminism/);
  });

  it('regular activities: the same workflow → its history replays', async () => {
    expect(await replayed('twoRegularActivities', true)).toBe('replays');
  });
});

describe('one activity that outlives its workflow task, and an update meanwhile', () => {
  it('local activity: the history cannot be replayed, because the update and the end of the activity come in one activation then', async () => {
    expect(await replayedOften('oneLocalActivity', false)).toMatch(/Nondeterminism/);
  });

  it('regular activity: the same workflow → its history replays', async () => {
    expect(await replayed('oneRegularActivity', false)).toBe('replays');
  });
});
