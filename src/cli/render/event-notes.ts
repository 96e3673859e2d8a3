/** Lines about what happens besides the words of the answer. Pure. */
import type { SessionEvent } from '../../contracts/events.js';
import { isFailureType, isRetryable } from '../../contracts/failures.js';
import { oneLine } from './clean.js';
import { failureText, withRemedyOf } from './failure.js';
import type { Style } from './style.js';
import { toolCallText, toolResultText } from './tool-lines.js';

/** The lines of an event, most often none. */
export function eventNotes(event: SessionEvent, style: Style): string[] {
  switch (event.type) {
    case 'message.accepted':
      return [`${style.dim(`${oneLine(event.from ?? 'you', 40)}:`)} ${oneLine(event.text, 500)}`];
    case 'step.failed': {
      const { type, message } = event.failure;
      // One that is not tried again ends the turn, which says it all.
      if (isFailureType(type) && !isRetryable(type)) return [];
      const why = `${type}: ${oneLine(message, 160)}`;
      return [style.dim(`(attempt ${event.attempt} failed: ${why})`)];
    }
    case 'step.completed':
      return (event.toolCalls ?? []).map((call) => toolCallText(call, style));
    case 'tool.completed':
      return [toolResultText(event, style)];
    case 'context.compacted':
      return [style.dim('(older messages were put into a summary)')];
    case 'turn.completed':
      if (event.finish === 'length') {
        return [style.yellow('(cut off: the answer reached maxTokens)')];
      }
      return event.finish === 'filtered' ? [style.yellow('(the provider withheld the rest)')] : [];
    case 'turn.interrupted':
      return [
        style.yellow(event.reason ? `(interrupted: ${oneLine(event.reason)})` : '(interrupted)'),
      ];
    case 'turn.failed':
      return [failureText(withRemedyOf(event.failure), style).trimEnd()];
    case 'session.state':
      return event.state === 'paused' ? [style.yellow('(paused)')] : [];
    case 'session.ended':
      return [style.yellow('(the session has ended)')];
    default:
      return [];
  }
}
