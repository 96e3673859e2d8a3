/**
 * What the model of a session would be shown now, for somebody who asks beforehand. Made of the same
 * parts as a step; calls no model and writes nothing.
 */
import type { Agent } from '../../src/contracts/agent.js';
import type { SessionKey } from '../../src/contracts/ids.js';
import type { ModelTool } from '../../src/contracts/llm.js';
import type { StoredMessage, TranscriptMessage } from '../../src/contracts/message.js';
import type { RuntimeSessionContext } from '../../src/contracts/runtime-context.js';
import { ContextManager, type ContextView } from '../../src/context/context-manager.js';
import { ModelTools } from '../../src/tools/model-tools.js';
import type { ActivityDeps } from '../deps.js';
import { beforePlan } from './planner-step.js';
import { Recollections } from './recollections.js';
import { RuntimeContexts } from './runtime-contexts.js';
import { instructionsOf } from './step-prompt.js';

export interface PreviewRequest {
  readonly key: SessionKey;
  /** Name of its transcript. */
  readonly transcript: string;
  readonly agent: Agent;
  /** As if this message began the next turn. Absent: the transcript as it is. */
  readonly message?: string;
}

/** What the next call would have. */
export interface ContextPreview {
  /** System prompt, with what the agent shows of the context. */
  readonly instructions: string;
  readonly tools: readonly ModelTool[];
  /** What earlier conversations have kept and the next turn is shown; absent for nothing. */
  readonly memory?: string;
  readonly view: ContextView;
  /** In the order in which they are sent. */
  readonly messages: readonly TranscriptMessage[];
  readonly runtime: RuntimeSessionContext;
}

export type PreviewDeps = Pick<ActivityDeps, 'contexts' | 'memory' | 'tools' | 'transcripts'>;

export async function previewContext(
  deps: PreviewDeps,
  { key, transcript: name, agent: asked, message }: PreviewRequest,
): Promise<ContextPreview> {
  const [has, stored] = await Promise.all([
    deps.tools.toolsOf(asked, key.tenant),
    deps.transcripts.read(key.tenant, name),
  ]);
  const contexts = new RuntimeContexts(deps.contexts, deps.tools);
  const runtime = await contexts.of({ key, hasContext: true }, asked, has.keys());
  const { agent, tools: offered } = asked.planner
    ? beforePlan(asked, has, deps.tools.unavailable(asked))
    : { agent: asked, tools: has };
  const transcript = message === undefined ? stored : [...stored, nextMessage(stored, message)];
  const turn = transcript.at(-1)?.turn ?? 1;
  const said = transcript.flatMap((entry) =>
    entry.turn === turn && entry.message.role === 'user' ? [entry.message.text] : [],
  );
  const memory = await new Recollections(deps.memory).of({ agent, runtime, turn, asked: said });
  const instructions = instructionsOf(agent, runtime);
  const tools = new ModelTools().of(offered);
  const manager = new ContextManager({
    ...agent,
    instructions: instructions + (memory?.text ?? ''),
    tools,
  });
  const { messages } = manager.build(transcript);
  return {
    instructions,
    tools,
    ...(memory ? { memory: memory.text } : {}),
    view: manager.view(transcript),
    messages,
    runtime,
  };
}

function nextMessage(stored: readonly StoredMessage[], text: string): StoredMessage {
  const last = stored.at(-1);
  return {
    seq: (last?.seq ?? 0) + 1,
    turn: (last?.turn ?? 0) + 1,
    step: 0,
    attempt: 1,
    message: { role: 'user', id: 'preview', text },
    at: new Date().toISOString(),
  };
}
