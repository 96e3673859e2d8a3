/** Jobs that a query has brought before their workflow task: kept until it comes. */
import type { ActivateInput } from '@temporalio/workflow';
import { expect, it } from 'vitest';
import { interceptors } from '../../../workflows/early-jobs.js';

type Activation = ActivateInput['activation'];
type Job = NonNullable<Activation['jobs']>[number];

const resolve = (seq: number): Job => ({ resolveActivity: { seq } });
const signal = (signalName: string): Job => ({ signalWorkflow: { signalName } });
const update = (name: string): Job => ({ doUpdate: { name } });
const query: Job = { queryWorkflow: { queryId: 'legacy_query' } };

/** Where it stands: a task that was started brings a time and a size of its own. */
interface Stand {
  readonly length: number;
  readonly task: number;
  readonly replaying?: boolean;
}

/** What the workflow is handed of each activation, in the order of the SDK. */
function handedOut(...activations: readonly (readonly [Stand, ...Job[]])[]): string[] {
  const [{ activate }] = interceptors().internals! as [{ activate: Activate }];
  return activations.map(([{ length, task, replaying = false }, ...jobs]) => {
    const activation = {
      historyLength: length,
      historySizeBytes: task * 100,
      timestamp: { seconds: 1_000 + task, nanos: 5 },
      isReplaying: replaying,
      jobs,
    } as unknown as Activation;
    let handed = '';
    activate({ activation, batchIndex: 0 }, (input) => {
      handed = (input.activation.jobs ?? []).map(nameOf).join(' ');
    });
    return handed;
  });
}
type Activate = (input: ActivateInput, next: (input: ActivateInput) => void) => void;

const nameOf = (job: Job): string =>
  job.initializeWorkflow
    ? 'init'
    : job.queryWorkflow
      ? 'query'
      : (job.signalWorkflow?.signalName ??
        job.doUpdate?.name ??
        `resolve${String(job.resolveActivity?.seq)}`);

const init: readonly [Stand, Job] = [{ length: 4, task: 1 }, { initializeWorkflow: {} }];

it('each task brings its own → handed out as they come', () => {
  expect(
    handedOut(
      init,
      [{ length: 11, task: 2 }, resolve(1)],
      [{ length: 20, task: 3 }, update('ask')],
    ),
  ).toEqual(['init', 'resolve1', 'ask']);
});

it('a query reads events of no task yet → kept, the query is answered, then all of the task in the order of a replay', () => {
  expect(
    handedOut(
      init,
      [{ length: 10, task: 1 }, resolve(1)],
      [{ length: 10, task: 1 }, query],
      [{ length: 12, task: 1 }, signal('pause'), resolve(2)],
      [{ length: 12, task: 1 }, query],
      [{ length: 20, task: 2 }, update('ask'), resolve(3)],
      [{ length: 25, task: 3 }, resolve(4)],
    ),
  ).toEqual(['init', '', 'query', '', 'query', 'pause ask resolve1 resolve2 resolve3', 'resolve4']);
});

it('at replay, and within one task → nothing is kept', () => {
  expect(
    handedOut(
      init,
      [{ length: 10, task: 1, replaying: true }, resolve(1)],
      [{ length: 10, task: 1 }, resolve(2)],
    ),
  ).toEqual(['init', 'resolve1', 'resolve2']);
});

it('a server that counts no bytes → nothing is kept: times alone may be equal', () => {
  expect(
    handedOut([{ length: 4, task: 0 }, signal('a')], [{ length: 9, task: 0 }, resolve(1)]),
  ).toEqual(['a', 'resolve1']);
});
