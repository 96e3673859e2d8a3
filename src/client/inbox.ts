/**
 * The inbox: what waits for a person, of a tenant, from every depth of every tree of agents.
 *
 *     for (const request of await runtime.inbox.list()) …
 *     await runtime.inbox.approve(request.id, { by: 'bob', digest: request.digest });
 *
 * A decision is a change of the store, which happens once; then the session that waits is told. Where
 * Temporal is away at that moment, a worker tells it later.
 */
import { PerduraError } from '../contracts/failures.js';
import {
  MOST_NAME_UNITS,
  MOST_REASON_UNITS,
  refusedDecider,
  REMEMBER_SCOPES,
  REQUEST_STATES,
  type Decider,
  type RememberScope,
  type RequestKind,
  type RequestState,
} from '../contracts/requests.js';
import { jsonBytes, MOST_MESSAGE_JSON_BYTES } from '../contracts/message.js';
import { wellFormed } from '../contracts/text.js';
import type { ApprovalGrant, Decision, RequestRecord } from '../store/request-store.js';
import type { Requests } from '../store/stores.js';
import { digestOfCall } from '../tools/approval-rules.js';
import { argumentsProblem, valueProblem } from '../tools/argument-check.js';
import { onlyKnownFields } from './known-fields.js';

/** What an inbox is made of. */
export interface InboxParts {
  readonly tenant: string;
  readonly requests: Requests;
  /** Tells the workflow that waits. Resolves with whether it was taken. */
  readonly tell: (request: RequestRecord) => Promise<boolean>;
  /** Whether the workflow that waits runs; `undefined` while Temporal does not answer. */
  readonly runs: (request: RequestRecord) => Promise<boolean | undefined>;
}

/** Which requests. */
export interface InboxOptions {
  /** Default: those that wait. `all`: whatever became of them. */
  readonly state?: RequestState | 'all' | undefined;
  readonly kind?: RequestKind | undefined;
  /** Of this session alone. */
  readonly session?: string | undefined;
  /** Of this session and of all below it. */
  readonly below?: string | undefined;
  /** At most this many, the oldest first. 1 to 1,000, default 50. */
  readonly limit?: number | undefined;
  /** Behind the request of this id. */
  readonly after?: string | undefined;
}

/** Who decides, and what. */
export interface DecideOptions extends Decider {
  /** Of the request as it was read. Default: as it is now. */
  readonly digest?: string | undefined;
  /** Shown to the model when the call is declined, and kept. At most 2,000 characters. */
  readonly reason?: string | undefined;
}

export interface ApproveOptions extends DecideOptions {
  /** Other arguments than the model's: an object, or its JSON text. They are checked, and these run. */
  readonly edit?: object | string | undefined;
  /** Approves later calls in advance; `until`: as long as that. */
  readonly remember?:
    RememberScope | { readonly for: RememberScope; readonly until?: Date } | undefined;
}

/** A request that was decided. */
export interface Decided extends RequestRecord {
  /** Whether its session knows. If not, a worker tells it within a minute of Temporal's return. */
  readonly told: boolean;
}

const DECIDE_FIELDS = ['by', 'roles', 'digest', 'reason'] as const;
const APPROVE_FIELDS = [...DECIDE_FIELDS, 'edit', 'remember'] as const;
const LIST_FIELDS = ['state', 'kind', 'session', 'below', 'limit', 'after'] as const;
const ID = /^[0-9a-f]{6,32}$/;
/** Remembered approvals that a beginning of an id is looked for in. */
const MOST_GRANTS = 1_000;

export class Inbox {
  readonly #parts: InboxParts;

  constructor(parts: InboxParts) {
    this.#parts = parts;
  }

  /** Requests, the oldest first. Rejects with `Request.Invalid`. */
  async list(options: InboxOptions = {}): Promise<RequestRecord[]> {
    onlyKnownFields('inbox.list', options, LIST_FIELDS);
    const { state = 'waiting', kind, session, below, limit = 50, after } = options;
    if (state !== 'all' && !REQUEST_STATES.includes(state)) {
      throw invalid(`The state is ${shown(state)}. Use ${REQUEST_STATES.join(', ')} or all.`);
    }
    const { tenant, requests } = this.#parts;
    return requests.list(tenant, {
      ...(state === 'all' ? {} : { states: [state] }),
      ...(kind === undefined ? {} : { kind }),
      ...(session === undefined ? {} : { session: storable('session', session) }),
      ...(below === undefined ? {} : { below: storable('below', below) }),
      ...(after === undefined ? {} : { after: (await this.get(after)).id }),
      limit: page(limit),
    });
  }

