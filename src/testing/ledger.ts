/**
 * A ledger for tests of tools: a process of its own that counts attempts and effects by key,
 * and writes each to disk before it answers. Whatever is killed, what it says is true.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { compiledModule } from '../stack/compiled.js';

/** One request of a tool. */
export interface LedgerEntry {
  /** Order of arrival, from 1. */
  readonly n: number;
  readonly key: string;
  /** How often this key has come, from 1. */
  readonly attempt: number;
  /** Whether it took effect: always for a tool without keys, once for one with them. */
  readonly effect: boolean;
  /** Process that sent it. */
  readonly pid: number;
  readonly label?: string;
}

/** What a tool sends; see {@link recordEffect}. */
export interface LedgerRequest {
  readonly key: string;
  /** The receiver honours keys. */
  readonly keyed?: boolean;
  readonly label?: string;
  /** Never answer the first request of this key. */
  readonly holdFirst?: boolean;
}

export class Ledger {
  readonly url: string;
  readonly entries: LedgerEntry[] = [];
  readonly #child: ChildProcess;
  readonly #listeners = new Set<(entry: LedgerEntry) => void>();

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
    child.on('message', (message: { type: string; entry: LedgerEntry }) => {
      if (message.type !== 'entry') return;
      this.entries.push(message.entry);
      for (const listener of this.#listeners) listener(message.entry);
    });
  }

  /** Starts the process. It appends to `file`. */
  static async start(file: string): Promise<Ledger> {
    const child = fork(compiledModule('src/testing/ledger-main.js'), [file]);
    const url = await new Promise<string>((resolve, reject) => {
      child.once('message', (message: { url: string }) => resolve(message.url));
      child.once('exit', (code) => reject(new Error(`The ledger ended with ${code}.`)));
    });
    return new Ledger(child, url);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  onEntry(listener: (entry: LedgerEntry) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Keys with more than one effect. */
  doubled(): string[] {
    const effects = new Map<string, number>();
    for (const { key, effect } of this.entries) {
      if (effect) effects.set(key, (effects.get(key) ?? 0) + 1);
    }
    return [...effects].filter(([, count]) => count > 1).map(([key]) => key);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.disconnect();
    await gone;
  }
}

/** Called by a tool: tells the ledger, and answers what it made of it. */
export async function recordEffect(
  url: string,
  request: LedgerRequest,
  signal: AbortSignal,
): Promise<{ attempt: number; effect: boolean }> {
  const response = await fetch(url, {
    method: 'POST',
    body: JSON.stringify({ ...request, pid: process.pid }),
    signal,
  });
  if (!response.ok) throw new Error(`The ledger answered ${response.status}.`);
  return (await response.json()) as { attempt: number; effect: boolean };
}
