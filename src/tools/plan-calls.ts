/** How each tool call of an answer is to be run: decided once, by who knows the tools. */
import type { PlannedCall } from '../contracts/activities.js';
import { childSession, MOST_TASKS_UNITS, type PlannedTask } from '../contracts/delegation.js';
import type { ToolCall } from '../contracts/message.js';
import type { Tool } from '../contracts/tool.js';
import { declaredTool } from './approval-guard.js';
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

/** `keyOf` makes a key of a call that is the same for every attempt at it, by its index. */
export function planCalls(
  calls: readonly ToolCall[],
  tools: ReadonlyMap<string, Tool>,
  keyOf: (index: number) => string,
): PlannedCall[] {
  let units = 0;
  const bounded = (task: PlannedTask): PlannedTask => {
    units += task.text?.length ?? 0;
    if (units <= MOST_TASKS_UNITS) return task;
    const { text: _tooLong, ...rest } = task;
    return rest;
  };
  return calls.map((call, index) => {
    const offered = tools.get(call.name);
    // Held or approved in advance: what is planned is the tool behind the guard.
    const tool = offered && call.held ? declaredTool(offered) : offered;
    const waits = call.held !== undefined && call.held.granted === undefined;
    const checked = tool && checkArguments(tool, call.arguments);
    const means = checked?.ok
      ? tool?.delegate?.(checked.args, (agent) => childSession(agent, keyOf(index)))
      : undefined;
    return {
      id: call.id,
      name: clipText(call.name, 64),
      ...(tool && checked?.ok
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
      ...(means && 'task' in means ? { task: bounded(means.task) } : {}),
      ...(means && 'wait' in means ? { wait: means.wait, timeoutMs: means.ms } : {}),
      ...(waits || (checked?.ok && tool?.run === 'person') ? { request: keyOf(index) } : {}),
      ...(waits && call.held?.until !== undefined ? { until: call.held.until } : {}),
    };
  });
}
