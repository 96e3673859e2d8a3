/**
 * Delivers what waits in the store, page by page. Its place is in the rows themselves, so an attempt
 * that follows a dead one delivers only what was not noted yet; what was sent and not noted is sent
 * again, and the session recognises its id.
 *
 * The messages for one receiver go out in one signal, in their order. Couriers of other senders write
 * to the same receiver at the same time, and no order is promised between them.
 */
import { Context } from '@temporalio/activity';
import {
  MAIL_SIGNAL,
  mailMessageId,
  rankOf,
  STOP_GROUP_SIGNAL,
  type DeliverMailInput,
  type DeliverMailResult,
  type MailBatch,
  type MailItem,
} from '../../src/contracts/mail.js';
import { jsonBytes } from '../../src/contracts/message.js';
import type { DeliveryOutcome, WaitingMail } from '../../src/store/mail-store.js';
import type { ActivityDeps } from '../deps.js';
import { keepAlive } from '../execution.js';
import { mailText } from './mail-text.js';
import { passFloors } from './floors.js';

/** Receivers that are signalled at the same time. */
const AT_ONCE = 32;
/** Bytes of one signal: a payload may have 2 MiB. */
const SIGNAL_BYTES = 1024 * 1024;
const NORMAL = rankOf('normal');

export type DeliverMailDeps = Pick<ActivityDeps, 'mail' | 'groups' | 'signals'>;

export async function deliverMail(
  deps: DeliverMailDeps,
  { tenant, shard }: DeliverMailInput,
): Promise<DeliverMailResult> {
  const context = Context.current();
  const stop = keepAlive();
  let delivered = 0;
  let failed = 0;
  try {
    for (;;) {
      const page = await deps.mail.nextWaiting(tenant, shard);
      if (page.length === 0) return { delivered, failed };
      const outcomes = await deliverPage(deps, tenant, page, context.cancellationSignal);
      // Before it is noted: an attempt that follows finds what is not noted, and passes it again.
      await passFailed(deps, tenant, page, outcomes);
      const stopped = await deps.mail.settle(tenant, outcomes);
      for (const { receiver, groupId } of stopped) {
        await deps.signals.signal({ tenant, session: receiver }, STOP_GROUP_SIGNAL, groupId);
      }
      delivered += outcomes.filter(({ state }) => state === 'delivered').length;
      failed += outcomes.filter(({ state }) => state === 'failed').length;
      context.heartbeat({ delivered, failed });
    }
  } finally {
    stop();
  }
}

async function deliverPage(
  deps: DeliverMailDeps,
  tenant: string,
  page: readonly WaitingMail[],
  signal: AbortSignal,
): Promise<DeliveryOutcome[]> {
  const queue = [...byReceiver(page).values()];
  const outcomes: DeliveryOutcome[] = [];
  const work = async () => {
    for (let mails = queue.shift(); mails; mails = queue.shift()) {
      signal.throwIfAborted();
      outcomes.push(...(await deliverTo(deps, tenant, mails)));
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, queue.length) }, work));
  return outcomes;
}

/** All that waits for one receiver. */
async function deliverTo(
  { signals }: DeliverMailDeps,
  tenant: string,
  mails: readonly WaitingMail[],
): Promise<DeliveryOutcome[]> {
  const { receiver, agent, workflowId, ended } = mails[0]!;
  const key = {
    tenant,
    session: receiver,
    ...(workflowId === undefined ? {} : { workflowId }),
  };
  const outcomes: DeliveryOutcome[] = [];
  for (const batch of batches(mails)) {
    const taken = ended
      ? false
      : 'stop' in batch
        ? // A session that does not run has nothing to stop.
          (await signals.signal(key, STOP_GROUP_SIGNAL, batch.stop), true)
        : await signals.signalOrStart(key, { agent }, MAIL_SIGNAL, {
            messages: batch.messages,
          } satisfies MailBatch);
    for (const { mailing } of batch.mails) {
      outcomes.push({
        mailing,
        receiver,
        ...(taken
          ? { state: 'delivered' }
          : { state: 'failed', reason: `The session ${receiver} has ended.` }),
      });
    }
  }
  return outcomes;
}

type Batch =
  | { readonly mails: WaitingMail[]; readonly stop: string }
  | { readonly mails: WaitingMail[]; readonly messages: MailItem[] };

function batches(mails: readonly WaitingMail[]): Batch[] {
  const all: Batch[] = [];
  let bytes = 0;
  for (const mail of mails) {
    if (mail.kind === 'stop') {
      all.push({ mails: [mail], stop: mail.group?.id ?? '' });
      continue;
    }
    const item = itemOf(mail);
    const size = jsonBytes(item.text) + 512;
    const last = all.at(-1);
    if (last && 'messages' in last && bytes + size <= SIGNAL_BYTES) {
      last.mails.push(mail);
      last.messages.push(item);
      bytes += size;
    } else {
      all.push({ mails: [mail], messages: [item] });
      bytes = size;
    }
  }
  return all;
}

function itemOf(mail: WaitingMail): MailItem {
  const { mailing, sender, group, asks, expiresAt, rank } = mail;
  return {
    id: mailMessageId(mailing),
    text: mailText(mail),
    from: sender,
    ...(group ? { group: group.id } : {}),
    ...(asks ? {} : { quiet: true }),
    ...(expiresAt ? { until: expiresAt.getTime() } : {}),
    ...(rank === NORMAL ? {} : { rank }),
  };
}

/** A member that cannot be reached does not keep the floor. */
async function passFailed(
  deps: DeliverMailDeps,
  tenant: string,
  page: readonly WaitingMail[],
  outcomes: readonly DeliveryOutcome[],
): Promise<void> {
  const failed = new Set(
    outcomes.flatMap((each) => (each.state === 'failed' ? [keyOf(each)] : [])),
  );
  for (const mail of page) {
    if (!mail.group || !failed.has(keyOf(mail))) continue;
    await passFloors(deps, { tenant, session: mail.receiver }, [mail.group.id]);
  }
}

function keyOf({ mailing, receiver }: { mailing: string; receiver: string }): string {
  return `${receiver} ${mailing}`;
}

function byReceiver(page: readonly WaitingMail[]): Map<string, WaitingMail[]> {
  const all = new Map<string, WaitingMail[]>();
  for (const mail of page) {
    const mails = all.get(mail.receiver);
    if (mails) mails.push(mail);
    else all.set(mail.receiver, [mail]);
  }
  return all;
}
