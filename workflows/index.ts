/** What the worker bundles. Sandbox only: nothing in this folder may import an activity. */
export { agentSession } from './agent-session.js';
export * from './handlers.js';
