/**
 * The contexts of sessions, as this worker has read them. What a session was given never changes but
 * by an erasure, so one that was read is good for a minute.
 */
import type { Agent } from '../../src/contracts/agent.js';
import type { SessionKey } from '../../src/contracts/ids.js';
import {
  runtimeContext,
  type GivenContext,
  type RuntimeSessionContext,
} from '../../src/contracts/runtime-context.js';
import type { SessionContexts } from '../../src/store/stores.js';
import type { ToolSource } from '../deps.js';
import type { Execution } from '../execution.js';

const GOOD_FOR_MS = 60_000;
const MOST_KEPT = 5_000;

interface Kept {
  readonly given: Promise<GivenContext | undefined>;
  readonly until: number;
}

export class RuntimeContexts {
  readonly #store: Pick<SessionContexts, 'get'>;
  readonly #tools: Pick<ToolSource, 'skillsOf'>;
  /** In the order of reading, oldest first. */
  readonly #kept = new Map<string, Kept>();

  constructor(store: Pick<SessionContexts, 'get'>, tools: Pick<ToolSource, 'skillsOf'>) {
    this.#store = store;
    this.#tools = tools;
  }

  /** For a step of this agent, or a tool that it calls. Rejects with `Store.Unavailable`. */
  async of(
    { key, hasContext }: Pick<Execution, 'key' | 'hasContext'>,
    agent: Agent,
    tools: Iterable<string>,
  ): Promise<RuntimeSessionContext> {
    return this.given(key, agent, tools, hasContext ? await this.#given(key) : undefined);
  }

  /** Of a call that says itself for whom it is. */
  given(
    key: SessionKey,
    agent: Agent,
    tools: Iterable<string>,
    given: GivenContext | undefined,
  ): RuntimeSessionContext {
    return runtimeContext({ key, agent, given, tools, skills: this.#tools.skillsOf(agent) });
  }

  #given(key: SessionKey): Promise<GivenContext | undefined> {
    const name = `${key.tenant}/${key.session}`;
    const now = Date.now();
    const kept = this.#kept.get(name);
    if (kept && kept.until > now) return kept.given;
    const given = this.#store.get(key);
    this.#kept.delete(name);
    this.#kept.set(name, { given, until: now + GOOD_FOR_MS });
    given.catch(() => this.#kept.delete(name));
    if (this.#kept.size > MOST_KEPT) this.#kept.delete(this.#kept.keys().next().value!);
    return given;
  }
}
