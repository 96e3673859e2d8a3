/** `perdura/context`: what a model is shown of a transcript, and when a summary is needed. Pure. */
export {
  ContextManager,
  type CompactionPlan,
  type ContextEntry,
  type ContextManagerOptions,
  type ContextSource,
  type ContextStore,
  type ContextTranscript,
  type ContextView,
} from './context-manager.js';
export type { ContextRoom, ModelContext } from './context-builder.js';
