/** `perdura memory`: what agents remember of a user, looked up, forgotten, erased. */
import { confirm, isCancel } from '@clack/prompts';
import type { MemoryOf } from '../../client/memory.js';
import { loadConfig } from '../../config/load-config.js';
import { EXIT, UsageError, type CommandContext } from '../context.js';
import { withRuntime } from '../open-runtime.js';
import { memoryText } from '../render/memory.js';
import { whereThingsAre } from './worker.js';
import { plural } from '../render/units.js';

export interface OwnerOptions {
  readonly user?: string | undefined;
  readonly agent?: string | undefined;
}

export async function memoryList(
  context: CommandContext,
  options: OwnerOptions & { readonly limit: string },
): Promise<number> {
  const { terminal } = context;
  const of = ownerOf(options);
  const limit = wholeNumber('--limit', options.limit, 1_000);
  const entries = await withRuntime(context, ({ memory }) => memory.list({ ...of, limit }));
  terminal.printJson(entries);
  terminal.print(memoryText(entries, terminal.style, Date.now()));
  return EXIT.ok;
}

/** Exit code 1 when nothing is found. */
export async function memoryRecall(
  context: CommandContext,
  words: readonly string[],
  options: OwnerOptions & { readonly limit: string },
): Promise<number> {
  const { terminal } = context;
  const of = ownerOf(options);
  const limit = wholeNumber('--limit', options.limit, 50);
  const query = words.join(' ');
  const entries = await withRuntime(
    context,
    ({ memory }) => memory.recall({ ...of, query, limit }),
    await asWorkersRecall(context),
  );
  terminal.printJson(entries);
  terminal.print(memoryText(entries, terminal.style, Date.now()));
  return entries.length > 0 ? EXIT.ok : EXIT.failed;
}

/** Exit code 1 when there is no such entry. */
export async function memoryForget(
  context: CommandContext,
  key: string,
  options: OwnerOptions,
): Promise<number> {
  const { terminal } = context;
  const of = ownerOf(options);
  const forgotten = await withRuntime(context, ({ memory }) => memory.forget({ ...of, key }));
  terminal.printJson({ forgotten });
  terminal.print(forgotten ? `Forgotten: ${key}\n` : `There is no entry "${key}".\n`);
  return forgotten ? EXIT.ok : EXIT.failed;
}

export async function memoryErase(
  context: CommandContext,
  options: OwnerOptions & { readonly keepConversations?: boolean; readonly yes?: boolean },
): Promise<number> {
  const { terminal } = context;
  const { user, agent, keepConversations = false, yes = false } = options;
  if (user !== undefined && agent !== undefined) {
    throw new UsageError('--user erases what all agents know. Leave out --agent.');
  }
  const of = ownerOf(options);
  const conversations = !keepConversations;
  const ask = terminal.interactive && terminal.streams.stdin.isTTY === true;
  if (!yes && !ask) {
    throw new UsageError('This cannot be undone. Add --yes to erase without a question.');
  }
  if (!yes) {
    const what =
      of.user === undefined
        ? `what the agent ${of.agent} remembers`
        : `what is remembered of ${of.user}${conversations ? ', and what was said in the sessions of this user' : ''}`;
    const agreed = await confirm({ message: `Erase ${what}, for good?`, initialValue: false });
    if (isCancel(agreed) || !agreed) return EXIT.failed;
  }
  const erased = await withRuntime(context, ({ memory }) =>
    memory.erase(of.user === undefined ? of : { user: of.user, conversations }),
  );
  terminal.printJson(erased);
  const { entries, sessions, messages } = erased;
  const said =
    sessions > 0 ? ` and ${plural(messages, 'message')} of ${plural(sessions, 'session')}` : '';
  const counted = entries === 1 ? '1 entry' : `${entries} entries`;
  terminal.print(`Erased ${counted}${said}.\n`);
  return EXIT.ok;
}

function ownerOf({ user, agent }: OwnerOptions): MemoryOf {
  if (user !== undefined) return { user, agent };
  if (agent !== undefined) return { agent };
  throw new UsageError('Name the user with --user, or the agent with --agent.');
}

function wholeNumber(name: string, text: string, most: number): number {
  const value = /^[1-9]\d{0,5}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= most) return value;
  throw new UsageError(`${name} is "${text}". Use a whole number from 1 to ${most}.`);
}

const PATIENCE_MS = 10_000;

/** By meaning, too, where the configuration of this folder has a model for embeddings. */
async function asWorkersRecall({ settings, terminal }: CommandContext) {
  try {
    const config = await loadConfig(await whereThingsAre(settings));
    const { embedderOf } = await import('../../../worker/vectors.js');
    const embedder = embedderOf(config);
    if (!embedder) return {};
    // Whoever types a command rather waits than misses something.
    const options = { ...embedder.options, timeoutMs: PATIENCE_MS };
    return { embedder: { ...embedder, options } };
  } catch (error) {
    terminal.note(`By words alone, since the configuration cannot be read: ${String(error)}`);
    return {};
  }
}
