/** The worker process of Perdura in the benchmark: an agent with one local tool, our defaults. */
import { NativeConnection } from '@temporalio/worker';
import { DEFAULT_LIMITS, type Agent } from '../src/contracts/agent.js';
import { tool } from '../src/contracts/define-tool.js';
import { createWorker } from '../worker/create-worker.js';
import { answerTheBench, installRuntime } from './worker-commands.js';

const add = tool({
  name: 'add',
  description: 'Adds two numbers.',
  effect: 'read',
  run: 'local',
  parameters: {
    type: 'object',
    properties: { a: { type: 'number' }, b: { type: 'number' } },
    required: ['a', 'b'],
  },
  execute: (args) => {
    const { a, b } = args as { a: number; b: number };
    return String(a + b);
  },
});

const ASSISTANT: Agent = {
  name: 'assistant',
  instructions: 'You are a helpful assistant.',
  provider: 'default',
  model: 'bench',
  temperature: 0.7,
  maxTokens: 4096,
  tools: ['add'],
  mcp: [],
  unread: 'all',
  limits: DEFAULT_LIMITS,
};

/** Of the pool that a measurement has made. */
const { BENCH_POOL: pool } = process.env;

installRuntime();
const connection = await NativeConnection.connect({ address: process.env.BENCH_TEMPORAL! });
const worker = await createWorker({
  config: {
    agents: [
      ASSISTANT,
      {
        ...ASSISTANT,
        name: 'lead',
        agents: [{ agent: 'assistant', name: 'delegate', description: 'Works on a task.' }],
      },
      ...(pool === undefined ? [] : [{ ...ASSISTANT, name: 'pooled', pool: { name: pool } }]),
    ],
    tools: [add],
    mcp: {},
    providers: {
      default: {
        api: 'chat',
        baseUrl: process.env.BENCH_MODEL_URL!,
        apiKey: 'bench',
        stallTimeoutMs: 120_000,
      },
    },
  },
  connection,
  namespace: process.env.BENCH_NAMESPACE!,
  taskQueue: process.env.BENCH_TASK_QUEUE!,
  databaseUrl: process.env.DATABASE_URL!,
  workflowBundle: { codePath: process.env.BENCH_BUNDLE! },
});
await answerTheBench(worker);
await connection.close();
process.exit(0);
