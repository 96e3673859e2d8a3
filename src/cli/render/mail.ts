/** Messages and groups, for people. Pure. */
import type { DeliveryReport, MailReceipt, UnreadMail } from '../../mail/message-service.js';
import type { GroupMember, GroupRecord } from '../../store/group-store.js';
import type { GroupMail } from '../../store/mail-store.js';
import { clean, oneLine } from './clean.js';
import type { Style } from './style.js';
import { table } from './table.js';
import { plural } from './units.js';

const SHOWN_UNITS = 100;

export function groupsText(groups: readonly GroupRecord[], style: Style): string {
  if (groups.length === 0) {
    return 'No groups yet. Create one with: perdura groups create <group> <members...>\n';
  }
  const head = ['GROUP', 'STATE', 'SPEAK', 'MEMBERS', 'HOPS', 'SPEAKER', 'TITLE'];
  return table([
    head.map(style.dim),
    ...groups.map((group) => [
      group.name,
      stateText(group, style),
      group.answers ? group.speak : 'no answers',
      String(group.members),
      String(group.maxHops),
      group.speaker ?? '',
      oneLine(group.title ?? '', 60),
    ]),
  ]);
}

function stateText({ state, busy }: GroupRecord, style: Style): string {
  if (state === 'stopped') return style.red(state);
  if (state === 'paused') return style.yellow(state);
  return busy ? style.green('talking') : 'silent';
}

export function membersText(members: readonly GroupMember[], style: Style): string {
  if (members.length === 0) return 'The group has no members.\n';
  return table([
    ['MEMBER', 'ROLE', 'AGENT'].map(style.dim),
    ...members.map(({ name, role, agent }) => [name, role, agent ?? '(a person)']),
  ]);
}

export function historyText(messages: readonly GroupMail[], style: Style): string {
  if (messages.length === 0) return 'Nothing was said.\n';
  return messages
    .map(({ id, from, text, hop, acceptedAt, failed = 0 }) => {
      const when = acceptedAt.slice(0, 19).replace('T', ' ');
      const hops = hop > 0 ? ` · hop ${hop}` : '';
      const lost =
        failed > 0
          ? style.red(
              `not delivered to ${plural(failed, 'member')}: \`perdura messages show ${oneLine(id, 100)}\` says why\n`,
            )
          : '';
      return `${oneLine(from, 80)} ${style.dim(`${when} · ${oneLine(id, 100)}${hops}`)}\n${clean(text)}\n${lost}`;
    })
    .join('\n');
}

export function unreadText(messages: readonly UnreadMail[], style: Style): string {
  if (messages.length === 0) return 'No unread messages.\n';
  return table([
    ['ID', 'FROM', 'TO', 'PRIORITY', 'STATE', 'TEXT'].map(style.dim),
    ...messages.map((mail) => [
      oneLine(mail.id, 100),
      oneLine(mail.from, 80),
      mail.group ?? mail.kind,
      mail.priority,
      mail.state,
      oneLine(mail.text, SHOWN_UNITS),
    ]),
  ]);
}

export function deliveriesText(
  { message, counts, deliveries }: DeliveryReport,
  style: Style,
): string {
  const summary = Object.entries(counts).map(([state, count]) => `${count} ${state}`);
  const rows = deliveries.map(({ receiver, state, reason = '', readAt = '' }) => [
    receiver,
    state,
    readAt,
    oneLine(reason, SHOWN_UNITS),
  ]);
  return [
    historyText([message], style),
    `${summary.length > 0 ? summary.join(', ') : 'No receivers'}\n`,
    table([['RECEIVER', 'STATE', 'READ', 'REASON'].map(style.dim), ...rows]),
  ].join('\n');
}

export function receiptText({ id, receivers, duplicate }: MailReceipt): string {
  return duplicate
    ? `Message ${id} was already accepted; nothing was added.\n`
    : `Accepted: message ${id}, for ${plural(receivers, 'receiver')}.\n`;
}
