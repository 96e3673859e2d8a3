/**
 * The activities of `perdura/workflow`: what the session's do, for runs that are none. A model call
 * and the tools behind it are the same code; only what is kept differs (`quiet-store.ts`).
 */
import type {
  CallToolInput,
  CallToolResult,
  EndTurnResult,
} from '../../src/contracts/activities.js';
import { PerduraError } from '../../src/contracts/failures.js';
import { MOST_MESSAGE_JSON_BYTES, utf8Bytes } from '../../src/contracts/message.js';
import {
  MOST_ANSWER_UNITS,
  type CloseTurnInput,
  type Opening,
  type PartActivities,
  type ReadTranscriptInput,
  type RunModelInput,
  type RunModelResult,
  type RunToolInput,
  type RunToolResult,
} from '../../src/contracts/parts.js';
import { clip } from '../../src/contracts/text.js';
import type { StoredMessage } from '../../src/contracts/message.js';
import type { ActivityDeps } from '../deps.js';
import { beating, currentExecution, keepAlive, type Execution } from '../execution.js';
import { callModel, type CallModelDeps } from '../session/call-model.js';
import { bounded, callTool, type CallToolDeps } from '../session/call-tool.js';
import { stopSignals } from '../session/stop-signals.js';
import { compact, type CompactDeps } from '../session/compact.js';
import { endTurn, resolveAgent, traitsOf, type EndTurnDeps } from '../session/session-writes.js';
import { runToolStandalone } from './run-tool.js';

export interface PartDeps {
  readonly deps: Pick<
    ActivityDeps,
    'agents' | 'artifacts' | 'contexts' | 'toolRuns' | 'settings' | 'tools' | 'transcripts'
  >;
  /** What the session's activities are made of, keeping only what such a run has. */
  readonly model: CallModelDeps & CompactDeps;
  readonly tool: CallToolDeps;
  readonly end: EndTurnDeps;
}

export function partActivities(parts: PartDeps): PartActivities {
  const { deps, model, tool } = parts;
  return {
    readAgent: beating(
      async ({ run, ...reference }: Parameters<PartActivities['readAgent']>[0]) => {
        const { definition, version } = await resolveAgent(deps.agents, reference, run.tenant);
        const { modelTimeoutMs, heartbeatTimeoutMs } = deps.settings;
        return { ...traitsOf(definition), modelTimeoutMs, heartbeatTimeoutMs, version };
      },
    ),
    runModel: (input) => runModel(parts, input),
    runToolCall: (input: CallToolInput): Promise<CallToolResult> => callTool(tool, input),
    runTool: (input) => runTool(parts, input),
    compactTranscript: (input) => compact(model, input),
    closeTurn: beating((input) => closeTurn(parts, input)),
    readTranscript: beating((input) => readTranscript(parts, input)),
  };
}

async function runModel({ deps, model }: PartDeps, input: RunModelInput): Promise<RunModelResult> {
  const { key, transcript, run } = currentExecution(input.run);
  const stop = keepAlive();
  try {
    await enter(deps, { key, transcript, run }, input);
    const result = await callModel(model, input);
    const final = result.seq > 0 && result.outcome !== 'tools';
    if (!final || result.whole) return result;
    const message = await model.cache.find(key, transcript, run, result.seq);
    if (message?.role !== 'assistant') return result;
    return { ...result, text: clip(message.text, MOST_ANSWER_UNITS) };
  } finally {
    stop();
  }
}

/** The transcript of a call that may be its first; the context before, as that of a session. */
async function enter(
  deps: Pick<ActivityDeps, 'contexts' | 'transcripts'>,
  { key, transcript, run }: Pick<Execution, 'key' | 'transcript' | 'run'>,
  { enter: first, context }: Opening,
): Promise<void> {
  if (!first) return;
  if (context) await deps.contexts.put(key, context);
  await deps.transcripts.openTranscript({ ...key, transcript, run });
}

async function closeTurn({ deps, end }: PartDeps, input: CloseTurnInput): Promise<EndTurnResult> {
  const { key, transcript, run } = currentExecution(input.run);
  await enter(deps, { key, transcript, run }, input);
  return endTurn(end, input);
}

/** A call that an application's workflow makes by itself, with the tools of an agent. */
async function runTool({ deps, tool }: PartDeps, input: RunToolInput): Promise<RunToolResult> {
  const { run, agent: name, key, name: toolName, arguments: args } = input;
  const { key: owner, attempt, signal } = currentExecution(run);
  const stop = keepAlive();
  try {
    const agent = await deps.agents.get(input, owner.tenant);
    const offered = await deps.tools.toolsOf(agent, owner.tenant);
    const withheld = offered.has(toolName)
      ? undefined
      : await deps.tools.withheld(agent, toolName, owner.tenant);
    if (!withheld && !offered.has(toolName)) {
      throw new PerduraError(
        'Tool.Unknown',
        `The agent "${name}" has no tool "${clip(toolName, 64)}"; it has: ${[...offered.keys()].join(', ')}.`,
      );
    }
    const { content, failure, artifact } = await runToolStandalone(
      { toolRuns: deps.toolRuns, artifacts: deps.artifacts, runner: tool.runner },
      {
        ...stopSignals(signal),
        tenant: owner.tenant,
        owner: owner.session,
        key,
        call: { id: key, name: toolName, arguments: args },
        agent: name,
        runtime: tool.runtimes.given(owner, agent, offered.keys(), input.context),
        tools: withheld ? new Map([...offered, [toolName, withheld]]) : offered,
        limits: agent.limits,
        attempt,
        active: signal,
      },
    );
    return {
      content,
      ...(failure ? { failure } : {}),
      ...(artifact === undefined ? {} : { artifact }),
    };
  } catch (error) {
    throw bounded(error, { attempt, signal });
  } finally {
    stop();
  }
}

async function readTranscript(
  { deps }: PartDeps,
  { run, head, after }: ReadTranscriptInput,
): Promise<{ messages: readonly StoredMessage[]; next?: number }> {
  const { key, transcript } = currentExecution(run);
  const rows = await deps.transcripts.read(key.tenant, transcript, { after, to: head });
  let bytes = 0;
  const fitting = rows.findIndex((row, index) => {
    bytes += utf8Bytes(JSON.stringify(row));
    return index > 0 && bytes > MOST_MESSAGE_JSON_BYTES;
  });
  if (fitting === -1) return { messages: rows };
  return { messages: rows.slice(0, fitting), next: rows[fitting - 1]!.seq };
}
