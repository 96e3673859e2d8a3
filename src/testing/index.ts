/** `perdura/testing`: what an application needs to test its agents and tools. */
export {
  ScriptedModel,
  type ClosedEarly,
  type EmbeddingPlan,
  type Match,
  type Reply,
  type ScriptedCall,
  type ScriptedError,
  type ScriptedResponse,
  type SeenEmbedding,
  type SeenRequest,
} from './scripted-model.js';
export { startOfflineModel, type OfflineModel, type OfflineModelOptions } from './offline-model.js';
export { startTestServers, type TestServers, type TestServersOptions } from './test-servers.js';
export { startTestStack, type TestStack, type TestStackOptions } from './test-stack.js';
export {
  replayHistories,
  replayHistory,
  type ReplayedHistory,
  type ReplayOptions,
} from './replay.js';
export { Ledger, recordEffect, type LedgerEntry, type LedgerRequest } from './ledger.js';
