/**
 * A handoff: the conversation goes to another agent. The result of the call that asks for it, the
 * event and the catalogue are written in one commit. What stands against it is told to the model.
 */
import type { HandOffInput, HandOffResult } from '../../src/contracts/activities.js';
import {
  handoffTool,
  type Agent,
  type AgentReference,
  type Handoff,
} from '../../src/contracts/agent.js';
import { toCached } from '../../src/context/entries.js';
import { PerduraError } from '../../src/contracts/failures.js';
import type { HandoffRecord, ToolCall } from '../../src/contracts/message.js';
import { eventKeys } from '../../src/contracts/places.js';
import { mayDelegate, policyOf } from '../../src/contracts/policy.js';
import { clip, wellFormed } from '../../src/contracts/text.js';
import type { AgentVersion } from '../../src/store/agent-definitions.js';
import type { ActivityDeps } from '../deps.js';
import { currentExecution, type Execution } from '../execution.js';
import { findCall, plannedOf } from './call-tool.js';
import { resolveAgent, traitsOf } from './session-writes.js';
import { SessionToolRecord, type ToolRecordDeps } from './tool-record.js';
import { idempotencyKeyOf } from './transcript-cache.js';

const REASON_UNITS = 2_000;

export type HandOffDeps = ToolRecordDeps & Pick<ActivityDeps, 'agents'>;

/** Who takes over, or why nobody does. */
type Decision =
  { readonly to: AgentVersion; readonly record: HandoffRecord } | { readonly refused: string };

export async function handOff(deps: HandOffDeps, input: HandOffInput): Promise<HandOffResult> {
  const execution = currentExecution(input.run);
  const { key } = execution;
  const agent = await deps.agents.get(input, key.tenant);
  const { call, message } = await findCall(deps, execution, input);
  const { agent: name, version } = input;
  const from = { agent: name, ...(version === undefined ? {} : { version }) };
  const decision = await decide(deps.agents, agent, from, call, input, key.tenant);
  const reason = reasonOf(call);
  const asked = { call, messageId: message.id, planned: plannedOf(agent, message), from, reason };
  const written = await write(deps, execution, input, asked, decision);
  if (!written) return {};
  // An earlier attempt may have found another version: what it has written counts.
  const to = await resolveAgent(deps.agents, written.to, key.tenant);
  return {
    to: { ...written.to, traits: traitsOf(to.definition) },
    ...(written.filter === 'summary' ? { summarise: true } : {}),
  };
}

async function decide(
  agents: ActivityDeps['agents'],
  agent: Agent,
  from: AgentReference,
  call: ToolCall,
  { count, late }: HandOffInput,
  tenant: string,
): Promise<Decision> {
  const handoff = targetOf(agent, call);
  const policy = policyOf(agent);
  if (!handoff) return { refused: `"${agent.name}" declares no such handoff.` };
  const { agent: name, filter = 'all' } = handoff;
  if (late) return { refused: 'Another call of the same answer has handed the conversation over.' };
  if (count >= policy.maxHandoffs) {
    return {
      refused: `This turn has been handed over ${count} times, and ${policy.maxHandoffs} is the most (maxHandoffs). Go on with the conversation yourself.`,
    };
  }
  if (!mayDelegate(policy, name)) {
    return { refused: `The policy of "${agent.name}" does not let it hand over to "${name}".` };
  }
  try {
    const to = await resolveAgent(agents, { agent: name }, tenant);
    return { to, record: { from, to: { agent: name, version: to.version }, filter } };
  } catch (error) {
    if (error instanceof PerduraError && error.type === 'Agent.Unknown') {
      return { refused: `There is no agent "${name}". Go on with the conversation yourself.` };
    }
    throw error;
  }
}

/** Writes the result of the call. Answers with the handoff that is in the transcript, if there is one. */
async function write(
  deps: HandOffDeps,
  execution: Execution,
  input: HandOffInput,
  asked: {
    call: ToolCall;
    messageId: string;
    planned: boolean | undefined;
    from: AgentReference;
    reason: string | undefined;
  },
  decision: Decision,
): Promise<HandoffRecord | undefined> {
  const { call, messageId, planned, from, reason } = asked;
  const { turn, step, message, index } = input;
  const failure =
    'refused' in decision ? { type: 'Handoff.Refused', message: decision.refused } : undefined;
  const text = failure
    ? failure.message
    : `The conversation was handed over from "${from.agent}" to "${handedTo(decision)}"${reason === undefined ? '' : `, for this reason: ${reason}`}. "${handedTo(decision)}" goes on with it.`;
  const key = idempotencyKeyOf(execution.key, messageId, index);
  const ledger = new SessionToolRecord(deps, input, execution, call, { planned });
  const { row, events } = ledger.prepared(key, {
    content: [{ type: 'text', text }],
    bytes: Buffer.byteLength(text),
    ms: 0,
    ...(failure ? { failure } : {}),
  });
  const record = 'record' in decision ? decision.record : undefined;
  const body = record ? { ...row.body, handoff: record } : row.body;
  const { existing } = await deps.transcripts.append(execution.writer(input), {
    channel: execution.channel,
    messages: [{ ...row, body }],
    events: [
      ...events.map((event) => ({ ...event, with: row.seq })),
      ...(record
        ? [
            {
              key: eventKeys.handedOff(message, index),
              with: row.seq,
              body: {
                type: 'agent.handoff',
                turn,
                step,
                from: record.from,
                to: record.to,
                ...(reason === undefined ? {} : { reason }),
                callId: call.id,
              },
            } as const,
          ]
        : []),
    ],
    ...(record ? { updates: { ...record.to } } : {}),
  });
  const [earlier] = existing;
  if (earlier?.body.role === 'tool') {
    const there = earlier.body.handoff;
    // A retry may have found another version of the agent: the catalogue follows the transcript.
    if (there) {
      await deps.transcripts.append(execution.writer(input), {
        channel: execution.channel,
        updates: { ...there.to },
      });
    }
    return there;
  }
  const { key: session, transcript, run } = execution;
  const { body: _body, ...place } = row;
  const at = new Date().toISOString();
  deps.cache.extend(session, transcript, run, [toCached({ ...place, message: body, at })]);
  return record;
}

function handedTo(decision: Decision): string {
  return 'record' in decision ? decision.record.to.agent : '';
}

function targetOf(agent: Agent, { name }: ToolCall): Handoff | undefined {
  return agent.handoffs?.find((handoff) => handoffTool(handoff.agent) === name);
}

/** The arguments were checked when the call was planned. */
function reasonOf({ arguments: args }: ToolCall): string | undefined {
  const given = (args.trim() === '' ? {} : JSON.parse(args)) as { reason?: unknown } | null;
  const reason = typeof given?.reason === 'string' ? wellFormed(given.reason.trim()) : '';
  return reason === '' ? undefined : clip(reason, REASON_UNITS);
}
