/**
 * Names of things in Temporal: how a tenant and a session become a workflow id, and back.
 *
 * Pure and free of dependencies, because the workflow sandbox imports it. No id is ever
 * taken whole from a caller: a caller names a session, and this file makes the id.
 */

/** The tenant of everything when an installation has only one. */
export const DEFAULT_TENANT = 'default';

/** Task queue of workflows and activities unless the configuration names another. */
export const DEFAULT_TASK_QUEUE = 'perdura';

/** Workflow type of a session, as it appears in the Temporal UI. */
export const SESSION_WORKFLOW = 'agentSession';

/** A tenant and a session within it. */
export interface SessionKey {
  readonly tenant: string;
  readonly session: string;
}

const TENANT = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/;
const SESSION = /^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,79})$/;
const WORKFLOW_ID = /^perdura\.([a-z0-9-]{1,40})\.([A-Za-z0-9_-]{1,80})$/;

/** Whether `value` may be a tenant: 1–40 of `a-z 0-9 -`, no dash at either end. */
export function isTenant(value: string): boolean {
  return TENANT.test(value);
}

/** Whether `value` may be a session name: 1–80 of `A-Z a-z 0-9 _ -`, not starting with `_` or `-`. */
export function isSessionName(value: string): boolean {
  return SESSION.test(value);
}

/** What to say of a value that {@link isSessionName} refuses. */
export function invalidSessionName(value: string): string {
  return `${JSON.stringify(value)} is not a valid session name. Use 1 to 80 of A-Z, a-z, 0-9, "_" and "-", starting with a letter or digit.`;
}

/** What to say of a value that {@link isTenant} refuses. */
export function invalidTenant(value: string): string {
  return `${JSON.stringify(value)} is not a valid tenant. Use 1 to 40 of a-z, 0-9 and "-", with no "-" at either end.`;
}

/** The workflow id of a session. The dots cannot occur in either part, so no two keys share an id. */
export function workflowIdOf({ tenant, session }: SessionKey): string {
  if (!isTenant(tenant)) throw new RangeError(invalidTenant(tenant));
  if (!isSessionName(session)) throw new RangeError(invalidSessionName(session));
  return `perdura.${tenant}.${session}`;
}

/**
 * The session behind a workflow id.
 *
 * A workflow started by hand (the Temporal UI asks for an id, and people type anything) has
 * an id that we did not make: it belongs to the default tenant, under a session name made of
 * the readable part of its id and a hash of the whole, so that two foreign ids never meet.
 */
export function sessionOf(workflowId: string): SessionKey {
  const own = WORKFLOW_ID.exec(workflowId);
  if (own && isTenant(own[1]!) && isSessionName(own[2]!)) {
    return { tenant: own[1]!, session: own[2]! };
  }
  const readable = workflowId.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^[-_]+/, '');
  return {
    tenant: DEFAULT_TENANT,
    session: `${readable.slice(0, 60) || 'workflow'}-${fnv1a64(workflowId)}`,
  };
}

/** FNV-1a, 64 bits, hex: spreads names, protects nothing. (http://www.isthe.com/chongo/tech/comp/fnv/) */
export function fnv1a64(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (let i = 0; i < text.length; i++) {
    hash ^= BigInt(text.charCodeAt(i));
    hash = BigInt.asUintN(64, hash * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, '0');
}
