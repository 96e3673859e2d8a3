/**
 * High-risk tools, as an agent gets them: they can be called, and answer that a person must approve
 * the call. The tool itself is out of reach behind it, so that neither a model, nor what a tool's
 * result tells the model to do, nor the way by which a call comes (within the step, in an activity,
 * answered by somebody, from a workflow) can get around the policy.
 */
import { PerduraError } from '../contracts/failures.js';
import { needsApproval, type RuntimePolicy } from '../contracts/policy.js';
import type { Tool } from '../contracts/tool.js';

/** The tool, or what stands in its place where the policy wants a person's approval. */
export function guarded(tool: Tool, policy: RuntimePolicy): Tool {
  if (!needsApproval(policy, tool)) return tool;
  const held: Tool = {
    ...tool,
    // Nothing happens: it may be answered at once, as often as it is called.
    run: 'local',
    effect: 'read',
    timeoutMs: REFUSAL_MS,
    retry: { maximumAttempts: 1, initialIntervalMs: 1 },
    execute: () => {
      throw new PerduraError('Tool.ApprovalRequired', approvalRequired(tool.name));
    },
  };
  behind.set(held, tool);
  return held;
}

const behind = new WeakMap<Tool, Tool>();

/** The tool that one stands in place of: for those who describe it, and do not call it. */
export function declaredTool(tool: Tool): Tool {
  return behind.get(tool) ?? tool;
}

/** What the model is told. */
export function approvalRequired(name: string): string {
  return `"${name}" is a high-risk tool: a person must approve each call, and there is no way to ask for approval yet. It was not run. Continue without it, or say what you would have done.`;
}

const REFUSAL_MS = 5_000;
