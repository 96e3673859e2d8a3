/** `perdura inbox` and `perdura approvals`: what waits for a person, and what they decide. */
import { userInfo } from 'node:os';
import type { AgentRuntime } from '../../client/agent-runtime.js';
import type { Decided } from '../../client/inbox.js';
import { loadConfig } from '../../config/load-config.js';
import {
  REMEMBER_SCOPES,
  type Decider,
  type RememberScope,
  type RequestKind,
} from '../../contracts/requests.js';
import { EXIT, UsageError, type CommandContext } from '../context.js';
import { messageText } from '../message-text.js';
import { withRuntime } from '../open-runtime.js';
import { oneLine } from '../render/clean.js';
import { grantsText, inboxText, requestPage } from '../render/inbox.js';

export interface InboxListOptions {
  readonly all?: boolean;
  readonly session?: string;
  readonly limit: string;
  readonly kind?: RequestKind;
}

export interface DecideOptions {
  readonly as?: string;
  readonly reason?: string;
  readonly digest?: string;
}

export interface ApproveOptions extends DecideOptions {
  readonly edit?: string;
  readonly remember?: string;
  readonly until?: string;
}

export type AnswerOptions = DecideOptions;

export async function listInbox(
  context: CommandContext,
  { all = false, session, limit, kind }: InboxListOptions,
): Promise<number> {
  const { terminal } = context;
  const most = /^\d{1,4}$/.test(limit) ? Number(limit) : NaN;
  if (!(most >= 1 && most <= 1_000)) {
    throw new UsageError(`--limit is "${limit}". Use a number from 1 to 1000.`);
  }
  const requests = await withRuntime(context, (runtime) =>
    runtime.inbox.list({
      ...(all ? { state: 'all' as const } : {}),
      ...(session === undefined ? {} : { below: session }),
      ...(kind === undefined ? {} : { kind }),
      limit: most,
    }),
  );
  terminal.printJson(requests);
  terminal.print(inboxText(requests, terminal.style, Date.now()));
  return EXIT.ok;
}

export async function showRequest(context: CommandContext, id: string): Promise<number> {
  const { terminal } = context;
  const request = await withRuntime(context, (runtime) => runtime.inbox.get(id));
  terminal.printJson(request);
  terminal.print(requestPage(request, terminal.style));
  return EXIT.ok;
}

export async function approveRequest(
  context: CommandContext,
  id: string,
  { edit, remember, until, ...options }: ApproveOptions,
): Promise<number> {
  const scope = scopeOf(remember, until);
  const end = until === undefined ? undefined : timeOf(until);
  return decide(context, id, options, (runtime, whole, decider) =>
    runtime.inbox.approve(whole, {
      ...decider,
      ...(edit === undefined ? {} : { edit }),
      ...(scope === undefined
        ? {}
        : { remember: { for: scope, ...(end === undefined ? {} : { until: end }) } }),
    }),
  );
}

export async function declineRequest(
  context: CommandContext,
  id: string,
  options: DecideOptions,
): Promise<number> {
  return decide(context, id, options, (runtime, whole, decider) =>
    runtime.inbox.decline(whole, decider),
  );
}

export async function answerRequest(
  context: CommandContext,
  id: string,
  given: string | undefined,
  options: AnswerOptions,
): Promise<number> {
  const text = await messageText(context, given === undefined ? [] : [given], 'answer');
  return decide(context, id, options, async (runtime, whole, decider) => {
    const { schema } = await runtime.inbox.get(whole);
    // Only text is asked for: then what looks like JSON is text, too.
    const value = schema === undefined || schema['type'] === 'string' ? text : jsonOf(text);
    return runtime.inbox.answer(whole, value, decider);
  });
}

export async function remembered(
  context: CommandContext,
  { all = false }: { readonly all?: boolean },
): Promise<number> {
  const { terminal } = context;
  const grants = await withRuntime(context, (runtime) => runtime.inbox.remembered({ all }));
  terminal.printJson(grants);
  terminal.print(grantsText(grants, terminal.style));
  return EXIT.ok;
}

/** Exit code 1 when there was nothing to revoke. */
export async function revoke(
  context: CommandContext,
  id: string,
  { as }: { readonly as?: string },
): Promise<number> {
  const { terminal } = context;
  const revoked = await withRuntime(context, (runtime) =>
    runtime.inbox.revoke(id, { by: as ?? userInfo().username }),
  );
  terminal.printJson({ revoked });
  terminal.print(
    revoked
      ? `${oneLine(id, 64)} is revoked.\n`
      : `There is nothing to revoke under ${oneLine(id, 64)}.\n`,
  );
  return revoked ? EXIT.ok : EXIT.failed;
}

type Doing = (
  runtime: AgentRuntime,
  id: string,
  decider: Decider & { readonly reason?: string; readonly digest?: string },
) => Promise<Decided>;

async function decide(
  context: CommandContext,
  id: string,
  { as, reason, digest }: DecideOptions,
  act: Doing,
): Promise<number> {
  const { terminal, settings } = context;
  const by = as ?? userInfo().username;
  const { roles = {} } = await loadConfig(settings);
  const has = Object.keys(roles).filter((role) => roles[role]!.includes(by));
  const decided = await withRuntime(context, async (runtime) => {
    const request = await runtime.inbox.get(id);
    // What is shown of a digest is its beginning.
    const seen =
      digest === undefined
        ? undefined
        : request.digest.startsWith(digest)
          ? request.digest
          : digest;
    return act(runtime, request.id, {
      by,
      roles: has,
      ...(reason === undefined ? {} : { reason }),
      ...(seen === undefined ? {} : { digest: seen }),
    });
  });
  terminal.printJson(decided);
  const { state, tool, told } = decided;
  terminal.print(
    `${oneLine(tool, 64)} of ${oneLine(decided.session, 80)} is ${state}.${told ? '' : ' Its session hears of it as soon as Temporal answers.'}\n`,
  );
  return EXIT.ok;
}

function scopeOf(
  remember: string | undefined,
  until: string | undefined,
): RememberScope | undefined {
  const scope = REMEMBER_SCOPES.find((each) => each === remember);
  if (remember !== undefined && scope === undefined) {
    throw new UsageError(`--remember is "${remember}". Use ${REMEMBER_SCOPES.join(', ')}.`);
  }
  if (until !== undefined && scope === undefined) {
    throw new UsageError('--until goes with --remember.');
  }
  return scope;
}

function timeOf(given: string): Date {
  const time = new Date(given);
  if (Number.isNaN(time.getTime())) {
    throw new UsageError(
      `--until is "${given}". Use a time such as 2027-01-31 or 2027-01-31T12:00Z.`,
    );
  }
  return time;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // A choice or plain text: the schema says what is wrong with it.
    return text;
  }
}
