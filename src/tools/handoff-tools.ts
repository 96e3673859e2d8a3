/**
 * The tools that hand a conversation over. A model calls them like any other; what they do is done by
 * the workflow of the session, when the other calls of the answer are settled.
 */
import { handoffTool, type Agent, type Handoff } from '../contracts/agent.js';
import { PerduraError } from '../contracts/failures.js';
import type { Tool } from '../contracts/tool.js';

/** One tool for each agent that `agent` may hand over to. `describe` says what an agent is for. */
export function handoffTools(
  agent: Pick<Agent, 'handoffs'>,
  describe: (agent: string) => string | undefined,
): Tool[] {
  return (agent.handoffs ?? []).map((handoff) => toolFor(handoff, describe(handoff.agent)));
}

function toolFor({ agent, description, reason }: Handoff, about: string | undefined): Tool {
  const purpose = description ?? about;
  return {
    name: handoffTool(agent),
    description: `Hands the conversation over to the agent "${agent}", which then goes on with it in your place.${purpose === undefined ? '' : ` ${purpose}`}`,
    parameters: {
      type: 'object',
      properties: {
        reason: {
          type: 'string',
          description: 'Why the other agent takes over, in a sentence or two.',
          maxLength: 2_000,
        },
      },
      ...(reason ? { required: ['reason'] } : {}),
      additionalProperties: false,
    },
    effect: 'idempotent',
    run: 'activity',
    timeoutMs: 60_000,
    retry: { maximumAttempts: 3, initialIntervalMs: 500 },
    highRisk: false,
    source: { kind: 'handoff', agent },
    execute() {
      throw new PerduraError(
        'Tool.Failed',
        'A conversation can be handed over in a session alone.',
      );
    },
  };
}
