/** What the worker bundles. Sandbox only: nothing in this folder may import an activity. */
export { agentSession } from './session/agent-session.js';
export * from './session/handlers.js';
