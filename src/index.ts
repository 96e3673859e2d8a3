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
  AgentFactory,
  TemplateRegistry,
  type BatchItem,
  type CreateAgentOptions,
  type CreateFromTemplateOptions,
  type FactoryOptions,
  type KnownTemplate,
} from './client/agent-factory.js';
export { AgentComponents, type AgentComponent, type ToolHost } from './client/agent-components.js';
export {
  AgentManager,
  type AgentFilter,
  type AgentTree,
  type Termination,
  type WaitOptions,
} from './client/agent-manager.js';
export {
  AgentPool,
  type PoolLimitsChange,
  type PoolMemberOptions,
  type PoolParts,
} from './client/agent-pool.js';
export type { PoolMember, PoolRecord, PoolTenant } from './store/pool-store.js';
export type { PoolLimits, PoolReference, QueuedFor, WaitsForSlot } from './contracts/pool.js';
export type { AgentVersion, AgentVersionRecord, MadeAgent } from './store/agent-definitions.js';
export type { AgentTemplate, TemplateVariable } from './config/template-schema.js';
export {
  ServedTools,
  type ClientCall,
  type ClientTool,
  type ClientTools,
  type ServeOptions,
} from './client/client-tools.js';
export type { EventsOptions } from './client/event-stream.js';
export type { OutgoingMessage, SendOptions } from './client/outgoing-message.js';
export {
  Memory,
  type Erased,
  type EraseOptions,
  type ForgetOptions,
  type ListMemoryOptions,
  type MemoryOf,
  type RecallOptions,
  type RememberOptions,
} from './client/memory.js';
export { Session } from './client/session.js';
export type {
  AgentBill,
  Timeline,
  TimelinePlan,
  TimelineStep,
  TimelineTool,
  TimelineTurn,
} from './client/timeline.js';
export type { AttemptRow } from './store/attempts.js';
export type { SessionPage, SessionPageOptions, SessionRecord } from './store/session-catalogue.js';
export {
  HANDLERS,
  type Answer,
  type CallAnswer,
  type InterruptReceipt,
  type MoveReceipt,
  type MoveRequest,
  type OnParentEnd,
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

// Checkpoints and forks
export {
  SessionManager,
  type CheckpointOptions,
  type CleanUpOptions,
  type ForkOptions,
} from './client/session-manager.js';
export type { Checkpoint } from './store/fork-store.js';
export type { ForkPoint } from './contracts/events.js';

// What waits for people
export {
  Inbox,
  type ApproveOptions,
  type Decided,
  type DecideOptions,
  type InboxOptions,
} from './client/inbox.js';
export type { ApprovalGrant, RequestRecord } from './store/request-store.js';
export {
  ASK_USER,
  type Decider,
  type RememberScope,
  type RequestKind,
  type RequestState,
} from './contracts/requests.js';

// Messages between them, and groups
export {
  GroupService,
  MessageService,
  type BroadcastMail,
  type DeliveryReport,
  type DirectMail,
  type GroupDeclaration,
  type MailReceipt,
  type MemberDeclaration,
  type OutgoingMail,
  type UnreadMail,
} from './mail/index.js';
export {
  isNoReply,
  NO_REPLY,
  type DeliveryState,
  type GroupRole,
  type GroupState,
  type MailKind,
  type Priority,
  type SpeakMode,
} from './contracts/mail.js';
export type { Addressee, Delivery, GroupMail, MailRecord } from './store/mail-store.js';
export type { GroupMember, GroupRecord } from './store/group-store.js';

// What happens in them
export { AgentStateMachine, type AgentMove, type AgentState } from './contracts/state.js';
export type {
  ItemOrigin,
  LiveDelta,
  LiveToolProgress,
  PlanEvent,
  PlannedStep,
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
  type HandoffDeclaration,
  type PerduraConfig,
  type PoolDeclaration,
  type PoolLimitsDeclaration,
  type ProviderDeclaration,
} from './config/define-config.js';
export {
  DEFAULT_LIMITS,
  type Agent,
  type AgentLimits,
  type AgentReference,
  type Handoff,
  type HandoffFilter,
} from './contracts/agent.js';
export type { SubAgent } from './contracts/delegation.js';
export type { SubAgentDeclaration } from './config/sub-agent-schema.js';
export { DEFAULT_POLICY, type PolicyDeclaration, type RuntimePolicy } from './contracts/policy.js';
export type {
  MemoryDeclaration,
  MemoryEntry,
  MemoryKind,
  MemoryOptions,
  MemoryScope,
  MemoryWritten,
} from './contracts/memory.js';
export type {
  ContextInput,
  ContextMetadata,
  ContextParty,
  GivenContext,
  RuntimeSessionContext,
  SkillReference,
} from './contracts/runtime-context.js';
export type { Skill, SkillFile, SkillSource } from './contracts/skill.js';
export { WHILE_WORKING, type WhileWorking } from './contracts/while-working.js';
export { tool } from './contracts/define-tool.js';
export {
  ToolContent,
  type JsonSchema,
  type JsonToolDeclaration,
  type AgentAnswer,
  type RawContentPart,
  type RunAgentOptions,
  type Tool,
  type ToolContext,
  type ToolCost,
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
export {
  buildCapabilityGraph,
  PlannerAgent,
  type AcceptedPlan,
  type AgentSource,
  type GraphSources,
  type PlannerAgentOptions,
  type CapabilitySkill,
} from './planner/index.js';
export {
  CapabilityGraph,
  type Capability,
  type CapabilityEdge,
  type CapabilityGap,
  type CapabilityGraphData,
  type CapabilityKind,
} from './contracts/capabilities.js';
export type { Plan, PlanStep } from './contracts/plan-form.js';
export type { PlanMove, PlanProgress, StepResult } from './contracts/plan.js';
export { readProgress } from './contracts/plan.js';
export { MCPClientManager, type MCPClientManagerOptions } from './mcp/index.js';
export {
  ContextManager,
  type CompactionPlan,
  type ContextEntry,
  type ContextManagerOptions,
  type ContextRoom,
  type ContextSource,
  type ContextStore,
  type ContextTranscript,
  type ContextView,
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
