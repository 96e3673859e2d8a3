/**
 * What is promised, and the tests that show it: features by their ids, faults by theirs. Each
 * entry of `shownBy` is how the titles of one or more tests begin, within a file;
 * `test/unit/requirements.test.ts` fails when a finished row has none, or names one that is gone.
 */

export interface Requirement {
  /** One line, for people. */
  readonly what: string;
  /** Not finished yet: may be without tests. */
  readonly open?: true;
  /** Beginnings of titles, by test file. */
  readonly shownBy: Readonly<Record<string, readonly string[]>>;
}

const at = {
  forks: 'test/integration/people/forks.test.ts',
  forkCli: 'test/integration/cli/fork.test.ts',
  approvals: 'test/integration/people/approvals.test.ts',
  approvalsDeep: 'test/integration/people/deep.test.ts',
  questions: 'test/integration/people/questions.test.ts',
  pool: 'test/integration/pool/pool.test.ts',
  poolCrashes: 'test/integration/pool/crashes.test.ts',
  poolFairness: 'test/integration/pool/fairness.test.ts',
  poolStore: 'test/integration/store/pools.test.ts',
  agentFactory: 'test/integration/agents/factory.test.ts',
  agentManager: 'test/integration/agents/manager.test.ts',
  agentVersions: 'test/integration/agents/versions.test.ts',
  clientTools: 'test/integration/session/client-tools.test.ts',
  context: 'test/integration/faults/context.test.ts',
  contextUnit: 'test/unit/contracts/runtime-context.test.ts',
  contextManager: 'test/unit/context/context-manager.test.ts',
  control: 'test/integration/session/control.test.ts',
  conversation: 'test/integration/session/conversation.test.ts',
  database: 'test/integration/faults/database-down.test.ts',
  demoTeam: 'test/integration/examples/demo-team.test.ts',
  doors: 'test/integration/store/doors.test.ts',
  executor: 'test/unit/tools/tool-executor.test.ts',
  flood: 'test/integration/faults/flood.test.ts',
  garbage: 'test/integration/faults/garbage.test.ts',
  handoff: 'test/integration/agents/handoff.test.ts',
  histories: 'test/integration/replay/histories.test.ts',
  history: 'test/integration/session/history.test.ts',
  interrupt: 'test/integration/faults/interrupt.test.ts',
  kills: 'test/integration/chaos/kill-sweep.test.ts',
  late: 'test/integration/faults/late-attempts.test.ts',
  lost: 'test/integration/faults/lost-attempts.test.ts',
  longLife: 'test/integration/session/thousand-turns.test.ts',
  groups: 'test/integration/mail/groups.test.ts',
  mail: 'test/integration/mail/messages.test.ts',
  mailKills: 'test/integration/mail/kills.test.ts',
  mcp: 'test/integration/mcp/real-servers.test.ts',
  memory: 'test/integration/memory/memory.test.ts',
  memoryErasure: 'test/integration/memory/erasure.test.ts',
  memoryKills: 'test/integration/chaos/memory.test.ts',
  vectors: 'test/integration/memory/vectors.test.ts',
  vectorKills: 'test/integration/chaos/vectors.test.ts',
  vectorCli: 'test/integration/cli/vectors.test.ts',
  treeContext: 'test/integration/tree/context.test.ts',
  mcpFaults: 'test/integration/mcp/misbehaving-servers.test.ts',
  messages: 'test/integration/faults/messages.test.ts',
  models: 'test/integration/faults/model-errors.test.ts',
  modelLimits: 'test/integration/faults/model-limits.test.ts',
  modelAnswers: 'test/integration/llm/answers.test.ts',
  ownChildren: 'test/integration/parts/child-sessions.test.ts',
  ownLoops: 'test/integration/parts/agent-loop.test.ts',
  capabilities: 'test/unit/planner/capabilities.test.ts',
  planner: 'test/integration/plan/planner.test.ts',
  plannerAttacks: 'test/integration/plan/planner-attacks.test.ts',
  plannerKills: 'test/integration/chaos/planner-kills.test.ts',
  policy: 'test/integration/policy/policy.test.ts',
  pairs: 'test/integration/faults/pairs.test.ts',
  plugin: 'test/integration/parts/plugin.test.ts',
  readers: 'test/integration/faults/readers.test.ts',
  registry: 'test/unit/tools/tool-registry.test.ts',
  runtimeContext: 'test/integration/memory/context.test.ts',
  silentDatabase: 'test/integration/faults/silent-database.test.ts',
  sizes: 'test/integration/faults/sizes.test.ts',
  skills: 'test/unit/config/skills.test.ts',
  spills: 'test/integration/store/spills.test.ts',
  states: 'test/unit/contracts/agent-state-machine.test.ts',
  stuck: 'test/integration/faults/stuck-task.test.ts',
  toolCalls: 'test/integration/faults/tool-calls.test.ts',
  treeAgents: 'test/integration/tree/sub-agents.test.ts',
  treeCancel: 'test/integration/tree/cancel.test.ts',
  treeDetached: 'test/integration/tree/detached.test.ts',
  treeEvents: 'test/integration/tree/events.test.ts',
  treeKill: 'test/integration/tree/kill.test.ts',
  treeRunAgent: 'test/integration/tree/run-agent.test.ts',
  waitingCalls: 'test/integration/session/waiting-calls.test.ts',
  wakeUp: 'test/integration/session/wake-up.test.ts',
  whileWorking: 'test/integration/session/while-working.test.ts',
  whileWorkingKilled: 'test/integration/chaos/while-working.test.ts',
} as const;

