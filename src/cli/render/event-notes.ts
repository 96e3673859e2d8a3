/** Lines about events other than the text of the answer. Pure. */
import type { SessionEvent, UnavailableServer } from '../../contracts/events.js';
import { isFailureType, isRetryable } from '../../contracts/failures.js';
import { oneLine } from './clean.js';
import { failureText, withRemedyOf } from './failure.js';
import type { Style } from './style.js';
import { answerHint, toolCallText, toolResultText, waitingText } from './tool-lines.js';

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
    case 'tool.completed':
      return [toolResultText(event, style)];
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
