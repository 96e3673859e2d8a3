/** Groups of agents and people: created, written to, stopped. It keeps nothing itself. */
import { randomBytes } from 'node:crypto';
import { PerduraError } from '../contracts/failures.js';
import { invalidSessionName, isSessionName } from '../contracts/ids.js';
import {
  GROUP_DEFAULTS,
  MOST_HOPS,
  MOST_MEMBERS,
  MOST_ROUND_MESSAGES,
  ROLES,
  SPEAK_MODES,
  type GroupRole,
  type SpeakMode,
} from '../contracts/mail.js';
import { wellFormed } from '../contracts/text.js';
import type { GroupMember, GroupRecord, NewMember } from '../store/group-store.js';
import type { GroupMail } from '../store/mail-store.js';
import {
  lookFor,
  MessageService,
  wakeAll,
  type MailParts,
  type MailReceipt,
} from './message-service.js';
import { limitOf, nameOf, shown, type OutgoingMail } from './outgoing-mail.js';

/** A member, as it is added: the name of a session or a person, or more about it. */
export type MemberDeclaration =
  | string
  | {
      /** 1 to 80 of `A-Z a-z 0-9 _ -`. */
      readonly name: string;
      /**
       * Agent of the session, which is started when it gets its first message. Absent: the session
       * that has the name, or else a person, whose messages wait in the mailbox.
       */
      readonly agent?: string | undefined;
      /** Default `member`. */
      readonly role?: GroupRole | undefined;
    };

export interface GroupDeclaration {
  /** 1 to 80 of `A-Z a-z 0-9 _ -`. */
  readonly name: string;
  readonly title?: string | undefined;
  readonly members?: readonly MemberDeclaration[] | undefined;
  /**
   * Who answers a message. `free` (default): every agent. `round-robin`: one after another, in the
   * order of joining. `mention`: those whose `@name` is in the text, one after another. `moderator`:
   * whom the agent with that role chooses. Where one speaks at a time, the others hear a message
   * when it is their turn.
   */
  readonly speak?: SpeakMode | undefined;
  /** Whether what an agent answers goes to the other members. Default true. */
  readonly answers?: boolean | undefined;
  /** Messages of agents in a row, without one of a person between them. 1 to 1,000, default 4. */
  readonly maxHops?: number | undefined;
  /** Messages of agents in all that go back to one message of a person. 1 to 100,000, default 50. */
  readonly maxMessages?: number | undefined;
}

export class GroupService {
  readonly #parts: MailParts;
  readonly #messages: MessageService;

  constructor(parts: MailParts) {
    this.#parts = parts;
    this.#messages = new MessageService(parts);
  }

  /** Rejects with `Group.Exists` and `Group.Invalid`. */
  async create(declaration: GroupDeclaration): Promise<GroupRecord> {
    const { tenant, stores } = this.#parts;
    const { title, speak = GROUP_DEFAULTS.speak, answers = GROUP_DEFAULTS.answers } = declaration;
    const name = checkName('group', declaration.name);
    if (!SPEAK_MODES.includes(speak)) {
      throw invalid(`"speak" is ${shown(speak)}. Use one of ${SPEAK_MODES.join(', ')}.`);
    }
    if (typeof answers !== 'boolean') {
      throw invalid(`"answers" is ${shown(answers)}. Use true or false.`);
    }
    const members = await this.#known(checkMembers(declaration.members ?? []));
    const moderators = members.filter(({ role }) => role === 'moderator');
    const [moderator] = moderators;
    if (speak === 'moderator' ? moderators.length !== 1 : moderator !== undefined) {
      throw invalid(
        speak === 'moderator'
          ? `The group has ${moderators.length} moderators. With speak "moderator" it needs one member with that role.`
          : `The group has a moderator, and speak is "${speak}". Use speak "moderator".`,
      );
    }
    await stores.groups.create(
      {
        tenant,
        name,
        id: `${name}.${randomBytes(5).toString('hex')}`,
        ...(title === undefined ? {} : { title: wellFormed(nameOf('title', title, 200)) }),
        speak,
        answers,
        maxHops: whole('maxHops', declaration.maxHops ?? GROUP_DEFAULTS.maxHops, 1, MOST_HOPS),
        maxMessages: whole(
          'maxMessages',
          declaration.maxMessages ?? GROUP_DEFAULTS.maxMessages,
          1,
          MOST_ROUND_MESSAGES,
        ),
        ...(moderator ? { moderator: moderator.name } : {}),
      },
      members,
    );
    return this.get(name);
  }

  /** Rejects with `Group.NotFound`. */
  async get(name: string): Promise<GroupRecord> {
    const { tenant, stores } = this.#parts;
    const group = await stores.groups.get(tenant, name);
    if (group) return group;
    throw new PerduraError(
      'Group.NotFound',
      `There is no group ${shown(name)} in tenant ${tenant}.`,
    );
  }

