/**
 * Messages between agents, and from people to agents: sent, read, and followed to each receiver. They
 * are in the store when `send` resolves, and a courier (`workflows/mail`) delivers them from there. It
 * keeps nothing itself.
 */
import { PerduraError } from '../contracts/failures.js';
import { isSessionName } from '../contracts/ids.js';
import { MOST_RECEIVERS, type DeliveryState } from '../contracts/mail.js';
import type { Addressee, Delivery, MailRecord } from '../store/mail-store.js';
import type { NewMail } from '../store/mail-rows.js';
import type { Groups, Mail } from '../store/stores.js';
import {
  limitOf,
  nameOf,
  newMail,
  shown,
  type MailOrigin,
  type OutgoingMail,
} from './outgoing-mail.js';

/** Receivers that the catalogue lacks, and of which Temporal is asked. */
const MOST_ASKED = 20;

/** A message to sessions or people, by their names. */
export interface DirectMail extends OutgoingMail {
  /** One to 1,000 names of sessions, or of members of groups. */
  readonly to: string | readonly string[];
}

export interface BroadcastMail extends OutgoingMail {
  /** Only to sessions of this agent. */
  readonly agent?: string | undefined;
}

/** The store has the message: it will be delivered once to each receiver, whatever dies. */
export interface MailReceipt {
  readonly id: string;
  readonly receivers: number;
  /** The same message was accepted before; nothing was added. */
  readonly duplicate: boolean;
}

/** A message that its receiver has not read. */
export type UnreadMail = MailRecord & Delivery;

/** What has become of a message. */
export interface DeliveryReport {
  readonly message: MailRecord;
  /** Receivers by state; a state that none is in is absent. */
  readonly counts: Readonly<Partial<Record<DeliveryState, number>>>;
  /** A page of the receivers, by name. */
  readonly deliveries: readonly Delivery[];
}

/** What the services are made of. */
export interface MailParts {
  readonly tenant: string;
  readonly stores: { readonly mail: Mail; readonly groups: Groups };
  /** Wakes the courier of a shard: it looks what waits. */
  readonly wake: (shard: number) => Promise<void>;
  /** Whether a session runs in Temporal; it may not be in the catalogue yet. */
  readonly isRunning: (session: string) => Promise<boolean>;
}

export class MessageService {
  readonly #parts: MailParts;

  constructor(parts: MailParts) {
    this.#parts = parts;
  }

  /**
   * Sends a message to sessions and people by their names. Resolves when the store has it. Rejects
   * with `Message.NoReceiver` where one of them does not exist or has ended, and then sends it to none
   * of them; with `Message.Invalid`, `Message.TooLarge`, `Message.Conflict` and `Message.NotFound`
   * (of `replyTo`). After `Temporal.Unavailable` and `Store.Unavailable` send it again with its id:
   * it is accepted once. `origin` is for a message that an agent writes.
   */
  async send(message: DirectMail, origin?: MailOrigin): Promise<MailReceipt> {
    const names = [message.to].flat().map((name) => nameOf('to', name, 80));
    const to = [...new Set(names)];
    if (to.length === 0 || to.length > MOST_RECEIVERS) {
      throw new PerduraError(
        'Message.Invalid',
        `The message has ${to.length} receivers. Use 1 to ${MOST_RECEIVERS} names, or a group.`,
      );
    }
    const mail = await this.#checked(message, origin);
    return this.#sent(await this.#accept(mail, to));
  }

  /** Sends a message to a group, as {@link GroupService.send}. */
  async sendToGroup(
    group: string,
    message: OutgoingMail,
    origin?: MailOrigin,
  ): Promise<MailReceipt> {
    const mail = await this.#checked(message, origin);
    const { groups } = this.#parts.stores;
    return this.#sent(await groups.post(nameOf('group', group, 80), mail, origin !== undefined));
  }

  /**
   * Sends a message to every session of the tenant that has not ended, but not to its sender. A
   * session that is started later does not get it.
   */
  async broadcast(message: BroadcastMail, origin?: MailOrigin): Promise<MailReceipt> {
    const mail = await this.#checked(message, origin);
    const { agent } = message;
    const filter = agent === undefined ? {} : { agent: nameOf('agent', agent, 64) };
    return this.#sent(await this.#parts.stores.mail.acceptBroadcast(mail, filter));
  }

  /** Sends a message once to every member of a group, in whatever groups it is. */
  async broadcastToMembers(message: OutgoingMail): Promise<MailReceipt> {
    const mail = await this.#checked(message);
    return this.#sent(await this.#parts.stores.mail.acceptBroadcast(mail, { members: true }));
  }

