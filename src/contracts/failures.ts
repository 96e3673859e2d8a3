/**
 * Every failure that crosses Temporal: its type, whether Temporal retries it, and what its
 * reader can do. Never subclasses: a class does not survive the wire, a `type` does.
 * Each type has a page under `docs/errors`.
 */

/** How a failure type behaves. */
export interface FailureRule {
  /** Whether another attempt may succeed, so that Temporal makes one. */
  readonly retry: boolean;
  /** The remedy, in one or two sentences, for the reader of the failure. */
  readonly remedy: string;
}

/** The one table of failures. Keys are the `type` of an `ApplicationFailure`. */
export const FAILURES = {
  'Model.RateLimited': {
    retry: true,
    remedy:
      'Wait, or raise the limit at the provider. The delay that the provider asks for is obeyed.',
  },
  'Model.Unavailable': {
    retry: true,
    remedy: 'Check that the model endpoint (OPENAI_BASE_URL) is up. The call is retried.',
  },
  'Model.StreamCut': {
    retry: true,
    remedy: 'The connection broke in the middle of an answer. The call is retried.',
  },
  'Model.Stalled': {
    retry: true,
    remedy: 'The model sent nothing for too long. Raise `stallTimeoutMs` for a slow model.',
  },
  'Model.DeadlineExceeded': {
    retry: true,
    remedy: 'The call took longer than `modelTimeoutMs`. Raise it, or lower `maxTokens`.',
  },
  'Model.Unauthorized': {
    retry: false,
    remedy:
      'Check the API key of the provider (OPENAI_API_KEY or the key named in the configuration).',
  },
  'Model.BadRequest': {
    retry: false,
    remedy: 'The provider refused the request. The message has its reason.',
  },
  'Model.NotFound': {
    retry: false,
    remedy: 'Check the name of the model and the base URL of its provider.',
  },
  'Model.ContextOverflow': {
    retry: false,
    remedy:
      'The conversation does not fit, even after compaction. Set `contextWindow`, or start a new session.',
  },
  'Model.Refused': {
    retry: false,
    remedy: 'The provider withheld the answer (content filter). Rephrase the message.',
  },
  'Model.InvalidOutput': {
    retry: false,
    remedy: 'The answer did not match `responseFormat` after all repairs. Simplify the schema.',
  },
  'Model.NoSummary': {
    retry: true,
    remedy:
      'The model wrote no usable summary, so the earlier messages are kept. Set a larger `contextWindow` or `maxTokens`, or choose another model.',
  },
  'Turn.RepairsExhausted': {
    retry: false,
    remedy: 'The model kept making invalid tool calls. Look at the tool errors in the transcript.',
  },
  'Turn.StepLimit': {
    retry: false,
    remedy:
      'The turn used all its steps. Raise `limits.maxSteps` (or `policy.maxIterations`), or look for a tool loop.',
  },
  'Turn.CostLimit': {
    retry: false,
    remedy: 'The turn reached `limits.maxTurnCostUsd`. Raise it, or choose a cheaper model.',
  },
  'Turn.TimeLimit': {
    retry: false,
    remedy: 'The turn reached `limits.maxTurnMs`. Raise it, or send a smaller task.',
  },
  'Turn.Interrupted': {
    retry: false,
    remedy: 'Someone interrupted the turn. Send another message.',
  },
  'Turn.RolledBack': {
    retry: false,
    remedy:
      'Another message has rolled the turn back. Send this one again, under a new id, if it still counts.',
  },
  'Session.Busy': {
    retry: false,
    remedy:
      'Send it when the turn has ended, or with another `whileWorking`: enqueue, steer, interrupt or rollback.',
  },
  'Session.Closed': {
    retry: false,
    remedy: 'Start another session. The transcript of this one can still be read.',
  },
  'Session.NoWorkflow': {
    retry: false,
    remedy: 'Send it a message. That starts its workflow again, where its transcript ends.',
  },
  'Session.NotFound': {
    retry: false,
    remedy: 'Check the session name and the tenant. `perdura sessions` lists the sessions.',
  },
  'Session.ContinuedAsNew': {
    retry: true,
    remedy: 'Ask again with the same message id. The message is recognised and answered once.',
  },
  'Session.Stuck': {
    retry: true,
    remedy:
      'The code of the worker does not match the history of the session. Look at the log of the worker; fix the code, or deploy the previous version.',
  },
  'Session.TooManyUpdates': {
    retry: true,
    remedy: 'Temporal allows ten updates in flight per session. The SDK tries again.',
  },
  'Message.Invalid': {
    retry: false,
    remedy: 'Send plain text, or { "text": "…", "id": "optional" }.',
  },
  'Message.Conflict': {
    retry: false,
    remedy: 'Give each message its own id. The same id means the same message.',
  },
  'Request.Invalid': {
    retry: false,
    remedy: 'Call the handler with the arguments that the message names.',
  },
  'Call.NotOpen': {
    retry: false,
    remedy:
      '`perdura show <session>` lists the calls that wait, as `status().waiting` does in code.',
  },
  'Message.TooLarge': {
    retry: false,
    remedy: 'Send a shorter message, or put the text in a file that a tool can read.',
  },
  'Message.NoReceiver': {
    retry: false,
    remedy:
      'Write to a session that runs, or to a member of a group. `perdura sessions` lists the sessions.',
  },
  'Message.NotFound': { retry: false, remedy: 'Check the id of the message and the tenant.' },
  'Message.NotAllowed': {
    retry: false,
    remedy:
      'Allow it with `policy.mayWriteTo` of the agent, or let the agent write to another one.',
  },
  'Message.HopLimit': {
    retry: false,
    remedy:
      'Agents have written to each other too often in a row. Write to one of them as a person, or raise `policy.maxHops`.',
  },
  'Group.NotFound': {
    retry: false,
    remedy: '`perdura groups list` lists the groups of the tenant.',
  },
  'Group.Exists': { retry: false, remedy: 'Choose another name, or delete the group first.' },
  'Group.Stopped': {
    retry: false,
    remedy: 'A stopped group stays stopped. Its history can be read; create another group.',
  },
  'Group.NotMember': {
    retry: false,
    remedy: 'Add the sender to the group, with a role that may write.',
  },
  'Pool.Unknown': {
    retry: false,
    remedy:
      'Declare the pool under `pools` in perdura.config.ts and restart a worker, or create it: `perdura pool create <name> --max <count>`.',
  },
  'Pool.Exists': {
    retry: false,
    remedy: 'Choose another name, or change its limits: `perdura pool set <name>`.',
  },
  'Pool.Invalid': { retry: false, remedy: 'Correct what the message names.' },
  'Group.Invalid': { retry: false, remedy: 'Correct what the message names.' },
  'Config.Invalid': {
    retry: false,
    remedy: 'Correct what the message names. `perdura doctor` checks the rest.',
  },
  'Stack.Unavailable': {
    retry: false,
    remedy: 'Run `perdura doctor`. It says what is missing and how to get it.',
  },
  'Temporal.Unavailable': {
    retry: true,
    remedy: 'Check TEMPORAL_ADDRESS, or start everything with `perdura dev`.',
  },
  'Agent.Unknown': {
    retry: false,
    remedy:
      'Declare the agent in perdura.config.ts or as a YAML file, and restart the worker. `perdura agents list` shows those that exist.',
  },
  'Agent.Incomplete': {
    retry: false,
    remedy:
      'Deploy workers that have what the message names, or move the session to the newest version: `perdura agents move <session>`.',
  },
  'Agent.Invalid': {
    retry: false,
    remedy: 'Correct the definition at the place that the message names.',
  },
  'Delegation.TooDeep': {
    retry: false,
    remedy: 'The model sees this error. Raise `policy.maxDepth` where deeper trees are meant.',
  },
  'Delegation.TooMany': {
    retry: false,
    remedy: 'The model sees this error and can wait. Raise `policy.maxChildren` for more at once.',
  },
  'Delegation.TooLarge': {
    retry: false,
    remedy:
      'The tree has as many sessions as it may. Raise `policy.maxDescendants`, or look for an agent that delegates without end.',
  },
  'Delegation.Cycle': {
    retry: false,
    remedy:
      'The model sees this error. Set `policy.allowCycles` where an agent may delegate to one above it.',
  },
  'Tool.Unknown': {
    retry: false,
    remedy: 'The model sees this error. Register the tool, or list it for the agent.',
  },
  'Tool.InvalidArguments': {
    retry: false,
    remedy: 'The model sees this error and can correct its call.',
  },
  'Tool.Failed': {
    retry: false,
    remedy: 'The model sees this error. Look at the message of the tool.',
  },
  'Tool.ApprovalRequired': {
    retry: false,
    remedy:
      'A person must approve this call, and it cannot be asked for here. To let it run all the same, list the tool in `policy.preapprovedTools`.',
  },
  'Tool.Declined': {
    retry: false,
    remedy: 'The model sees this error and the reason. A person has declined the call.',
  },
  'Tool.ApprovalExpired': {
    retry: false,
    remedy:
      'The model sees this error. Raise `approvalExpiresMs` of the policy, or `expiresMs` of its rule.',
  },
  'Fork.Invalid': {
    retry: false,
    remedy:
      '`perdura show <session>` lists the turns; fork at one that has ended, under a free name.',
  },
  'Checkpoint.NotFound': {
    retry: false,
    remedy: '`perdura checkpoint <session>` lists those that there are.',
  },
  'Request.NotFound': {
    retry: false,
    remedy: '`perdura inbox` lists what waits; `perdura inbox --all` what was decided, too.',
  },
  'Request.Decided': {
    retry: false,
    remedy: 'A request is decided once. `perdura inbox show <id>` says by whom.',
  },
  'Request.Changed': {
    retry: false,
    remedy: 'Read the request again, and decide what it says now.',
  },
  'Request.Forbidden': {
    retry: false,
    remedy:
      'Somebody else must decide: not who asked for it, and with the role that its rule names (`roles` of the configuration).',
  },
  'Plan.Invalid': {
    retry: false,
    remedy: 'The model sees this error and can make another plan.',
  },
  'Tool.Timeout': { retry: false, remedy: 'Raise the `timeoutMs` of the tool, or make it faster.' },
  'Tool.OutcomeUnknown': {
    retry: false,
    remedy: 'A `once` tool was cut off. Check by hand whether its effect happened.',
  },
  'Tool.Crashed': {
    retry: false,
    remedy:
      'The worker died each time that the tool ran: look at its log, for memory, native code and `process.exit`.',
  },
  'Tool.Interrupted': { retry: false, remedy: 'The turn was interrupted while the tool ran.' },
  'Handoff.Refused': {
    retry: false,
    remedy:
      'The model sees this error. Look at `handoffs` of the agent, and at `maxHandoffs` and `delegation` of its policy.',
  },
  'Mcp.Unavailable': { retry: true, remedy: 'Check that the MCP server starts and answers.' },
  'Mcp.Timeout': {
    retry: true,
    remedy: 'The MCP server did not answer in time. Raise the deadline of the phase.',
  },
  'Mcp.ToolChanged': {
    retry: false,
    remedy:
      'The server changed the tool after it was accepted. Review it, then run `perdura mcp accept <server>`.',
  },
  'Memory.NoUser': {
    retry: false,
    remedy: 'Start the session with `context: { user }`, or declare `memory: { scope: "agent" }`.',
  },
  'Memory.Conflict': {
    retry: false,
    remedy: 'Look at the entry as it is now, and write again with its version.',
  },
  'Memory.Invalid': {
    retry: false,
    remedy: 'Correct the key or the text that the message names.',
  },
  'Skill.NotFound': {
    retry: false,
    remedy: 'The model sees this error. `perdura skills list` shows the skills and their files.',
  },
  'Artifact.NotFound': {
    retry: false,
    remedy: 'Check the artifact id. It may belong to another session.',
  },
  'Artifact.TooLarge': {
    retry: false,
    remedy: 'Return less from the tool, or raise `limits.maxArtifactBytes`.',
  },
  'Worker.Shutdown': {
    retry: true,
    remedy: 'The worker was stopped. Another worker continues the step.',
  },
  'Worker.Lost': {
    retry: true,
    remedy:
      'A worker died or lost its connection to Temporal in the middle of a call. Look at its log for crashes and a blocked event loop.',
  },
  'Store.Unavailable': {
    retry: true,
    remedy: 'Check DATABASE_URL and that PostgreSQL is up. Running agents wait.',
  },
  'Store.NotMigrated': {
    retry: false,
    remedy: 'Run `perdura migrate` with this version, then start again.',
  },
  'Store.TooNew': {
    retry: false,
    remedy: 'Start the version of Perdura that migrated the database, or a newer one.',
  },
  'Store.Fenced': {
    retry: false,
    remedy: 'A later step or run has taken over. This late attempt was dropped; nothing is lost.',
  },
} as const satisfies Record<string, FailureRule>;

