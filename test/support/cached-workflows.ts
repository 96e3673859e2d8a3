/**
 * How many workflows the workers of this run keep in memory: PERDURA_TEST_CACHED_WORKFLOWS.
 * With 2, a session is replayed at nearly every step, and the whole suite passes. Every worker
 * that a test starts, whose cache is not what the test is about, takes it from here.
 */
const asked = process.env.PERDURA_TEST_CACHED_WORKFLOWS;

/** For a worker in this process: `createWorker({ worker: CACHED_WORKFLOWS })`. */
export const CACHED_WORKFLOWS: { readonly maxCachedWorkflows?: number } = asked
  ? { maxCachedWorkflows: Number(asked) }
  : {};

/** For one in a process of its own. */
export const CACHED_WORKFLOWS_ENVIRONMENT = { PERDURA_MAX_CACHED_WORKFLOWS: asked };
