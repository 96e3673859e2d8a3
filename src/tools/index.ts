/** `perdura/tools`: tools without a session: declare them, register them, run a call. */
export { tool } from '../contracts/define-tool.js';
export { ToolContent } from '../contracts/tool.js';
export type {
  JsonSchema,
  JsonToolDeclaration,
  RawContentPart,
  Tool,
  ToolContext,
  ToolEffect,
  ToolLogger,
  ToolOutput,
  ToolRetry,
  ToolRun,
  ZodToolDeclaration,
} from '../contracts/tool.js';
export { ToolExecutor, type ToolOutcome } from './tool-executor.js';
export { ToolRegistry, type ToolRegistryChange } from './tool-registry.js';