export const FEATURES: Readonly<Record<string, Requirement>> = {
  H1: {
    what: 'AgentRuntime: the loop that takes unread messages, infers, acts, saves and waits',
    shownBy: {
      [at.conversation]: ['conversation:', 'tools:'],
      [at.control]: ['unread `all`:', 'pause: in the middle of a turn'],
      [at.wakeUp]: ['wakeUpAfter: 30 days', 'idle:'],
    },
  },
  H2: {
    what: 'MessageService: send, all unread, mark read; direct, group and broadcast messages',
    shownBy: {
      [at.mail]: ['H2 direct message:', 'H2 message:', 'H2 broadcast:', 'H2 unread:', 'H2 paused'],
      [at.mailKills]: ['H2 H10 H12'],
    },
  },
  H3: {
    what: 'ContextManager: the context of the model, loaded, saved, managed',
    shownBy: {
      [at.contextManager]: [
        'room →',
        'messages of the store',
        'a full window →',
        'pin:',
        'trim:',
        'compact:',
        'load and save',
      ],
      [at.runtimeContext]: ['H3 context: asked beforehand', 'H3 pin:'],
      [at.context]: ['F16 context: a small window fills up'],
      [at.conversation]: ['conversation: a message → an answer, and the next message knows'],
    },
  },
  H4: {
    what: 'LLMClient: streaming, tokens reach a reader as they come',
    shownBy: {
      [at.modelAnswers]: ['text: streamed in pieces', 'reasoning: kept apart'],
      [at.readers]: ['F26 reader: comes while the model'],
    },
  },
  H5: {
    what: 'ToolRegistry, ToolExecutor, Tool: registration while running, discovery, error recovery',
    shownBy: {
      [at.registry]: ['registry:'],
      [at.executor]: ['tool: throws', 'tool context:'],
      [at.toolCalls]: ['F15 tool call: malformed JSON'],
      [at.clientTools]: ['P12 serve: calls of several tools', 'P12 serve: what a function throws'],
    },
  },
  H6: {
    what: 'MCPClientManager: servers connected while running, their tools loaded and called',
    shownBy: {
      [at.mcp]: ['mcp: tools, resources and prompts', 'mcp: a server over HTTP'],
      [at.mcpFaults]: ['mcp: server added and removed while running'],
    },
  },
  H7: {
    what: 'AgentManager: instances and their life cycle; AgentFactory; parent and child agents',
    shownBy: {
      [at.agentManager]: [
        'list: pages by cursor',
        'family:',
        'terminate:',
        'settleOrphans:',
        'wait:',
      ],
      [at.agentFactory]: ['create:'],
      [at.treeAgents]: ['sub-agent: called', 'sub-agent: typed', 'sub-agents: three', 'policy:'],
      [at.treeCancel]: ['tree: three levels', 'tree: the first session ends'],
      [at.treeDetached]: ['detached:', 'wait_for: all', 'wait_for: any', 'its parent has answered'],
      [at.treeEvents]: ['tree: followed live'],
      [at.treeKill]: ['tree: its workers are killed'],
      [at.treeRunAgent]: ['runAgent: two at once', 'runAgent: the tool is tried again'],
    },
  },
  H8: {
    what: 'AgentStateMachine: five states, and which moves are legal',
    shownBy: { [at.states]: ['any legal moves', 'apply: an illegal move', 'pause:'] },
  },
  H9: {
    what: 'a maximum of agents at work at once, fair between tenants; who waits is visible and costs nothing',
    shownBy: {
      [at.pool]: [
        'H9 three agents',
        'H9 changed while agents wait',
        'H9 a parent and its sub-agent',
      ],
      [at.poolFairness]: ['H9 a pool of'],
      [at.poolCrashes]: ['H9 '],
      [at.poolStore]: ['H9 any order'],
    },
  },
  H10: {
    what: 'GroupService: groups, members, group messages, broadcast, history, pause and stop',
    shownBy: {
      [at.groups]: [
        'H10 group:',
        'H10 group message:',
        'H10 broadcast:',
        'H10 pause:',
        'H10 stop:',
      ],
      [at.mailKills]: ['H2 H10 H12'],
    },
  },
  H12: {
    what: 'agents that talk to each other, in parallel and within bounds',
    shownBy: {
      [at.groups]: ['H12 free:', 'H12 round-robin:', 'H12 mention:', 'H12 moderator:'],
      [at.mail]: ['H12 send_message:', 'H12 two agents'],
      [at.demoTeam]: ['H9 H12 demo:team:'],
    },
  },
  C2: {
    what: 'RuntimePolicy: iterations, replans, parallel execution, delegation, approval for high-risk tools',
    shownBy: {
      [at.policy]: ['C2 policy:'],
      [at.questions]: ['C2 question:'],
      [at.planner]: ['C2 planner: maxReplanAttempts'],
      [at.capabilities]: ['C5 graph: forbidden by the policy'],
    },
  },
  A3: {
    what: 'SessionManager: create, get, save a checkpoint, resume, clean up what expired',
    shownBy: { [at.forks]: ['A3 checkpoint:', 'A3 clean up:'] },
  },
  P7: {
    what: 'fork and time travel from any turn; a recorded run replayed with another prompt or model',
    open: true,
    shownBy: { [at.forks]: ['P7 fork:', 'P7 edit:'], [at.forkCli]: ['fork:'] },
  },
  P6: {
    what: 'approvals that cross the tree, bound to the exact arguments, in one inbox, with expiry',
    shownBy: {
      [at.approvals]: ['P6 approval:'],
      [at.approvalsDeep]: ['P6 F4 approval:'],
    },
  },
  C5: {
    what: 'capability graph, a planner on it, each action checked before it runs, replanning',
    shownBy: {
      [at.capabilities]: ['C5 graph:'],
      [at.planner]: ['C5 planner:'],
      [at.plannerAttacks]: ['C5 planner:'],
      [at.plannerKills]: ['F1 F2 C5 planner:'],
    },
  },
  M3: {
    what: 'model and tools in a loop until the model is done; messages trimmed',
    shownBy: {
      [at.conversation]: ['tools: a call'],
      [at.context]: ['F16 context: a small window fills up'],
    },
  },
  M8: {
    what: 'direct model client, streams that keep little in memory, tool calls in parallel',
    shownBy: {
      [at.modelAnswers]: ['text: streamed', 'parallel tool calls:', 'calls one after another:'],
      [at.readers]: ['F26 reader: so slow that its buffer overflows'],
    },
  },
  M9: {
    what: 'memory of earlier conversations handed to the run; written by compare and set, erased',
    shownBy: {
      [at.memory]: [
        'memory: what one session',
        'memory: two sessions correct',
        'memory: recallAtStart',
      ],
      [at.memoryKills]: ['M9 memory:'],
      [at.vectors]: [
        'pgvector: a question in other words',
        'pgvector: an endpoint that fails',
        'vectors: a PostgreSQL without pgvector',
      ],
      [at.vectorKills]: ['pgvector: at least'],
      [at.vectorCli]: ['doctor: no model for embeddings', 'pgvector: doctor says'],
      [at.memoryErasure]: ['erasure: a user', 'erasure: a late attempt'],
      [at.treeContext]: ['M9 memory: what sub-agents', 'M9 memory: sub-agents and detached ones'],
    },
  },
  M10: {
    what: 'state kept, resumed from where it was',
    shownBy: { [at.kills]: ['F1 F2 F3 F4 F5 workers:'], [at.stuck]: ['F29 workflow task:'] },
  },
  C1: {
    what: 'RuntimeSessionContext: organisation, user, agent, tools, policy; visible to steps and tools',
    shownBy: {
      [at.contextUnit]: ['context: complete', 'context: %s', 'showContext:'],
      [at.runtimeContext]: [
        'C1 context:',
        'context: by hand',
        'context: a session of another user',
      ],
      [at.treeContext]: ['C1 context: a sub-agent', 'context: a workflow of one’s own'],
    },
  },
  C3: {
    what: 'skills: folders with instructions, schema and resources, bound to agents, loaded on demand',
    shownBy: {
      [at.skills]: [
        'skill: front matter',
        'skills: a package',
        'load_skill:',
        'read_skill_resource: %j',
      ],
    },
  },
  A1: {
    what: 'factory: create, from a template, a batch; templates, components, checks; ready made ones',
    shownBy: {
      [at.agentFactory]: [
        'create:',
        'createBatch:',
        'templates:',
        'components:',
        'writer, analyst, searcher:',
      ],
    },
  },
  P1: {
    what: 'a transcript by reference: what a turn adds to the history does not grow',
    shownBy: { [at.history]: ['P1 history:'] },
  },
  P2: {
    what: 'a stream that knows attempts: nothing twice, no gap',
    shownBy: { [at.readers]: ['F26 reader: gone in the middle'], [at.models]: ['F14 model:'] },
  },
  P3: {
    what: 'a real stop: reaches the request and the tool, keeps the partial text and its cost',
    shownBy: {
      [at.interrupt]: ['F20 interrupt: in the middle of a stream', 'F20 interrupt: a tool'],
    },
  },
  P4: {
    what: 'continue-as-new by itself, at any length of life',
    shownBy: {
      [at.longLife]: ['P4 session:'],
      [at.messages]: ['F9 message: sent while the session continues as new'],
    },
  },
  P5: {
    what: 'a message that comes during a turn: enqueue, steer, interrupt, rollback, reject',
    shownBy: {
      [at.whileWorking]: [
        'P5 enqueue:',
        'P5 steer: → joins at the next step',
        'P5 steer: declared by the agent',
        'P5 interrupt: → the turn stops',
        'P5 rollback: → the turn stops',
        'P5 reject: by a plain signal',
        'P5 message: all policies at the same moment',
      ],
      [at.whileWorkingKilled]: ['P5 enqueue:', 'P5 steer:', 'P5 interrupt:', 'P5 rollback:'],
    },
  },
  P9: {
    what: 'new code under running agents, proven by recorded histories',
    shownBy: { [at.histories]: ['histories:'] },
  },
  P12: {
    what: 'tools that the caller runs: a call waits without cost until the holder of the session answers',
    shownBy: {
      [at.clientTools]: [
        'P12 serve: calls of several tools',
        'P12 serve: begun while a call waits',
        'P12 serve: by two clients at once',
        'P12 call: too late',
      ],
      [at.waitingCalls]: ['call: 30 days without an answer', 'continue-as-new: while a call waits'],
    },
  },
  P11: {
    what: 'agent loops of one’s own: model, tools, transcript, children in any workflow; a plugin',
    shownBy: {
      [at.ownLoops]: ['loop: two turns', 'loop: a late turn', 'steps:', 'tools:', 'cancel:'],
      [at.ownChildren]: ['child session: asked twice', 'child session: its asker', 'messages:'],
      [at.plugin]: ['plugin: a worker without'],
    },
  },
};

