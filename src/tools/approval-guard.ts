/**
 * Tools whose calls a person must approve, as an agent gets them: they can be called, and without an
 * approval they answer that there is none. The tool itself is out of reach behind that, so that
 * neither a model, nor what a tool's result tells the model to do, nor the way by which a call comes
 * (within the step, in an activity, answered by somebody, from a workflow) can get around the policy.
 * Who holds the mark or the row of an approval gets what is behind: {@link declaredTool}.
 */
import { PerduraError } from '../contracts/failures.js';
import type { ToolCall } from '../contracts/message.js';
import { needsApproval, type RuntimePolicy } from '../contracts/policy.js';
import type { Tool } from '../contracts/tool.js';
import { approvalNeed, mayNeedApproval } from './approval-rules.js';

/** The tool, or what stands in its place where the policy wants a person's approval. */
export function guarded(tool: Tool, policy: RuntimePolicy): Tool {
  if (!canBeHeld(tool) || !mayNeedApproval(policy, tool)) return tool;
  const held: Tool = needsApproval(policy, tool)
    ? {
        ...tool,
        // Nothing happens: it may be answered at once, as often as it is called.
        run: 'local',
        effect: 'read',
        timeoutMs: REFUSAL_MS,
        retry: { maximumAttempts: 1, initialIntervalMs: 1 },
        execute: () => {
          throw new PerduraError('Tool.ApprovalRequired', approvalRequired(tool.name));
        },
      }
    : {
        ...tool,
        execute: (args, context) => {
          if (approvalNeed(policy, tool, args, context.runtime)) {
            throw new PerduraError('Tool.ApprovalRequired', approvalRequired(tool.name));
          }
          return tool.execute(args, context);
        },
      };
  behind.set(held, tool);
  return held;
}

const behind = new WeakMap<Tool, Tool>();

/**
 * Whether calls of the tool can wait for an approval. Delegation and handoffs have a policy of their
 * own, and what a person answers needs no second one.
 */
export function canBeHeld({ run, source }: Tool): boolean {
  return run !== 'agent' && run !== 'person' && source.kind !== 'handoff';
}

/** The tool that one stands in place of: for those who describe it, or have its approval. */
export function declaredTool(tool: Tool): Tool {
  return behind.get(tool) ?? tool;
}

/** The tool of a call: what is behind the guard where the call was approved in advance. */
export function toolOfCall(tools: ReadonlyMap<string, Tool>, call: ToolCall): Tool | undefined {
  const tool = tools.get(call.name);
  return tool && call.held?.granted !== undefined ? declaredTool(tool) : tool;
}

/** What the model is told. */
export function approvalRequired(name: string): string {
  return `A person must approve this call of "${name}", and nobody can be asked here. It was not run. Continue without it, or say what you would have done.`;
}

const REFUSAL_MS = 5_000;