  /** A request by its id, or by the beginning of it (6 characters or more). Rejects with `Request.NotFound`. */
  async get(id: string): Promise<RequestRecord> {
    const { tenant, requests } = this.#parts;
    const found = typeof id === 'string' && ID.test(id) ? await requests.find(tenant, id, 2) : [];
    const [request, other] = found;
    if (request && !other) return request;
    const why = other
      ? `More than one request begins with ${shown(id)}.`
      : `There is no request ${shown(id)}.`;
    throw new PerduraError('Request.NotFound', why);
  }

  /**
   * Approves a call, which then runs with exactly these arguments. Rejects with `Request.Decided`,
   * `Request.Changed`, `Request.Forbidden`, `Request.NotFound`, `Request.Invalid`, and with
   * `Session.NoWorkflow` where nobody waits for it any more.
   */
  async approve(id: string, options: ApproveOptions): Promise<Decided> {
    onlyKnownFields('inbox.approve', options, APPROVE_FIELDS);
    const request = await this.#mayDecide(id, options);
    if (request.kind !== 'approval') {
      throw invalid(`The request is a question of ${shown(request.tool)}. Answer it instead.`);
    }
    const { edit, remember } = options;
    const edited = edit === undefined ? undefined : editOf(request, edit);
    const kept = remember === undefined ? undefined : rememberOf(request, remember);
    return this.#decide(request, options, {
      state: 'approved',
      ...(edited ? { edited } : {}),
      ...(kept ? { remember: kept } : {}),
    });
  }

  /** Declines a call, which never runs; or a question. The model is told why. Rejects as {@link approve}. */
  async decline(id: string, options: DecideOptions): Promise<Decided> {
    onlyKnownFields('inbox.decline', options, DECIDE_FIELDS);
    const request = await this.#mayDecide(id, options);
    return this.#decide(request, options, { state: 'declined' });
  }

  /** Answers a question: text, or what its schema asks for. Rejects as {@link approve}. */
  async answer(id: string, value: unknown, options: DecideOptions): Promise<Decided> {
    onlyKnownFields('inbox.answer', options, DECIDE_FIELDS);
    const request = await this.#mayDecide(id, options);
    if (request.kind !== 'question') {
      throw invalid(
        `The request is a call of ${shown(request.tool)}. Approve or decline it instead.`,
      );
    }
    if (value === undefined) throw invalid('There is no answer.');
    const problem = request.schema && valueProblem(request.schema, value);
    if (problem) throw invalid(`The answer does not fit what was asked for:\n${problem}`);
    const answer = wellFormed(typeof value === 'string' ? value : JSON.stringify(value));
    const bytes = jsonBytes(answer);
    if (bytes > MOST_MESSAGE_JSON_BYTES) {
      throw invalid(`The answer has ${bytes} bytes; it may have ${MOST_MESSAGE_JSON_BYTES}.`);
    }
    return this.#decide(request, options, { state: 'answered', answer });
  }

  /** Approvals that are remembered, the newest first. `all`: also those that no longer count. */
  remembered(
    options: { readonly all?: boolean; readonly limit?: number } = {},
  ): Promise<ApprovalGrant[]> {
    const { all = false, limit = 50 } = options;
    return this.#parts.requests.grants(this.#parts.tenant, { all, limit: page(limit) });
  }

  /** By its id, or the beginning of it: from now on it approves nothing. Answers with whether it did. */
  async revoke(id: string, { by }: Pick<Decider, 'by'>): Promise<boolean> {
    const { tenant, requests } = this.#parts;
    const person = personOf(by);
    const open = await requests.grants(tenant, { limit: MOST_GRANTS });
    const meant = open.filter((grant) => grant.id.startsWith(storable('id', id)));
    if (meant.length > 1) throw invalid(`More than one approval begins with ${shown(id)}.`);
    return requests.revoke(tenant, meant[0]?.id ?? id, person);
  }

  /** The request, if this person may decide it. */
  async #mayDecide(id: string, options: DecideOptions): Promise<RequestRecord> {
    const by = personOf(options.by);
    const request = await this.get(id);
    const refused = refusedDecider(request, {
      by,
      ...(options.roles === undefined ? {} : { roles: options.roles }),
    });
    if (refused !== undefined) throw new PerduraError('Request.Forbidden', refused);
    if (request.state !== 'waiting') throw decided(request);
    const { digest } = options;
    if (digest !== undefined && digest !== request.digest) throw changed(request);
    // A decision that nobody would act on must not look like one.
    if ((await this.#parts.runs(request)) === false) {
      throw new PerduraError(
        'Session.NoWorkflow',
        `Session ${request.session} does not run: nothing would come of a decision. Its next message starts it again, and withdraws the request.`,
      );
    }
    return request;
  }

  async #decide(
    request: RequestRecord,
    { by, reason }: DecideOptions,
    what: Pick<Decision, 'state' | 'answer' | 'edited' | 'remember'>,
  ): Promise<Decided> {
    if (reason !== undefined && (typeof reason !== 'string' || reason.length > MOST_REASON_UNITS)) {
      throw invalid(`The reason must be text of at most ${MOST_REASON_UNITS} characters.`);
    }
    const { tenant, requests, tell } = this.#parts;
    const done = await requests.decide(tenant, request.id, {
      ...what,
      by: personOf(by),
      digest: request.digest,
      ...(reason === undefined ? {} : { reason: wellFormed(reason) }),
    });
    const now = await this.get(request.id);
    if (!done) throw now.digest === request.digest ? decided(now) : changed(now);
    return { ...now, told: await tell(now) };
  }
}

