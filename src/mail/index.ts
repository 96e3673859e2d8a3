/** Messages between agents and people. */
export { GroupService, type GroupDeclaration, type MemberDeclaration } from './group-service.js';
export {
  MessageService,
  type BroadcastMail,
  type DeliveryReport,
  type DirectMail,
  type MailParts,
  type MailReceipt,
  type UnreadMail,
} from './message-service.js';
export type { OutgoingMail } from './outgoing-mail.js';
