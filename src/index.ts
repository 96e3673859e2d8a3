/**
 * `perdura`: what an application needs to start sessions and talk to them, and to declare
 * agents and tools. Nothing in here loads Temporal's native worker; that is `perdura/worker`.
 */

// Sessions
export { AgentRuntime, type ConnectOptions, type StartOptions } from './client/agent-runtime.js';
export type { EventsOptions } from './client/event-stream.js';
export { Session, type OutgoingMessage } from './client/session.js';
export type { Timeline, TimelineStep, TimelineTool, TimelineTurn } from './client/timeline.js';
export type { AttemptRow } from './store/attempts.js';
export type { SessionRecord } from './store/session-catalogue.js';
export {
  HANDLERS,
  type Answer,
  type InterruptReceipt,
  type SendReceipt,
  type SessionInput,
  type SessionResult,
  type SessionStatus,
  type TranscriptHead,
} from './contracts/session.js';
export {
  DEFAULT_TASK_QUEUE,
  DEFAULT_TENANT,
  SESSION_WORKFLOW,
  workflowIdOf,
  type SessionKey,
} from './contracts/ids.js';

// What happens in them
export { AgentStateMachine, type AgentMove, type AgentState } from './contracts/state.js';
export type {
  LiveDelta,
  LiveToolProgress,
  SessionEvent,
  StreamItem,
  Superseded,
  UnavailableServer,
} from './contracts/events.js';
export type {
  AssistantMessage,
  ContentPart,
  FinishReason,
  StoredMessage,
  SummaryMessage,
  ToolCall,
  ToolMessage,
  TranscriptMessage,
  Usage,
  UserMessage,
} from './contracts/message.js';
export {
  FAILURES,
  isFailureType,
  isRetryable,
  PerduraError,
  withRemedy,
  type FailureInfo,
  type FailureRule,
  type FailureType,
} from './contracts/failures.js';

// Declarations
export {
  defineAgent,
  defineConfig,
  type AgentDeclaration,
  type PerduraConfig,
  type ProviderDeclaration,
} from './config/define-config.js';
export { DEFAULT_LIMITS, type Agent, type AgentLimits } from './contracts/agent.js';
export { tool } from './contracts/define-tool.js';
export {
  ToolContent,
  type JsonSchema,
  type JsonToolDeclaration,
  type RawContentPart,
  type Tool,
  type ToolContext,
  type ToolEffect,
  type ToolLogger,
  type ToolOutput,
  type ToolRetry,
  type ToolRun,
  type ZodToolDeclaration,
} from './contracts/tool.js';
export type { McpDeadlines, McpHttpServer, McpServer, McpStdioServer } from './contracts/mcp.js';

// Parts that also work by themselves
export { ToolExecutor, type ToolOutcome } from '../activities/tools/tool-executor.js';
export { ToolRegistry, type ToolRegistryChange } from '../activities/tools/tool-registry.js';
export {
  MCPClientManager,
  type MCPClientManagerOptions,
} from '../activities/mcp/mcp-client-manager.js';
export { createLLMClient } from '../activities/llm/openai-client.js';
export {
  ContextManager,
  type CompactionPlan,
  type ContextManagerOptions,
  type ContextTranscript,
} from '../activities/context-manager.js';
export type {
  Context as ModelContext,
  Room as ContextRoom,
} from '../activities/context-builder.js';
export type {
  LLMClient,
  ModelCallOptions,
  ModelRequest,
  ModelResponse,
  ModelTool,
  Provider,
} from './contracts/llm.js';
