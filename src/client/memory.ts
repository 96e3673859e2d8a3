/**
 * Memory over sessions for an application: what its agents know about a user, read, written and
 * erased.
 *
 *     await runtime.memory.remember({ user: 'alice', key: 'seat', text: 'Prefers the window.' });
 *     const entries = await runtime.memory.recall({ user: 'alice', query: 'which seat?' });
 *     await runtime.memory.erase({ user: 'alice' });
 */
import { createHash } from 'node:crypto';
import { PerduraError } from '../contracts/failures.js';
import {
  DEFAULT_RECALLED,
  memoryKeyProblem,
  memoryTextProblem,
  MOST_RECALLED,
  type MemoryEntry,
  type MemoryKind,
  type MemoryOwner,
  type MemoryWritten,
} from '../contracts/memory.js';
import { partyIdProblem } from '../contracts/runtime-context.js';
import { wellFormed } from '../contracts/text.js';
import type { Stores } from '../store/stores.js';

/**
 * Whose memory. `user`: what all agents know about the user. `user` and `agent`: what this agent knows
 * about the user (`scope: 'agent'`). `agent`: what it knows from sessions without a user.
 */
export type MemoryOf =
  | { readonly user: string; readonly agent?: string | undefined }
  | { readonly user?: undefined; readonly agent: string };

export type RememberOptions = MemoryOf & {
  /** Default: made of the text, so that the same fact is kept once. */
  readonly key?: string;
  /** At most 8,192 characters. */
  readonly text: string;
  readonly kind?: MemoryKind;
  /** Replaces the entry if it still has this version. Absent: there must be none with this key. */
  readonly version?: number;
  /** The same for each try of this write, which is then made once. */
  readonly id?: string;
};

export type RecallOptions = MemoryOf & {
  readonly query: string;
  /** 1 to 50, default 8. */
  readonly limit?: number;
};

export type ListMemoryOptions = MemoryOf & {
  readonly kind?: MemoryKind;
  /** At most 1,000, default 50. */
  readonly limit?: number;
};

export type ForgetOptions = MemoryOf & {
  readonly key: string;
  /** Only this version. */
  readonly version?: number;
};

/** What is erased. */
export type EraseOptions =
  | {
      readonly user: string;
      /**
       * Also what was said in the sessions of the user: messages, events, artifacts, titles. Default
       * true. False: only what is remembered.
       */
      readonly conversations?: boolean;
    }
  /** What an agent knows from sessions without a user. */
  | { readonly agent: string; readonly user?: undefined };

/** What was erased. */
export interface Erased {
  readonly entries: number;
  readonly sessions: number;
  readonly messages: number;
}

const MOST_LISTED = 1_000;
const DEFAULT_LISTED = 50;

/** The memory of one tenant. All methods reject with `Store.Unavailable`, and what they name. */
export class Memory {
  readonly #stores: Pick<Stores, 'memory' | 'contexts'>;
  readonly #tenant: string;

  /** See `AgentRuntime.memory`. */
  constructor(stores: Pick<Stores, 'memory' | 'contexts'>, tenant: string) {
    this.#stores = stores;
    this.#tenant = tenant;
  }

