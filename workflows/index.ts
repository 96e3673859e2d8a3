/**
 * `perdura/workflow`: the session's workflow, and its parts for workflows of an application's own.
 * What the worker bundles. Sandbox only: nothing in this folder may import an activity.
 */
export { agentSession } from './session/agent-session.js';
export { mailCourier } from './mail/courier.js';
export * from './session/handlers.js';
export { createAgentLoop, type AgentLoop, type AgentLoopOptions } from './parts/agent-loop.js';
export type {
  LoopAgent,
  LoopAgentOptions,
  LoopAnswer,
  LoopMessage,
  ModelAnswer,
  ToolAnswer,
  TurnOptions,
} from './parts/agent.js';
export type { CarriedTranscript, Transcript } from './parts/transcript.js';
export type { WorkflowTool, WorkflowTools } from './parts/workflow-tools.js';
export { receive, type CarriedInbox, type Inbox } from './parts/inbox.js';
export type { AskOptions, SessionHandle, StartSessionOptions } from './parts/session-handle.js';
