/**
 * `perdura/worker`: workers, in a process of their own or embedded in an application, with
 * workflows and activities of the application beside Perdura's.
 */
export { createWorker, type PerduraWorker, type PerduraWorkerOptions } from './create-worker.js';
export { perdura, PerduraPlugin, type PerduraPluginOptions } from './plugin.js';
export { runWorker, type RunWorkerOptions } from './main.js';
export { buildBundle, workflowBundle } from './bundle.js';
export { hasSearchAttributes, registerSearchAttributes } from './search-attributes.js';
export { createLLMClient } from '../src/llm/openai-client.js';
export { ContextManager, type ContextManagerOptions } from '../src/context/context-manager.js';
export { migrate, pendingMigrations } from '../src/store/migrate.js';
export { loadConfig, resolveConfig } from '../src/config/load-config.js';
export { installRuntime } from './runtime.js';
export { readSettings, type Settings } from '../src/config/environment.js';
export { readRunningStack, type RunningStack } from '../src/stack/dev-lock.js';
export type { ResolvedConfig } from '../src/contracts/config.js';
export type { LiveBus } from '../src/live/bus.js';
export { InProcessLiveBus } from '../src/live/in-process-bus.js';