  /**
   * What a session or a person has not read: the most urgent first, then the oldest. A session reads
   * its messages itself, when it takes them into a turn.
   */
  async unread(receiver: string, options: { limit?: number } = {}): Promise<UnreadMail[]> {
    return this.#parts.stores.mail.unread(this.#key(receiver), limitOf(options.limit, 100));
  }

  /**
   * Marks messages as read, all of them without `ids`. Answers how many were unread. What a session's
   * queue has already is taken into a turn all the same.
   */
  async markRead(receiver: string, ids?: readonly string[]): Promise<number> {
    return this.#parts.stores.mail.markRead(this.#key(receiver), ids);
  }

  /** Rejects with `Message.NotFound`. */
  async get(id: string): Promise<MailRecord> {
    const { tenant, stores } = this.#parts;
    const message = await stores.mail.get(tenant, id);
    if (message) return message;
    throw new PerduraError(
      'Message.NotFound',
      `There is no message ${shown(id)} in tenant ${tenant}.`,
    );
  }

  /** What has become of a message. `after` is the last receiver of the page before. */
  async deliveries(
    id: string,
    options: { after?: string; limit?: number } = {},
  ): Promise<DeliveryReport> {
    const { tenant, stores } = this.#parts;
    const limit = limitOf(options.limit, 100);
    const message = await this.get(id);
    const [counts, deliveries] = await Promise.all([
      stores.mail.summary(tenant, id),
      stores.mail.receipts(tenant, id, { after: options.after, limit }),
    ]);
    return { message, counts, deliveries };
  }

  /** Sessions and members of groups that messages can be sent to, by name. */
  async addressees(
    options: { agent?: string; group?: string; limit?: number } = {},
  ): Promise<Addressee[]> {
    const { agent, group } = options;
    const { tenant, stores } = this.#parts;
    return stores.mail.addressees(tenant, { agent, group, limit: limitOf(options.limit, 100) });
  }

  async #accept(mail: NewMail, to: readonly string[]) {
    const { mail: store } = this.#parts.stores;
    try {
      return await store.accept(mail, to);
    } catch (error) {
      if (!(error instanceof PerduraError) || error.type !== 'Message.NoReceiver') throw error;
      const { missing, started } = await lookFor(this.#parts, to);
      if (started.length < missing.length) throw error;
      // Also where none is missing any more: it was entered meanwhile.
      return await store.accept(mail, to, missing);
    }
  }

  #key(receiver: string) {
    return { tenant: this.#parts.tenant, session: nameOf('receiver', receiver, 80) };
  }

  async #checked(message: OutgoingMail, origin?: MailOrigin): Promise<NewMail> {
    const { tenant, stores } = this.#parts;
    const mail = newMail(tenant, message, origin);
    const { parent, sender } = mail;
    if (parent !== undefined && !(await stores.mail.concerns(tenant, parent, sender))) {
      throw new PerduraError(
        'Message.NotFound',
        `There is no message ${shown(parent)} that "${sender}" has sent or received.`,
      );
    }
    return mail;
  }

  /** The couriers are woken before the sender is answered, so none is forgotten. */
  async #sent({
    shards,
    ...receipt
  }: MailReceipt & { readonly shards: readonly number[] }): Promise<MailReceipt> {
    await wakeAll(this.#parts, shards);
    return receipt;
  }
}

/**
 * Names that the catalogue lacks, and those of them that are sessions all the same: one that was
 * started this moment is not in the catalogue yet. Of more than 20 missing names none is looked for.
 */
export async function lookFor(
  { tenant, stores, isRunning }: Pick<MailParts, 'tenant' | 'stores' | 'isRunning'>,
  names: readonly string[],
): Promise<{ readonly missing: readonly string[]; readonly started: readonly string[] }> {
  const known = new Set((await stores.mail.find(tenant, names)).map(({ name }) => name));
  const missing = names.filter((name) => !known.has(name));
  if (missing.length > MOST_ASKED) return { missing, started: [] };
  const running = await Promise.all(
    missing.map(async (name) => isSessionName(name) && (await isRunning(name))),
  );
  return { missing, started: missing.filter((_, at) => running[at]) };
}

/** Wakes each courier once. */
export async function wakeAll(
  { wake }: Pick<MailParts, 'wake'>,
  shards: readonly number[],
): Promise<void> {
  await Promise.all([...new Set(shards)].map((shard) => wake(shard)));
}
