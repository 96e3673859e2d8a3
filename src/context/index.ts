/** `perdura/context`: what a model is shown of a transcript, and when a summary is needed. Pure. */
export {
  ContextManager,
  type CompactionPlan,
  type ContextManagerOptions,
  type ContextTranscript,
} from './context-manager.js';
export type { ContextRoom, ModelContext } from './context-builder.js';
