/**
 * What waits for a person: the approval of a tool call, or a question of an agent. A request is a row
 * of the store, written in the commit of the answer that asks for it; its decision is a change of
 * that row, which happens once. Pure: the sandbox imports it.
 */

/** What is asked for. */
export type RequestKind = 'approval' | 'question';

/**
 * Where a request stands. `waiting`: nobody has decided. `withdrawn`: its turn ended, or its session.
 */
export type RequestState =
  'waiting' | 'approved' | 'declined' | 'answered' | 'expired' | 'withdrawn';

/** All states, for checks at run time. */
export const REQUEST_STATES: readonly RequestState[] = [
  'waiting',
  'approved',
  'declined',
  'answered',
  'expired',
  'withdrawn',
];

/**
 * The mark of a call that a person must approve. It stands in the transcript with the call, so that
 * every attempt and every worker treats the call alike.
 */
export interface HeldCall {
  /** Id of the request: the idempotency key of the call. */
  readonly request: string;
  /** Of the tool and its arguments; see `digestOfCall`. */
  readonly digest: string;
  /** Name of the rule that asks for it. */
  readonly rule: string;
  /** When the request expires, ms since the epoch. Absent: never. */
  readonly until?: number;
  /** Id of the remembered decision that has approved it in advance. Absent: a person is asked. */
  readonly granted?: string;
  /** Who has. */
  readonly grantedBy?: string;
}

/** For how long an approval counts, besides the call itself. */
export type RememberScope =
  /** The same call of the same session: tool and arguments. */
  | 'call'
  /** Every call of the tool in the session. */
  | 'session'
  /** Every call of the tool in sessions of the same user. */
  | 'user';

export const REMEMBER_SCOPES: readonly RememberScope[] = ['call', 'session', 'user'];

/** Who decides. `roles` come from the configuration, or from whoever has authenticated the person. */
export interface Decider {
  /** Name of the person, as audits show it. */
  readonly by: string;
  readonly roles?: readonly string[];
}

/** What of a request decides who may decide it. */
export interface Decidable {
  readonly session: string;
  readonly path: readonly string[];
  readonly agent: string;
  readonly requesters: readonly string[];
  readonly role?: string;
}

/** Why this person may not decide; `undefined` when they may. */
export function refusedDecider(
  { session, path, agent, requesters, role }: Decidable,
  { by, roles = [] }: Decider,
): string | undefined {
  if (requesters.includes(by)) {
    return `${shown(by)} has asked the agent for this.`;
  }
  if (by === session || by === agent || path.includes(by)) {
    return `${shown(by)} is an agent, and a person must decide.`;
  }
  if (role !== undefined && !roles.includes(role)) {
    const has = roles.length > 0 ? `has ${roles.map(shown).join(', ')}` : 'has no role';
    return `The role ${shown(role)} decides this, and ${shown(by)} ${has}.`;
  }
  return undefined;
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 128));
}

/** Longest name of a person, and longest reason, UTF-16 units. */
export const MOST_NAME_UNITS = 128;
export const MOST_REASON_UNITS = 2_000;

/** Name of the tool by which an agent asks a person. */
export const ASK_USER = 'ask_user';

/** Signal to a session: somebody has decided the request of this call. It says no more: the row counts. */
export const DECIDED_SIGNAL = 'decided';