/** A dotted failure type. */
export type FailureType = keyof typeof FAILURES;

/** Whether Temporal should make another attempt after a failure of this type. */
export function isRetryable(type: FailureType): boolean {
  return FAILURES[type].retry;
}

export function isFailureType(type: string): type is FailureType {
  return Object.hasOwn(FAILURES, type);
}

/** A failure as events, results and the command line carry it. */
export interface FailureInfo {
  readonly type: FailureType | (string & {});
  readonly message: string;
}

/** `message` followed by the remedy of its type, for people. */
export function withRemedy({ type, message }: FailureInfo): string {
  return isFailureType(type) ? `${message} ${FAILURES[type].remedy}` : message;
}

/**
 * A failure inside one process (SDK, CLI, activities). At the edge of an activity it becomes
 * an `ApplicationFailure` of the same type.
 */
export class PerduraError extends Error {
  override readonly name = 'PerduraError';
  readonly type: FailureType;
  /** The provider asked to wait this long before another attempt, in milliseconds. */
  readonly retryAfterMs?: number;
  /** The message says how to mend it, and better than the remedy of its type does. */
  readonly saysRemedy?: true;

  constructor(
    type: FailureType,
    message: string,
    options?: { cause?: unknown; retryAfterMs?: number | undefined; saysRemedy?: true },
  ) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.type = type;
    if (options?.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs;
    if (options?.saysRemedy) this.saysRemedy = true;
  }
}
