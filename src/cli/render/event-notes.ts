/** Lines about events other than the text of the answer. Pure. */
import { agentText } from '../../contracts/agent.js';
import type { SessionEvent, UnavailableServer } from '../../contracts/events.js';
import { isFailureType, isRetryable } from '../../contracts/failures.js';
import { oneLine } from './clean.js';
import { failureText, withRemedyOf } from './failure.js';
import { planNote } from './plan.js';
import type { Style } from './style.js';
import {
  answerHint,
  decisionText,
  requestText,
  toolCallText,
  toolResultText,
  waitingText,
} from './tool-lines.js';

/** The lines of an event, most often none. */
export function eventNotes(event: SessionEvent, style: Style): string[] {
  switch (event.type) {
    case 'message.accepted':
      // Of those that are not on the screen: the user's own come from another terminal.
      return [
        `${style.dim(`${oneLine(event.from ?? 'you, elsewhere', 40)}:`)} ${oneLine(event.text, 500)}`,
      ];
    case 'message.refused':
      return [style.yellow(`(a message was refused: ${oneLine(event.reason)})`)];
    case 'mcp.unavailable':
      return event.servers.map((server) => style.yellow(`(${unavailableText(server)})`));
    case 'pool.waiting': {
      const { pool, position, reason } = event;
      return [
        style.yellow(`(waits for a slot of ${oneLine(pool, 64)}, place ${position}: ${reason})`),
      ];
    }
    case 'step.failed': {
      const { type, message } = event.failure;
      // One that is not tried again ends the turn, which says it all.
      if (isFailureType(type) && !isRetryable(type)) return [];
      const why = `${type}: ${oneLine(message, 160)}`;
      return [style.dim(`(attempt ${event.attempt} failed: ${why})`)];
    }
    case 'step.completed':
      return (event.toolCalls ?? []).map((call) => toolCallText(call, style));
    case 'tool.waiting':
      return [
        style.yellow(`(${oneLine(event.name, 64)} ${waitingText(event)})`),
        style.dim(`  ${answerHint(event)}`),
      ];
    case 'request.made':
      return [
        style.yellow(`(${oneLine(event.name, 64)} ${requestText(event)})`),
        style.dim(`  perdura inbox show ${event.request.slice(0, 12)}`),
      ];
    case 'request.decided':
      return [style.yellow(`(${oneLine(event.name, 64)}: ${decisionText(event)})`)];
    case 'tool.delegated':
      return [style.dim(`(${event.agent} works on it in the session ${event.child})`)];
    case 'tool.completed':
      return [toolResultText(event, style)];
    case 'plan.made':
    case 'plan.changed':
      return [planNote(event, style)];
    case 'context.compacted':
      return [style.dim('(older messages were summarised)')];
    case 'turn.completed':
      if (event.finish === 'length') {
        return [style.yellow('(cut off: the answer reached maxTokens)')];
      }
      return event.finish === 'filtered' ? [style.yellow('(the provider withheld the rest)')] : [];
    case 'turn.interrupted':
      return [style.yellow(withReason(event.rolledBack ? 'rolled back' : 'interrupted', event))];
    case 'turn.failed':
      return [failureText(withRemedyOf(event.failure), style).trimEnd()];
    case 'agent.handoff':
      return [style.yellow(withReason(`handed over to ${oneLine(event.to.agent, 64)}`, event))];
    case 'agent.moved':
      return [style.yellow(`(moved to ${oneLine(agentText(event.to), 90)})`)];
    case 'session.forked':
      return [style.yellow(`(goes on from turn ${event.turn} of ${oneLine(event.session, 80)})`)];
    case 'session.state':
      return [style.yellow(withReason(event.state === 'paused' ? 'paused' : 'resumed', event))];
    case 'session.ended':
      return [style.yellow(withReason('the session has ended', event))];
    default:
      return [];
  }
}

/** A server whose tools an agent did not have. */
export function unavailableText({ server, reason }: UnavailableServer): string {
  return `MCP server ${oneLine(server, 40)} is unavailable, continuing without its tools: ${oneLine(reason, 200)}`;
}

function withReason(what: string, { reason }: { readonly reason?: string }): string {
  return reason ? `(${what}: ${oneLine(reason)})` : `(${what})`;
}
