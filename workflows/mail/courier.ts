/**
 * A courier: delivers the messages of some senders of a tenant. What it delivers, and to whom, is in
 * the store; the workflow only makes sure that somebody looks again after each wake-up. So its history
 * grows neither with the messages nor with their receivers, and it ends when nothing waits.
 */
import { continueAsNew, defineSignal, proxyActivities, workflowInfo } from '@temporalio/workflow';
import {
  COURIER_SIGNAL,
  STOP_SHARD,
  type CourierInput,
  type MailActivities,
} from '../../src/contracts/mail.js';
import { onSignal } from '../door.js';
import { PATIENT } from '../session/calls.js';

/** One look goes through all that waits, and may take long. */
const LOOK_MS = 3_600_000;
/** A worker that is silent for so long is taken for dead. */
const HEARTBEAT_MS = 5_000;
/** Events of one run. */
const MANY_EVENTS = 500;

const wakeSignal = defineSignal(COURIER_SIGNAL);

export async function mailCourier(input: CourierInput): Promise<void> {
  let woken = true;
  onSignal(wakeSignal, () => void (woken = true), { atOnce: true });
  const { deliverMail } = proxyActivities<MailActivities>({
    startToCloseTimeout: LOOK_MS,
    heartbeatTimeout: HEARTBEAT_MS,
    retry: { ...PATIENT, maximumInterval: 5_000 },
    summary: input.shard === STOP_SHARD ? 'stop groups' : 'deliver what waits',
  });
  while (woken) {
    woken = false;
    await deliverMail({ tenant: input.tenant, shard: input.shard });
    if (woken && workflowInfo().historyLength > MANY_EVENTS) {
      await continueAsNew<typeof mailCourier>(input);
    }
  }
}