  /**
   * Keeps an entry. Two writers cannot overwrite each other: a key that has another text is a
   * `conflict` with what is there, unless `version` names that very version. Rejects with
   * `Memory.Invalid`.
   */
  async remember(options: RememberOptions): Promise<MemoryWritten> {
    const owner = this.#owner(options);
    const text = typeof options.text === 'string' ? wellFormed(options.text) : options.text;
    refuse(memoryTextProblem(text));
    const key = options.key ?? keyOfText(text);
    refuse(memoryKeyProblem(key));
    const { kind, version, id } = options;
    refuse(versionProblem(version));
    return this.#stores.memory.write(owner, {
      key,
      text,
      ...(kind === undefined ? {} : { kind }),
      ...(version === undefined ? {} : { version }),
      ...(id === undefined ? {} : { call: `sdk ${id}` }),
    });
  }

  /** Entries that fit the words of the query, best first. Rejects with `Memory.Invalid`. */
  async recall(options: RecallOptions): Promise<MemoryEntry[]> {
    const owner = this.#owner(options);
    const limit = whole('limit', options.limit ?? DEFAULT_RECALLED, MOST_RECALLED);
    return this.#stores.memory.recall(owner, String(options.query), limit);
  }

  /** Entries, the newest first. */
  async list(options: ListMemoryOptions): Promise<MemoryEntry[]> {
    const owner = this.#owner(options);
    const limit = whole('limit', options.limit ?? DEFAULT_LISTED, MOST_LISTED);
    const { kind } = options;
    return this.#stores.memory.list(owner, { limit, ...(kind === undefined ? {} : { kind }) });
  }

  /** One entry, `undefined` where there is none. */
  async get(options: MemoryOf & { readonly key: string }): Promise<MemoryEntry | undefined> {
    return this.#stores.memory.get(this.#owner(options), wellFormed(String(options.key)));
  }

  /** Deletes an entry and what was derived of it. False where there was none. */
  async forget(options: ForgetOptions): Promise<boolean> {
    const owner = this.#owner(options);
    const { key, version } = options;
    refuse(memoryKeyProblem(key));
    refuse(versionProblem(version));
    return this.#stores.memory.forget(owner, {
      key,
      ...(version === undefined ? {} : { version }),
    });
  }

  /**
   * Erases all that is remembered of a user, whatever agent has kept it, with what was derived of it,
   * and what was said in the user's sessions. Those sessions go on with `[erased]` in the place of
   * each text; ids, counts and costs stay. Can be repeated. A turn that is under way may write more:
   * end the sessions before, or erase once more afterwards.
   *
   * Temporal's own histories have the messages that were sent, until its retention ends.
   */
  async erase(options: EraseOptions): Promise<Erased> {
    if (options.user === undefined) {
      const owner = this.#owner(options);
      return { entries: await this.#stores.memory.eraseOwner(owner), sessions: 0, messages: 0 };
    }
    const { user, conversations = true } = options;
    const { tenant, agent: _all } = this.#owner({ user });
    const { memory, contexts } = this.#stores;
    let entries = await memory.eraseUser(tenant, user);
    let sessions = 0;
    let messages = 0;
    if (conversations) {
      for (let after = ''; ;) {
        const names = await contexts.sessionsOf(tenant, user, { after });
        for (const session of names) messages += await contexts.erase({ tenant, session });
        sessions += names.length;
        const last = names.at(-1);
        if (last === undefined) break;
        after = last;
      }
      // A turn under way has shown its model what was there, and may have kept it again.
      entries += await memory.eraseUser(tenant, user);
    }
    return { entries, sessions, messages };
  }

  #owner({ user, agent }: { user?: string | undefined; agent?: string | undefined }): MemoryOwner {
    if (user === undefined && agent === undefined) {
      throw new PerduraError('Memory.Invalid', 'Neither a user nor an agent is named.');
    }
    for (const [name, id] of Object.entries({ user, agent })) {
      const problem = id === undefined ? undefined : partyIdProblem(id);
      refuse(problem === undefined ? undefined : `The ${name} ${problem}.`);
    }
    return { tenant: this.#tenant, user: user ?? '', agent: agent ?? '' };
  }
}

function keyOfText(text: string): string {
  return `fact ${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
}

function versionProblem(version: number | undefined): string | undefined {
  if (version === undefined || (Number.isSafeInteger(version) && version > 0)) return undefined;
  return `The version is ${String(version)}. Use that of an entry.`;
}

function whole(name: string, value: unknown, most: number): number {
  if (Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= most) {
    return value as number;
  }
  throw new PerduraError(
    'Memory.Invalid',
    `The ${name} is ${String(value)}. Use a whole number from 1 to ${most}.`,
  );
}

function refuse(problem: string | undefined): void {
  if (problem !== undefined) throw new PerduraError('Memory.Invalid', problem);
}