function editOf(request: RequestRecord, edit: object | string): NonNullable<Decision['edited']> {
  let text: string;
  try {
    text = wellFormed(typeof edit === 'string' ? edit : JSON.stringify(edit));
  } catch {
    throw invalid('The changed arguments cannot be written as JSON.');
  }
  const bytes = jsonBytes(text);
  if (bytes > MOST_MESSAGE_JSON_BYTES) {
    throw invalid(
      `The changed arguments have ${bytes} bytes; they may have ${MOST_MESSAGE_JSON_BYTES}.`,
    );
  }
  const problem = argumentsProblem(request.tool, request.schema ?? { type: 'object' }, text);
  if (problem !== undefined) throw invalid(problem);
  return { arguments: text, digest: digestOfCall(request.tool, JSON.parse(text)) };
}

function rememberOf(
  { tool }: RequestRecord,
  remember: NonNullable<ApproveOptions['remember']>,
): NonNullable<Decision['remember']> {
  const { for: scope, until } = typeof remember === 'string' ? { for: remember } : remember;
  if (!REMEMBER_SCOPES.includes(scope)) {
    throw invalid(`An approval of "${tool}" can be remembered for ${REMEMBER_SCOPES.join(', ')}.`);
  }
  if (until === undefined) return { scope };
  if (!(until instanceof Date) || Number.isNaN(until.getTime()) || until.getTime() <= Date.now()) {
    throw invalid('"until" must be a time that is still to come.');
  }
  return { scope, until };
}

function decided({ id, state, decidedBy, decidedAt }: RequestRecord): PerduraError {
  const by = decidedBy === undefined ? '' : ` by ${shown(decidedBy)}`;
  const at = decidedAt === undefined ? '' : ` at ${decidedAt}`;
  return new PerduraError('Request.Decided', `The request ${id} is ${state}${by}${at}.`);
}

function changed({ id }: RequestRecord): PerduraError {
  return new PerduraError(
    'Request.Changed',
    `The request ${id} does not have the digest that was decided on: its arguments are others.`,
  );
}

function personOf(by: unknown): string {
  if (typeof by === 'string' && by.trim() !== '' && by.length <= MOST_NAME_UNITS) {
    return storable('by', by);
  }
  throw invalid(
    `"by" names the person who decides: text of at most ${MOST_NAME_UNITS} characters.`,
  );
}

/** PostgreSQL takes no text with NUL or half a character. */
function storable(field: string, text: string): string {
  if (typeof text === 'string' && !text.includes('\0') && wellFormed(text) === text) return text;
  throw invalid(`"${field}" is not well-formed text.`);
}

function page(limit: number): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= 1_000) return limit;
  throw invalid(`"limit" must be a whole number from 1 to 1,000, not ${limit}.`);
}

function invalid(message: string): PerduraError {
  return new PerduraError('Request.Invalid', message, { saysRemedy: true });
}

function shown(text: unknown): string {
  return JSON.stringify(typeof text === 'string' ? text.slice(0, 100) : text) ?? 'nothing';
}
