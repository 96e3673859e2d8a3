/**
 * `remember`, `recall` and `forget`: the memory of an agent that is declared with `memory`. Whose
 * memory it is, the model does not decide: the tenant and the user are those of the session.
 */
import { z } from 'zod';
import type { Agent } from '../contracts/agent.js';
import { tool } from '../contracts/define-tool.js';
import { PerduraError } from '../contracts/failures.js';
import {
  DEFAULT_RECALLED,
  memoryKeyProblem,
  memoryOwner,
  memoryTextProblem,
  MOST_MEMORY_KEY_UNITS,
  MOST_MEMORY_QUERY_UNITS,
  MOST_MEMORY_TEXT_UNITS,
  MOST_RECALLED,
  type MemoryEntry,
  type MemoryOptions,
  type MemoryOwner,
  type MemoryWritten,
} from '../contracts/memory.js';
import { wellFormed } from '../contracts/text.js';
import type { Tool, ToolContext } from '../contracts/tool.js';

/** Where entries are kept. `Store.Unavailable` is waited for; the tools tell the model the rest. */
export interface MemoryAccess {
  write(
    owner: MemoryOwner,
    write: {
      readonly key: string;
      readonly text: string;
      readonly session: string;
      readonly version?: number;
      readonly call: string;
    },
  ): Promise<MemoryWritten>;
  list(owner: MemoryOwner, options?: { limit?: number }): Promise<MemoryEntry[]>;
  recall(owner: MemoryOwner, query: string, limit?: number): Promise<MemoryEntry[]>;
  forget(
    owner: MemoryOwner,
    entry: { readonly key: string; readonly version?: number; readonly call: string },
  ): Promise<boolean>;
}

const key = z
  .string()
  .min(1)
  .max(MOST_MEMORY_KEY_UNITS)
  .describe('A short name, such as "favourite colour". Use the same one for the same thing.');
const version = z
  .int()
  .min(1)
  .describe('The version of the entry that you have seen, to replace exactly that one');

/** The tools of an agent; the same ones for the same agent. None for an agent without memory. */
export function createMemoryTools(memory: MemoryAccess): (agent: Agent) => readonly Tool[] {
  const made = { user: toolsFor(memory, 'user'), agent: toolsFor(memory, 'agent') };
  return (agent) => (agent.memory ? made[agent.memory.scope] : []);
}

function toolsFor(memory: MemoryAccess, scope: MemoryOptions['scope']): readonly Tool[] {
  const whose = scope === 'user' ? 'about this user' : 'of your own';
  return [
    tool({
      name: 'remember',
      description: `Keeps a fact ${whose} for later conversations. A new key makes a new fact. To correct a fact, give its key and its version: if another conversation has changed it meanwhile, nothing is written and you are shown what is there.`,
      effect: 'keyed',
      run: 'local',
      parameters: z.object({
        key,
        text: z.string().min(1).max(MOST_MEMORY_TEXT_UNITS).describe('The fact, in one sentence'),
        version: version.optional(),
      }),
      async execute(args, context) {
        const owner = ownerOf(context, scope);
        const name = checked(args.key, memoryKeyProblem);
        const text = checked(wellFormed(args.text), memoryTextProblem);
        const written = await memory.write(owner, {
          key: name,
          text,
          session: context.session,
          ...(args.version === undefined ? {} : { version: args.version }),
          call: context.idempotencyKey,
        });
        return writtenText(written);
      },
    }),
    tool({
      name: 'recall',
      description: `Finds facts ${whose} that earlier conversations have kept. Without a query: the newest ones.`,
      effect: 'read',
      run: 'local',
      parameters: z.object({
        query: z.string().max(MOST_MEMORY_QUERY_UNITS).default('').describe('Words to look for'),
        limit: z.int().min(1).max(MOST_RECALLED).default(DEFAULT_RECALLED),
      }),
      async execute({ query, limit }, context) {
        const owner = ownerOf(context, scope);
        const entries =
          query.trim() === ''
            ? await memory.list(owner, { limit })
            : await memory.recall(owner, query, limit);
        return entries.length === 0 ? 'Nothing is remembered about that.' : entriesText(entries);
      },
    }),
    tool({
      name: 'forget',
      description: `Deletes a fact ${whose} by its key.`,
      effect: 'keyed',
      run: 'local',
      parameters: z.object({ key, version: version.optional() }),
      async execute(args, context) {
        const owner = ownerOf(context, scope);
        const name = checked(args.key, memoryKeyProblem);
        const gone = await memory.forget(owner, {
          key: name,
          ...(args.version === undefined ? {} : { version: args.version }),
          call: context.idempotencyKey,
        });
        const which = args.version === undefined ? '' : ` of version ${args.version}`;
        return gone ? `Forgotten: ${name}.` : `There is no fact "${name}"${which}.`;
      },
    }),
  ];
}

function ownerOf({ tenant, agent, runtime }: ToolContext, scope: MemoryOptions['scope']) {
  const owner = memoryOwner({ tenant, agent, user: runtime.user?.id }, { scope });
  if (owner) return owner;
  throw new PerduraError(
    'Memory.NoUser',
    'This conversation has no user, so nothing can be remembered in it.',
  );
}

function checked(value: string, problemOf: (value: string) => string | undefined): string {
  const problem = problemOf(value);
  if (problem !== undefined) throw new PerduraError('Memory.Invalid', problem);
  return value;
}

function writtenText(written: MemoryWritten): string {
  const { outcome, key: name } = written;
  if (outcome !== 'conflict') {
    const word = { created: 'Remembered', replaced: 'Replaced', known: 'Known already' }[outcome];
    return `${word}: ${name} (version ${written.version}).`;
  }
  const { current } = written;
  throw new PerduraError(
    'Memory.Conflict',
    current
      ? `Not written: "${name}" is there with another text, version ${current.version}: ${JSON.stringify(current.text)}. To replace it, call again with this version; to keep both, use another key.`
      : `Not written: "${name}" is not there any more. To keep the fact, call again without a version.`,
  );
}

/** What a model is shown: one line for each, as JSON so that no text can pretend to be another line. */
export function entriesText(entries: readonly MemoryEntry[]): string {
  return entries
    .map(({ key: name, kind, text, version: seen, updatedAt, session }) =>
      JSON.stringify({
        key: name,
        ...(kind === 'summary' ? { kind, session } : {}),
        text,
        version: seen,
        date: updatedAt.slice(0, 10),
      }),
    )
    .join('\n');
}
