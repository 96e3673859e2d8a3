/** The rows of the store's tables, for Kysely. */
import type { ColumnType, Generated } from 'kysely';

type Timestamp = ColumnType<Date, Date | undefined, Date>;

interface SessionsTable {
  tenant: string;
  session: string;
  workflow_id: string;
  agent: string;
  /** Of its definition; null in rows of versions before 0005. */
  version: string | null;
  /** Name of the run that started it, and of the one at the top. */
  parent: string | null;
  root: string | null;
  /** Names from the root down to the session. */
  path: string[] | null;
  on_parent_end: string | null;
  /** Where it was forked: `{session, turn, checkpoint?}`. */
  fork: unknown;
  title: string | null;
  transcript: string;
  state: string;
  turn: number;
  head: number;
  failure: unknown;
  last_event: string;
  input_tokens: string;
  output_tokens: string;
  cached_tokens: string;
  cost_micros: string;
  created_at: Timestamp;
  updated_at: Timestamp;
}

interface MessagesTable {
  row_id: Generated<string>;
  tenant: string;
  transcript: string;
  seq: number;
  key: string;
  epoch: number;
  stage: string;
  turn: number;
  step: number;
  attempt: number;
  message_id: string | null;
  body: unknown;
  usage: unknown;
  at: Timestamp;
  superseded_at: Date | null;
  pinned: Generated<boolean>;
  rolled_back: Generated<boolean>;
}

interface EventsTable {
  tenant: string;
  session: string;
  n: string;
  key: string;
  type: string;
  body: unknown;
  message_row: string | null;
  at: Timestamp;
}

interface TranscriptsTable {
  tenant: string;
  transcript: string;
  session: string;
  /** Of the workflow that writes it. */
  run: string;
}

interface AttemptsTable {
  tenant: string;
  session: string;
  run: string;
  turn: number;
  step: number;
  stage: string;
  kind: string;
  attempt: number;
  agent: string | null;
  model: string;
  outcome: string;
  failure: unknown;
  input_tokens: number;
  output_tokens: number;
  cached_tokens: number;
  reasoning_tokens: number;
  cost_micros: string;
  estimated: boolean;
  started_at: Timestamp;
  ended_at: ColumnType<Date | null, Date | null | undefined, Date | null>;
}

interface ToolRunsTable {
  tenant: string;
  session: string;
  key: string;
  name: string;
  effect: string;
  attempt: number;
  turn: number;
  step: number;
  outcome: string;
  failures: Generated<number>;
  deaths: Generated<number>;
  holder: string | null;
  failure: string | null;
  result: unknown;
  started_at: Timestamp;
  ended_at: ColumnType<Date | null, Date | null | undefined, Date | null>;
}

interface ArtifactsTable {
  tenant: string;
  artifact: string;
  session: string;
  media_type: string;
  bytes: number;
  content: Buffer;
  created_at: Timestamp;
}

interface SpillsTable {
  tenant: string;
  session: string;
  spill: string;
  messages: unknown;
  created_at: Timestamp;
}

interface McpPinsTable {
  tenant: string;
  server: string;
  tool: string;
  digest: string;
  accepted_at: Timestamp;
}

interface SessionContextsTable {
  tenant: string;
  session: string;
  user_id: string | null;
  organisation: string | null;
  context: unknown;
  created_at: Timestamp;
}

interface AgentVersionsTable {
  tenant: string;
  agent: string;
  version: string;
  definition: unknown;
  created_at: Timestamp;
}

interface AgentsTable {
  tenant: string;
  agent: string;
  version: string;
  template: string | null;
  created_at: Timestamp;
  updated_at: Timestamp;
}

interface AgentTemplatesTable {
  tenant: string;
  template: string;
  body: unknown;
  created_at: Timestamp;
  updated_at: Timestamp;
}

/** The tables by their names. */
export interface Tables {
  'perdura.sessions': SessionsTable;
  'perdura.messages': MessagesTable;
  'perdura.events': EventsTable;
  'perdura.transcripts': TranscriptsTable;
  'perdura.attempts': AttemptsTable;
  'perdura.tool_runs': ToolRunsTable;
  'perdura.artifacts': ArtifactsTable;
  'perdura.spills': SpillsTable;
  'perdura.mcp_pins': McpPinsTable;
  'perdura.session_contexts': SessionContextsTable;
  'perdura.agent_versions': AgentVersionsTable;
  'perdura.agents': AgentsTable;
  'perdura.agent_templates': AgentTemplatesTable;
}
