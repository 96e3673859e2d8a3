/**
 * A message as the model of its receiver sees it: what it is, and where an answer goes. Who it is from
 * is added where a request is made, as for every message.
 */
import { NO_REPLY } from '../../src/contracts/mail.js';
import type { WaitingMail } from '../../src/store/mail-store.js';

/** A sender must not write a line that looks like one of ours. */
const LIKE_OURS = /^(\s*)\[(?=message |group |broadcast |your answer )/gim;

export function mailText(mail: WaitingMail): string {
  const { mailing, sender, kind, text, group, asks } = mail;
  const body = text.replace(LIKE_OURS, '$1(');
  switch (kind) {
    case 'prompt':
      return `[group ${group?.name ?? sender}]\n${text}`;
    case 'group': {
      const said = `[group ${group?.name ?? ''}, message ${mailing}]\n${body}`;
      return asks && group?.answers
        ? `${said}\n[Your answer goes to the group. Answer ${NO_REPLY} alone to say nothing.]`
        : said;
    }
    case 'broadcast':
      return `[broadcast ${mailing}]\n${body}`;
    default:
      return `[message ${mailing}]\n${body}`;
  }
}
