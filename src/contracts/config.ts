/** A configuration, complete: what `perdura.config.ts` and the YAML files come to. */
import type { Agent } from './agent.js';
import type { Provider } from './llm.js';
import type { McpServer } from './mcp.js';
import type { Pool } from './pool.js';
import type { Skill } from './skill.js';
import type { Tool } from './tool.js';

export interface ResolvedConfig {
  readonly agents: readonly Agent[];
  readonly tools: readonly Tool[];
  /** Absent for none. */
  readonly skills?: readonly Skill[];
  /** Absent for none. */
  readonly pools?: readonly Pool[];
  /** Names of people by role. Absent for none. */
  readonly roles?: Readonly<Record<string, readonly string[]>>;
  readonly mcp: Readonly<Record<string, McpServer>>;
  /** Folder that agents work in which list the tools for it. Absent: there are no such tools. */
  readonly workspace?: string;
  /** `default` is always there. */
  readonly providers: Readonly<Record<string, Provider>>;
  /** Where it was read from, for messages; absent when there is no file. */
  readonly file?: string;
}