  /** By name. `after` is the last name of the page before. */
  async list(options: { after?: string; limit?: number } = {}): Promise<GroupRecord[]> {
    const { after, limit } = options;
    return this.#parts.stores.groups.list(this.#parts.tenant, {
      ...(after === undefined ? {} : { after }),
      limit: limitOf(limit, 100),
    });
  }

  /** By name. `after` is the last name of the page before. */
  async members(
    name: string,
    options: { after?: string; limit?: number } = {},
  ): Promise<GroupMember[]> {
    await this.get(name);
    const { after, limit } = options;
    return this.#parts.stores.groups.members(this.#parts.tenant, name, {
      ...(after === undefined ? {} : { after }),
      limit: limitOf(limit, 1_000),
    });
  }

  /** Adds members, or gives members another role. They get what is sent from then on. */
  async add(name: string, members: readonly MemberDeclaration[]): Promise<void> {
    const checked = checkMembers(members);
    if (checked.some(({ role }) => role === 'moderator')) {
      throw invalid('The moderator of a group is named when the group is created.');
    }
    await this.#parts.stores.groups.add(this.#parts.tenant, name, await this.#known(checked));
  }

  /** With those marked that are sessions which are not in the catalogue yet. */
  async #known(members: readonly NewMember[]): Promise<NewMember[]> {
    const unnamed = members.flatMap(({ name, agent }) => (agent === undefined ? [name] : []));
    const { started } = await lookFor(this.#parts, unnamed);
    return members.map((each) => (started.includes(each.name) ? { ...each, started: true } : each));
  }

  /** What waits for the member is not delivered any more. Answers whether it was one. */
  async remove(name: string, member: string): Promise<boolean> {
    const { removed, shards } = await this.#parts.stores.groups.remove(
      this.#parts.tenant,
      name,
      member,
    );
    await wakeAll(this.#parts, shards);
    return removed;
  }

  /**
   * Sends a message to all members but its sender, with everything that {@link MessageService.send}
   * says. `from` may be anyone, but not an observer of the group (`Group.NotMember`). Rejects with
   * `Group.NotFound` and `Group.Stopped`.
   */
  async send(name: string, message: OutgoingMail): Promise<MailReceipt> {
    return this.#messages.sendToGroup(name, message);
  }

  /** Sends a message once to every member of any group of the tenant. */
  async broadcast(message: OutgoingMail): Promise<MailReceipt> {
    return this.#messages.broadcastToMembers(message);
  }

  /** What was said, oldest first: the last messages, or those before the message `before`. */
  async history(
    name: string,
    options: { before?: string; limit?: number } = {},
  ): Promise<GroupMail[]> {
    await this.get(name);
    const { before, limit } = options;
    return this.#parts.stores.groups.history(this.#parts.tenant, name, {
      before,
      limit: limitOf(limit, 100),
    });
  }

  /** Nothing is delivered until it is resumed; messages are accepted. Turns under way go on. */
  async pause(name: string): Promise<void> {
    await this.#parts.stores.groups.pause(this.#parts.tenant, name, true);
  }

  async resume(name: string): Promise<void> {
    const { groups } = this.#parts.stores;
    await wakeAll(this.#parts, await groups.pause(this.#parts.tenant, name, false));
  }

  /**
   * Stops a group for good: when this resolves, nothing that is said in it goes to anyone any more.
   * Turns on its messages are interrupted at once, and those that wait are dropped.
   */
  async stop(name: string, reason = `The group ${name} was stopped.`): Promise<void> {
    const { groups } = this.#parts.stores;
    await wakeAll(this.#parts, await groups.stop(this.#parts.tenant, name, wellFormed(reason)));
  }

  /** Stops it, and deletes it with its history. What members have read stays in their transcripts. */
  async delete(name: string): Promise<void> {
    const { groups } = this.#parts.stores;
    await wakeAll(this.#parts, await groups.delete(this.#parts.tenant, name));
  }
}

function checkMembers(members: readonly MemberDeclaration[]): NewMember[] {
  const list: unknown = members;
  if (!Array.isArray(list)) throw invalid('"members" is not a list.');
  const checked = members.map((each): NewMember => {
    const { name, agent, role = 'member' } = typeof each === 'string' ? { name: each } : each;
    if (!ROLES.includes(role)) {
      throw invalid(`The role ${shown(role)} is unknown. Use one of ${ROLES.join(', ')}.`);
    }
    return {
      name: checkName('member', name),
      ...(agent === undefined ? {} : { agent: nameOf('agent', agent, 64) }),
      role,
    };
  });
  const names = new Set(checked.map(({ name }) => name));
  if (names.size < checked.length) throw invalid('A member is listed twice.');
  if (checked.length > MOST_MEMBERS) {
    throw invalid(`The group would have ${checked.length} members; it may have ${MOST_MEMBERS}.`);
  }
  return checked;
}

function checkName(what: string, name: unknown): string {
  if (typeof name === 'string' && isSessionName(name)) return name;
  throw invalid(invalidSessionName(String(name)).replace('session name', `name of a ${what}`));
}

function whole(field: string, value: unknown, least: number, most: number): number {
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) {
    return value as number;
  }
  throw invalid(`"${field}" is ${shown(value)}. Use a whole number from ${least} to ${most}.`);
}

function invalid(message: string): PerduraError {
  return new PerduraError('Group.Invalid', message);
}
