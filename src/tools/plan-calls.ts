/** How each tool call of an answer is to be run: decided once, by who knows the tools. */
import type { PlannedCall } from '../contracts/activities.js';
import type { ToolCall } from '../contracts/message.js';
import type { Tool } from '../contracts/tool.js';
import { checkArguments } from './argument-check.js';
import { clipText } from './text.js';

/** Arguments up to this length stand in Temporal's history, for whoever reads it. */
const SHOWN_ARGUMENTS = 512;
/** A call that can only be answered with its own error. */
const WRONG = {
  run: 'local',
  effect: 'read',
  timeoutMs: 5_000,
  attempts: 3,
  retryMs: 250,
} as const;

export function planCalls(
  calls: readonly ToolCall[],
  tools: ReadonlyMap<string, Tool>,
): PlannedCall[] {
  return calls.map((call) => {
    const tool = tools.get(call.name);
    const right = tool !== undefined && checkArguments(tool, call.arguments).ok;
    return {
      id: call.id,
      name: clipText(call.name, 64),
      ...(right
        ? {
            run: tool.run,
            effect: tool.effect,
            timeoutMs: tool.timeoutMs,
            attempts: tool.retry.maximumAttempts,
            retryMs: tool.retry.initialIntervalMs,
            ...(tool.source.kind === 'handoff' ? { handoff: tool.source.agent } : {}),
          }
        : { ...WRONG, invalid: true as const }),
      ...(call.arguments.length <= SHOWN_ARGUMENTS ? { args: call.arguments } : {}),
    };
  });
}
