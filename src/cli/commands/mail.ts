/** `perdura groups` and `perdura messages`: thin over `runtime.groups` and `runtime.messages`. */
import type { GroupRole, Priority, SpeakMode } from '../../contracts/mail.js';
import type { MemberDeclaration } from '../../mail/group-service.js';
import type { AgentRuntime } from '../../client/agent-runtime.js';
import { didYouMean } from '../../contracts/near-names.js';
import { EXIT, UsageError, type CommandContext } from '../context.js';
import { messageText } from '../message-text.js';
import { withRuntime } from '../open-runtime.js';
import { knownAgents } from './agents.js';
import {
  deliveriesText,
  groupsText,
  historyText,
  membersText,
  receiptText,
  unreadText,
} from '../render/mail.js';
import { plural } from '../render/units.js';

export interface CreateGroupOptions {
  readonly title?: string;
  readonly speak: string;
  readonly answers: boolean;
  readonly maxHops?: string;
  readonly maxMessages?: string;
}

export interface SendOptions {
  readonly from: string;
  readonly id?: string;
  readonly priority: string;
  readonly replyTo?: string;
  readonly expiresIn?: string;
  readonly agent?: string;
}

export async function listGroups(context: CommandContext): Promise<number> {
  return shown(
    context,
    (runtime) => runtime.groups.list({ limit: 10_000 }),
    (groups) => groupsText(groups, context.terminal.style),
  );
}

export async function createGroup(
  context: CommandContext,
  name: string,
  members: readonly string[],
  { title, speak, answers, maxHops, maxMessages }: CreateGroupOptions,
): Promise<number> {
  const declared = members.map(readMember);
  const declaration = {
    name,
    members: declared,
    speak: speak as SpeakMode,
    answers,
    ...(title === undefined ? {} : { title }),
    ...(maxHops === undefined ? {} : { maxHops: whole('--max-hops', maxHops) }),
    ...(maxMessages === undefined ? {} : { maxMessages: whole('--max-messages', maxMessages) }),
  };
  return shown(
    context,
    async (runtime) => {
      await noteUnknownAgents(context, runtime, declared);
      return runtime.groups.create(declaration);
    },
    ({ members: count }) => `The group ${name} is created, with ${plural(count, 'member')}.\n`,
  );
}

export async function groupMembers(
  context: CommandContext,
  name: string,
  { add = [], remove = [] }: { add?: readonly string[]; remove?: readonly string[] },
): Promise<number> {
  const added = add.map(readMember);
  return shown(
    context,
    async (runtime) => {
      await noteUnknownAgents(context, runtime, added);
      if (added.length > 0) await runtime.groups.add(name, added);
      for (const member of remove) await runtime.groups.remove(name, member);
      return runtime.groups.members(name, { limit: 10_000 });
    },
    (members) => membersText(members, context.terminal.style),
  );
}

export async function groupHistory(
  context: CommandContext,
  name: string,
  { limit, before }: { limit: string; before?: string },
): Promise<number> {
  const page = { limit: whole('--limit', limit), ...(before === undefined ? {} : { before }) };
  return shown(
    context,
    (runtime) => runtime.groups.history(name, page),
    (messages) => historyText(messages, context.terminal.style),
  );
}

export async function changeGroup(
  context: CommandContext,
  verb: 'pause' | 'resume' | 'stop' | 'delete',
  name: string,
): Promise<number> {
  return shown(
    context,
    async (runtime) => {
      await runtime.groups[verb](name);
      return { group: name, done: verb };
    },
    () => `${DONE[verb](name)}\n`,
  );
}

const DONE = {
  pause: (name: string) => `The group ${name} is paused; messages wait.`,
  resume: (name: string) => `The group ${name} is resumed.`,
  stop: (name: string) => `The group ${name} is stopped for good; its history stays.`,
  delete: (name: string) => `The group ${name} and its history are deleted.`,
} as const;

export async function sendMail(
  context: CommandContext,
  kind: 'direct' | 'group' | 'broadcast',
  to: string,
  words: readonly string[],
  { from, id, priority, replyTo, expiresIn, agent }: SendOptions,
): Promise<number> {
  const message = {
    text: await messageText(context, words),
    from,
    id,
    priority: priority as Priority,
    replyTo,
    ...(expiresIn === undefined ? {} : { expiresInMs: whole('--expires-in', expiresIn) }),
  };
  const send = ({ messages, groups }: AgentRuntime) => {
    if (kind === 'group') return groups.send(to, message);
    if (kind === 'broadcast') return messages.broadcast({ ...message, agent });
    return messages.send({ ...message, to: to.split(',') });
  };
  return shown(context, send, receiptText);
}

export async function unread(
  context: CommandContext,
  receiver: string,
  { limit }: { limit: string },
): Promise<number> {
  const page = { limit: whole('--limit', limit) };
  return shown(
    context,
    (runtime) => runtime.messages.unread(receiver, page),
    (messages) => unreadText(messages, context.terminal.style),
  );
}

export async function markRead(
  context: CommandContext,
  receiver: string,
  ids: readonly string[],
): Promise<number> {
  return shown(
    context,
    async (runtime) => ({
      receiver,
      read: await runtime.messages.markRead(receiver, ids.length > 0 ? ids : undefined),
    }),
    ({ read }) => `${plural(read, 'message')} of ${receiver} marked as read.\n`,
  );
}

export async function showMessage(
  context: CommandContext,
  id: string,
  { limit, after }: { limit: string; after?: string },
): Promise<number> {
  const page = { limit: whole('--limit', limit), ...(after === undefined ? {} : { after }) };
  return shown(
    context,
    (runtime) => runtime.messages.deliveries(id, page),
    (report) => deliveriesText(report, context.terminal.style),
  );
}

async function shown<T>(
  context: CommandContext,
  work: (runtime: AgentRuntime) => Promise<T>,
  text: (result: T) => string,
): Promise<number> {
  const result = await withRuntime(context, work);
  context.terminal.printJson(result);
  context.terminal.print(context.terminal.asTyped(text(result)));
  return EXIT.ok;
}

/** `ann`, `ann:writer`, `ann:writer:owner`, `eve::observer`. */
function readMember(given: string): MemberDeclaration {
  const [name = '', agent = '', role = '', ...more] = given.split(':');
  if (more.length > 0) {
    throw new UsageError(`The member "${given}" has too many parts. Use name:agent:role.`);
  }
  return {
    name,
    ...(agent === '' ? {} : { agent }),
    ...(role === '' ? {} : { role: role as GroupRole }),
  };
}

/** A note, no refusal: the workers may have another configuration than this command. */
async function noteUnknownAgents(
  context: CommandContext,
  runtime: AgentRuntime,
  members: readonly MemberDeclaration[],
): Promise<void> {
  const agents = members.flatMap((member) =>
    typeof member === 'object' && member.agent !== undefined ? [member.agent] : [],
  );
  if (agents.length === 0) return;
  const names = (await knownAgents(context, runtime)).map(({ agent }) => agent);
  for (const agent of new Set(agents)) {
    if (names.includes(agent)) continue;
    context.terminal.note(
      `No agent "${agent}" is configured here.${didYouMean(agent, names)} Its session cannot start unless the workers have one. \`perdura agents list\` shows those that there are.`,
    );
  }
}

function whole(option: string, value: string): number {
  if (/^[1-9]\d{0,11}$/.test(value)) return Number(value);
  throw new UsageError(`${option} is "${value}". Use a whole number above 0.`);
}
