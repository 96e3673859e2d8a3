/**
 * Which agent a session runs, and how that changes: the update `move` says where it goes, and it
 * goes there when no turn is under way. What changes hands within a turn is in `turn.ts`.
 */
import { uuid4 } from '@temporalio/workflow';
import { isAgentVersion, type AgentReference } from '../../src/contracts/agent.js';
import type { AgentTraits } from '../../src/contracts/activities.js';
import type { MoveReceipt, MoveRequest } from '../../src/contracts/session.js';
import { refusal } from '../door.js';
import { readAgent } from '../parts/calls.js';
import { failureOf } from './failure-of.js';
import type { SessionRun } from './session-run.js';
import { until } from './waiting.js';

const LATEST = 'latest';
const AGENT_UNITS = 64;

export class AgentDesk {
  readonly #run: SessionRun;

  constructor(run: SessionRun) {
    this.#run = run;
  }

  /** Throws why a move is refused. Synchronous: it validates updates. */
  check(request: unknown): void {
    if (this.#run.ending) throw closed();
    if (request === undefined || request === null) return;
    const { agent, version } = request as Partial<Record<keyof MoveRequest, unknown>>;
    const fields = typeof request === 'object' && !Array.isArray(request);
    const named = agent === undefined || (typeof agent === 'string' && agent.length <= AGENT_UNITS);
    if (fields && named && (version === undefined || version === LATEST || isAgentVersion(version)))
      return;
    throw refusal(
      'Request.Invalid',
      'The update "move" takes { "agent": "<name>", "version": "<16 hex characters>" }, both optional; the version may be "latest".',
    );
  }

  /** Answers when the session has moved, or when it is known where it goes after its turn. */
  async move(request?: MoveRequest | null): Promise<MoveReceipt> {
    this.#run.handles('update');
    if (!this.#run.settings) await this.#run.ready();
    const { state, reference } = this.#run;
    const { agent = state.agent.agent, version = LATEST } = request ?? {};
    const asked = version === LATEST ? { agent } : { agent, version };
    const found = await readAgent({ run: reference, ...asked }).catch((error: unknown) => {
      const failure = failureOf(error);
      throw failure ? refusal(failure.type, failure.message) : error;
    });
    if (this.#run.ending) throw closed();
    const target = { agent, version: found.version!, traits: traitsOf(found) };
    state.moving = target;
    await until(
      () =>
        state.moving !== target ||
        state.open !== undefined ||
        this.#run.leaving ||
        this.#run.ending !== undefined,
    );
    if (this.#run.ending) throw closed();
    return { agent, version: target.version, applied: isSame(state.agent, target) };
  }

  /** Whether the session is to go somewhere, and nothing holds it. */
  get due(): boolean {
    return this.#run.state.moving !== undefined && this.#run.state.open === undefined;
  }

  /** Moves. To be called between turns alone. */
  async moveNow(): Promise<void> {
    const { state } = this.#run;
    const { agent, version, traits } = state.moving!;
    const to = { agent, ...(version === undefined ? {} : { version }) };
    if (!isSame(state.agent, to)) {
      await this.#run.regular.short.moveSession({ key: uuid4(), from: state.agent, to });
      this.#run.changeAgent(to, traits);
    }
    // Also where another move came meanwhile: it is made next.
    if (state.moving?.agent === agent && state.moving.version === version) state.moving = undefined;
  }
}

function traitsOf(found: Awaited<ReturnType<typeof readAgent>>): AgentTraits {
  const { limits, unread = 'all', whileWorking, pool } = found;
  return {
    limits,
    unread,
    ...(whileWorking ? { whileWorking } : {}),
    ...(pool === undefined ? {} : { pool }),
  };
}

function isSame(a: AgentReference, b: AgentReference): boolean {
  return a.agent === b.agent && a.version === b.version;
}

function closed() {
  return refusal('Session.Closed', 'The session has ended.');
}
