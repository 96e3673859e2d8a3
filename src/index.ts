/**
 * `perdura`: start sessions and talk to them, declare agents and tools. Importing it loads
 * neither Temporal's native worker (`perdura/worker`), nor the packages of model providers and
 * MCP: those load with the first client or connection.
 */

// Sessions
export {
  AgentRuntime,
  type ConnectOptions,
  type SessionFilter,
  type StartOptions,
} from './client/agent-runtime.js';
export {
  ServedTools,
  type ClientCall,
  type ClientTool,
  type ClientTools,
  type ServeOptions,
} from './client/client-tools.js';
export type { EventsOptions } from './client/event-stream.js';
export type { OutgoingMessage, SendOptions } from './client/outgoing-message.js';
export { Session } from './client/session.js';
export type { Timeline, TimelineStep, TimelineTool, TimelineTurn } from './client/timeline.js';
export type { AttemptRow } from './store/attempts.js';
export type { SessionRecord } from './store/session-catalogue.js';
export {
  HANDLERS,
  type Answer,
  type CallAnswer,
  type InterruptReceipt,
  type SendReceipt,
  type SessionInput,
  type SessionResult,
  type SessionStatus,
  type TranscriptHead,
  type WaitingCall,
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
  ItemOrigin,
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
export { WHILE_WORKING, type WhileWorking } from './contracts/while-working.js';
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
  type WaitingToolDeclaration,
  type ZodToolDeclaration,
} from './contracts/tool.js';
export type { McpDeadlines, McpHttpServer, McpServer, McpStdioServer } from './contracts/mcp.js';

// Parts that also work without a session; each has an entry point of its own
export {
  ToolExecutor,
  ToolRegistry,
  type ToolOutcome,
  type ToolRegistryChange,
} from './tools/index.js';
export { MCPClientManager, type MCPClientManagerOptions } from './mcp/index.js';
export {
  ContextManager,
  type CompactionPlan,
  type ContextManagerOptions,
  type ContextRoom,
  type ContextTranscript,
  type ModelContext,
} from './context/index.js';
export {
  createLLMClient,
  type LLMClient,
  type ModelCallOptions,
  type ModelRequest,
  type ModelResponse,
  type ModelTool,
  type Provider,
} from './llm/index.js';
