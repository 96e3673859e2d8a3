/**
 * What an answer asks of people: the calls that somebody must approve, and the questions. It is decided
 * once, before the answer is written, and stands in the transcript from then on: every attempt and
 * every worker treats a call alike.
 */
import type { AssistantMessage, ToolCall } from '../../src/contracts/message.js';
import { callKey } from '../../src/contracts/places.js';
import { policyOf } from '../../src/contracts/policy.js';
import type { HeldCall } from '../../src/contracts/requests.js';
import type { Tool } from '../../src/contracts/tool.js';
import type { NewRequest } from '../../src/store/append-types.js';
import type { Stores } from '../../src/store/stores.js';
import type { CachedMessage } from '../../src/context/entries.js';
import { canBeHeld, declaredTool } from '../../src/tools/approval-guard.js';
import { approvalNeed, digestOfCall, type ApprovalNeed } from '../../src/tools/approval-rules.js';
import { checkArguments } from '../../src/tools/argument-check.js';
import { waitForStore } from '../../src/tools/wait-for-store.js';
import type { StepAttempt } from './step-writes.js';
import { idempotencyKeyOf } from './transcript-cache.js';

export interface HoldDeps {
  /** Absent: nobody can be asked, and calls that need an approval are refused by their tools. */
  readonly requests?: Pick<Stores['requests'], 'grantsFor'> | undefined;
}

/** An answer with the marks of its calls, and what is entered with it. */
export interface HeldAnswer {
  readonly message: AssistantMessage;
  readonly requests: readonly NewRequest[];
}

interface Asked {
  readonly index: number;
  readonly call: ToolCall;
  readonly tool: Tool;
  readonly args: unknown;
  readonly digest: string;
  /** Absent for a question. */
  readonly need?: ApprovalNeed;
}

/** @param transcript the messages up to this answer, for the people whose wish it is */
export async function holdCalls(
  { requests }: HoldDeps,
  step: StepAttempt,
  message: AssistantMessage,
  transcript: () => Promise<readonly CachedMessage[]>,
): Promise<HeldAnswer> {
  const asked = requests ? askedOf(step, message) : [];
  if (!requests || asked.length === 0) return { message, requests: [] };
  const { execution, runtime, input, seq, agent } = step;
  const needs = asked.flatMap(({ need, tool, digest }) =>
    need
      ? { tool: tool.name, digest, ...(need.role === undefined ? {} : { role: need.role }) }
      : [],
  );
  const grants =
    needs.length > 0
      ? await waitForStore(
          () => requests.grantsFor(execution.key, runtime.user?.id, needs),
          execution,
        )
      : new Map<string, { readonly id: string; readonly by: string }>();
  const requesters = peopleOf(await transcript(), input.turn, runtime.user?.id);
  const now = Date.now();
  const held = new Map<number, HeldCall>();
  const entries = asked.map((each): NewRequest => {
    const { index, call, tool, args, digest, need } = each;
    const id = idempotencyKeyOf(execution.key, message.id, index);
    const granted = need && grants.get(digest);
    const ms = need ? need.expiresMs : tool.timeoutMs || undefined;
    const until = ms === undefined ? undefined : now + ms;
    if (need) {
      held.set(index, {
        request: id,
        digest,
        rule: need.rule,
        ...(until === undefined ? {} : { until }),
        ...(granted === undefined ? {} : { granted: granted.id, grantedBy: granted.by }),
      });
    }
    const schema = need ? tool.parameters : (tool.answers?.(args) ?? tool.yields);
    return {
      id,
      kind: need ? 'approval' : 'question',
      callKey: callKey(seq, index),
      turn: input.turn,
      step: input.step,
      agent: agent.name,
      name: tool.name,
      ...(tool.source.kind === 'mcp' ? { server: tool.source.server } : {}),
      arguments: call.arguments,
      digest,
      ...(schema === undefined ? {} : { schema }),
      ...(need ? { rule: need.rule } : {}),
      ...(need?.role === undefined ? {} : { role: need.role }),
      requesters,
      ...(until === undefined ? {} : { until }),
      ...(granted === undefined ? {} : { granted: granted.id }),
      with: seq,
    };
  });
  const toolCalls = message.toolCalls!.map((call, index) => {
    const mark = held.get(index);
    return mark ? { ...call, held: mark } : call;
  });
  return { message: { ...message, toolCalls }, requests: entries };
}

/** The calls that a person has to do with. Wrong ones are answered with their own error. */
function askedOf(step: StepAttempt, { toolCalls = [], finish }: AssistantMessage): Asked[] {
  if (finish === 'interrupted') return [];
  const policy = policyOf(step.agent);
  return toolCalls.flatMap((call, index) => {
    const offered = step.tools.get(call.name);
    if (!offered) return [];
    const tool = declaredTool(offered);
    const question = tool.run === 'person';
    // What has no guard needs no look at its arguments.
    if (!question && tool === offered) return [];
    const checked = checkArguments(tool, call.arguments);
    if (!checked.ok) return [];
    const digest = () => digestOfCall(tool.name, JSON.parse(call.arguments.trim() || '{}'));
    const common = { index, call, tool, args: checked.args };
    if (question) return { ...common, digest: digest() };
    const need = canBeHeld(tool)
      ? approvalNeed(policy, tool, checked.args, step.runtime)
      : undefined;
    return need ? { ...common, digest: digest(), need } : [];
  });
}

/** For whom the session runs, and who has written in this turn. */
function peopleOf(
  transcript: readonly CachedMessage[],
  turn: number,
  user: string | undefined,
): string[] {
  const senders = transcript.flatMap(({ message, turn: of }) =>
    of === turn && message.role === 'user' && message.from !== undefined ? [message.from] : [],
  );
  return [...new Set([...(user === undefined ? [] : [user]), ...senders])];
}
