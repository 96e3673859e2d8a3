/**
 * Memory over sessions: what is kept, for whom, and the rules of what may be kept. Pure; the store
 * (`src/store/memory-store.ts`), the tools and the SDK agree here.
 */
import { partyIdProblem } from './runtime-context.js';

/** Tools that an agent with memory is given. */
export const MEMORY_TOOLS = ['remember', 'recall', 'forget'] as const;

/** Whether all agents of a user share a memory, or each agent has its own of that user. */
export type MemoryScope = 'user' | 'agent';

/** What an agent does with memory. */
export interface MemoryOptions {
  /**
   * `user` (default): what all agents know about the user of the session. `agent`: what this agent
   * knows about that user, and, in sessions without a user, what it knows by itself.
   */
  readonly scope: MemoryScope;
  /**
   * So many entries are shown to the model at the beginning of each turn, those that fit its
   * messages best. Default 0: the model asks with `recall`.
   */
  readonly recallAtStart: number;
}

/** A declaration: `true` stands for the defaults. */
export type MemoryDeclaration =
  | boolean
  | {
      readonly scope?: MemoryScope | undefined;
      readonly recallAtStart?: number | undefined;
    };

/** The declaration, complete; `undefined` for an agent without memory. */
export function memoryOptions(declared: MemoryDeclaration | undefined): MemoryOptions | undefined {
  if (declared === undefined || declared === false) return undefined;
  const { scope = 'user', recallAtStart = 0 } = declared === true ? {} : declared;
  return { scope, recallAtStart };
}

/** Whose memory: every key and every query has all three. */
export interface MemoryOwner {
  readonly tenant: string;
  /** Empty for sessions without a user. */
  readonly user: string;
  /** Empty for what all agents of the user share. */
  readonly agent: string;
}

export type MemoryKind = 'fact' | 'summary';

/** A fact, or the summary of a conversation. */
export interface MemoryEntry {
  /** Unique among the entries of its owner. */
  readonly key: string;
  readonly kind: MemoryKind;
  readonly text: string;
  /** Changes with each change of the entry, and is never used again, also after it is forgotten. */
  readonly version: number;
  /** The session that wrote it; absent for what the application wrote. */
  readonly session?: string;
  /** ISO 8601, of the database's clock. */
  readonly createdAt: string;
  readonly updatedAt: string;
  /** How well it fits the query, higher is better; absent where nothing was asked. */
  readonly score?: number;
}

/** What came of a write. */
export type MemoryWritten =
  | {
      /** `known`: the entry had this text already. */
      readonly outcome: 'created' | 'replaced' | 'known';
      readonly key: string;
      readonly version: number;
    }
  /** The key has another text, or another version than the one that was to be replaced. */
  | {
      readonly outcome: 'conflict';
      readonly key: string;
      /** Absent when the entry is gone. */
      readonly current?: { readonly version: number; readonly text: string };
    };

/** Longest key, UTF-16 units. */
export const MOST_MEMORY_KEY_UNITS = 128;
/** Longest text of an entry, UTF-16 units. */
export const MOST_MEMORY_TEXT_UNITS = 8_192;
/** Longest query, UTF-16 units: more words make it slower and find nothing better. */
export const MOST_MEMORY_QUERY_UNITS = 1_000;
/** Entries of one answer. */
export const MOST_RECALLED = 50;
export const DEFAULT_RECALLED = 8;

/** Whose memory an agent with these options uses in a session of this user. */
export function memoryOwner(
  place: { readonly tenant: string; readonly user?: string | undefined; readonly agent: string },
  { scope }: Pick<MemoryOptions, 'scope'>,
): MemoryOwner | undefined {
  const { tenant, user = '', agent } = place;
  // What all agents know about nobody in particular would be known to everybody.
  if (scope === 'user' && user === '') return undefined;
  return { tenant, user, agent: scope === 'user' ? '' : agent };
}

/** Why `key` cannot name an entry; `undefined` when it can. */
export function memoryKeyProblem(key: unknown): string | undefined {
  const problem = partyIdProblem(key);
  return problem === undefined ? undefined : `The key ${problem}.`;
}

/** Why `text` cannot be kept; `undefined` when it can. */
export function memoryTextProblem(text: unknown): string | undefined {
  if (typeof text !== 'string') return 'The text of a memory must be text.';
  if (text.trim() === '') return 'The text of a memory is empty.';
  if (text.length <= MOST_MEMORY_TEXT_UNITS) return undefined;
  return `The text has ${text.length} characters; a memory has at most ${MOST_MEMORY_TEXT_UNITS}. Keep what matters, or write several.`;
}
