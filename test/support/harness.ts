/**
 * A {@link TestStack} on the servers of this run (shared-stack.ts): what most integration
 * tests need. Its agent answers with little ceremony, and its options reach every corner.
 */
import { inject } from 'vitest';
import { DEFAULT_LIMITS, type Agent, type AgentLimits } from '../../src/contracts/agent.js';
import type { PerduraConfig } from '../../src/config/define-config.js';
import type { McpServer } from '../../src/contracts/mcp.js';
import type { Tool } from '../../src/contracts/tool.js';
import type { AgentRuntime } from '../../src/client/agent-runtime.js';
import type { ScriptedModel } from '../../src/testing/scripted-model.js';
import {
  startTestStack,
  type TestStack,
  type TestStackOptions,
} from '../../src/testing/test-stack.js';
import type { PerduraWorker } from '../../worker/create-worker.js';
import { CACHED_WORKFLOWS } from './cached-workflows.js';

export interface HarnessOptions extends Pick<
  TestStackOptions,
  'settings' | 'worker' | 'stallTimeoutMs' | 'api' | 'start' | 'workflowBundle' | 'embeddings'
> {
  readonly agent?: Partial<Omit<Agent, 'limits'>> & { limits?: Partial<AgentLimits> };
  readonly agents?: readonly Agent[];
  readonly tools?: readonly Tool[];
  readonly mcp?: Readonly<Record<string, McpServer>>;
  /** Default: that of this run. */
  readonly databaseUrl?: string;
  readonly pools?: PerduraConfig['pools'];
}

export class Harness {
  readonly #options: HarnessOptions;
  readonly #stack: TestStack;

  private constructor(options: HarnessOptions, stack: TestStack) {
    this.#options = options;
    this.#stack = stack;
  }

  static async start(options: HarnessOptions = {}): Promise<Harness> {
    const { agents, tools = [], mcp = {}, pools, worker } = options;
    const stack = await startTestStack({
      ...options,
      config: { agents: agents ?? [agentOf(options)], tools, mcp, pools },
      temporalAddress: inject('temporalAddress'),
      databaseUrl: options.databaseUrl ?? inject('databaseUrl'),
      worker: { ...CACHED_WORKFLOWS, ...worker },
    });
    return new Harness(options, stack);
  }

  get model(): ScriptedModel {
    return this.#stack.model;
  }

  get runtime(): AgentRuntime {
    return this.#stack.runtime;
  }

  get tenant(): string {
    return this.#stack.tenant;
  }

  get taskQueue(): string {
    return this.#stack.taskQueue;
  }

  get worker(): PerduraWorker {
    return this.#stack.worker;
  }

  /** The agent named `assistant`. */
  agent(): Agent {
    return agentOf(this.#options);
  }

  startWorker(): Promise<void> {
    return this.#stack.startWorker();
  }

  stopWorker(): Promise<void> {
    return this.#stack.stopWorker();
  }

  stop(): Promise<void> {
    return this.#stack.stop();
  }
}

function agentOf({ agent = {}, mcp = {} }: HarnessOptions): Agent {
  const { limits, ...rest } = agent;
  return {
    name: 'assistant',
    instructions: 'You are a test.',
    provider: 'default',
    model: 'gpt-test',
    temperature: 0.7,
    maxTokens: 1_024,
    tools: ['*'],
    mcp: Object.keys(mcp),
    unread: 'all',
    ...rest,
    limits: { ...DEFAULT_LIMITS, ...limits },
  };
}
