/**
 * The baseline: an agent loop as one writes it by hand after Temporal's samples. The workflow
 * holds the conversation and passes it whole to each model call; model and tool are regular
 * activities. Sandbox only.
 */
import {
  condition,
  defineSignal,
  defineUpdate,
  proxyActivities,
  setHandler,
} from '@temporalio/workflow';
import type * as activities from './activities.js';
import type { ChatMessage } from './messages.js';

export const askUpdate = defineUpdate<string, [string]>('ask');
export const endSignal = defineSignal('end');

const { callModel, callTool } = proxyActivities<typeof activities>({
  startToCloseTimeout: '5 minutes',
  heartbeatTimeout: '30 seconds',
});

export async function loop(): Promise<number> {
  const messages: ChatMessage[] = [{ role: 'system', content: 'You are a helpful assistant.' }];
  let turns = 0;
  let busy = false;
  let ended = false;

  setHandler(askUpdate, async (text) => {
    await condition(() => !busy);
    busy = true;
    try {
      messages.push({ role: 'user', content: text });
      for (;;) {
        const answer = await callModel(messages);
        messages.push(answer);
        if (answer.tool_calls === undefined) {
          turns += 1;
          return answer.content ?? '';
        }
        for (const call of answer.tool_calls) {
          const content = await callTool(call.function.name, call.function.arguments);
          messages.push({ role: 'tool', tool_call_id: call.id, content });
        }
      }
    } finally {
      busy = false;
    }
  });
  setHandler(endSignal, () => {
    ended = true;
  });
  await condition(() => ended && !busy);
  return turns;
}