export const FAULTS: Readonly<Record<string, Requirement>> = {
  F1: {
    what: 'worker killed around a model call: goes on, one message, every usage recorded',
    shownBy: { [at.kills]: ['F1 F2 F3 F4 F5 workers:'], [at.lost]: ['F1 bill:'] },
  },
  F2: {
    what: 'killed after a tool’s effect: keyed has one effect, once is OUTCOME_UNKNOWN',
    shownBy: { [at.kills]: ['F1 F2 F3 F4 F5 workers:'], [at.pairs]: ['F2 F5 F25 pair:'] },
  },
  F3: {
    what: 'killed between parallel tools: only what is unfinished runs again',
    shownBy: { [at.kills]: ['F1 F2 F3 F4 F5 workers:'] },
  },
  F4: {
    what: 'killed during continue-as-new: queue and ids are there',
    shownBy: { [at.kills]: ['F1 F2 F3 F4 F5 workers:'], [at.spills]: ['F4 spill:'] },
  },
  F5: {
    what: 'SIGTERM: finishes or hands over within the grace time',
    shownBy: { [at.kills]: ['F1 F2 F3 F4 F5 workers:'], [at.pairs]: ['F2 F5 F25 pair:'] },
  },
  F7: {
    what: 'the same message twice, also across continue-as-new: one entry, the same answer',
    shownBy: {
      [at.messages]: ['F7 message: the same id sent twice', 'F7 message: the same id after'],
      [at.doors]: ['F7 message: an id again with another text'],
    },
  },
  F8: {
    what: 'the sender dies before it hears: its retry is recognised',
    shownBy: { [at.messages]: ['F8 send:'] },
  },
  F9: {
    what: 'a message while the session ends or continues as new: delivered, or refused clearly',
    shownBy: {
      [at.messages]: [
        'F9 message: sent while the session ends',
        'F9 message: sent while the session continues as new',
      ],
    },
  },
  F10: {
    what: 'an update after the end, or accepted before continue-as-new: typed refusal, drained',
    shownBy: { [at.messages]: ['F10 update: after the end', 'F10 update: asked by Temporal'] },
  },
  F11: {
    what: 'more updates at once than Temporal allows: none lost',
    shownBy: { [at.messages]: ['F11 update:'] },
  },
  F12: {
    what: '10,000 messages to one session: none lost, in order, history bounded',
    shownBy: { [at.flood]: ['F12 '] },
  },
  F13: {
    what: '429 with Retry-After, 500 three times, 400, 401, 403',
    shownBy: {
      [at.models]: [
        'F13 model: 429 with Retry-After in seconds',
        'F13 model: 429 with Retry-After as a date',
        'F13 model: 500 three times',
        'F13 model: 500 without end',
      ],
    },
  },
  F14: {
    what: 'the model hangs, or its stream is cut: final text once, superseded told',
    shownBy: { [at.models]: ['F14 model:'], [at.modelLimits]: ['F14 deadline:', 'F14 stream:'] },
  },
  F15: {
    what: 'malformed tool JSON, unknown tool, wrong arguments: told, bounded repairs',
    shownBy: { [at.toolCalls]: ['F15 tool call: malformed JSON', 'F15 tool call: wrong again'] },
  },
  F16: {
    what: 'context overflow: compacted once, then a typed error; a useless summary is not taken',
    shownBy: {
      [at.context]: [
        'F16 context: the provider says',
        'F16 context: overflows even',
        'F16 context: the summary is',
        'F16 context: no attempt gives a summary',
      ],
    },
  },
  F17: {
    what: 'endless tool loop: stopped by steps, cost and time',
    shownBy: { [at.toolCalls]: ['F17 endless tool loop:'], [at.handoff]: ['F17 handoff:'] },
  },
  F18: {
    what: 'MCP server dies in a call, hangs in any phase, changes a tool',
    shownBy: {
      [at.mcpFaults]: [
        'F18 mcp: server killed in a call',
        'F18 mcp: hangs at a call',
        'F18 mcp: hung once',
        'F18 S9 mcp: a tool’s schema changes',
      ],
    },
  },
  F19: {
    what: '3 MB of tool output, of message, of arguments',
    shownBy: {
      [at.sizes]: [
        'F19 tool output: of 3 MB',
        'F19 message: of 3 MB',
        'F19 tool arguments: of 3 MB',
      ],
    },
  },
  F20: {
    what: 'cancel in the middle of a tool or a stream: reaches it, what was said is kept',
    shownBy: { [at.interrupt]: ['F20 interrupt:'], [at.pairs]: ['F20 F25 pair:'] },
  },
  F21: {
    what: 'an activity timed out and still running: fenced',
    shownBy: { [at.late]: ['F21 attempt:', 'F21 run:'] },
  },
  F25: {
    what: 'PostgreSQL down: agents wait and go on, new starts are refused',
    shownBy: {
      [at.database]: ['F25 start:', 'F25 migrate:', 'F25 database:'],
      [at.toolCalls]: ['F25 tool call:'],
      [at.pairs]: ['F2 F5 F25 pair:', 'F20 F25 pair:'],
      [at.silentDatabase]: ['F25 database: every connection goes silent'],
    },
  },
  F22: {
    what: 'new code under running agents, a definition edited under a running session',
    shownBy: { [at.agentVersions]: ['F22 '], [at.histories]: ['histories:'] },
  },
  F26: {
    what: 'a reader slow, gone, back: bounded, resumed without a gap',
    shownBy: { [at.readers]: ['F26 reader:'] },
  },
  F28: {
    what: 'a child killed or terminated: a typed failure to the parent',
    shownBy: { [at.treeAgents]: ['sub-agent: its turn fails, it is terminated'] },
  },
  F29: {
    what: 'a workflow task that fails at each replay: visible, others go on',
    shownBy: { [at.stuck]: ['F29 workflow task:'] },
  },
  F30: { what: 'cache of 2 workflows: the same results', shownBy: { [at.history]: ['F30 cache'] } },
  S9: {
    what: 'poisoned or changed tool description, a tool that shadows another: held back, named apart',
    shownBy: {
      [at.mcpFaults]: [
        'S9 mcp: poisoned description',
        'S9 mcp: changed between',
        'S9 mcp: changed while no worker ran',
        'S9 S18 mcp: odd names',
      ],
      [at.capabilities]: ['S9 graph:'],
    },
  },
  S11: {
    what: 'a result of a tool that orders a privileged call: the policy decides',
    shownBy: {
      [at.policy]: ['S11 policy:'],
      [at.planner]: ['S11 planner:'],
    },
  },
  S3: {
    what: 'crafted ids, texts, values and inputs: taken or refused, workers live, sessions go on',
    shownBy: { [at.garbage]: ['garbage: %s in a message', 'garbage: a carried state', 'garbage:'] },
  },
};
