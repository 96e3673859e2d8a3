/**
 * The storm: everything that can be done to a session, done to it at the same moment, while its
 * workers are killed. What was done and what the session answered is kept, so that the caller can
 * count what was lost, doubled and stuck, and replay every history.
 */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { historyToJSON, type History } from '@temporalio/common/lib/proto-utils.js';
import type { WorkflowHandle } from '@temporalio/client';
import type { WorkflowBundleOption } from '@temporalio/worker';
import { inject } from 'vitest';
import type { AgentRuntime } from '../../src/client/agent-runtime.js';
import type { Session } from '../../src/client/session.js';
import { HANDLERS } from '../../src/contracts/session.js';
import type { WhileWorking } from '../../src/contracts/while-working.js';
import type { SupervisedProcess } from '../../src/stack/process-supervisor.js';
import { migrate } from '../../src/store/migrate.js';
import { replayHistories } from '../../src/testing/replay.js';
import { ScriptedModel, type SeenRequest } from '../../src/testing/scripted-model.js';
import { eventually } from './observe.js';
import { WorkerProcesses } from './worker-process.js';

/** What a person or a program can do to a session. */
export const DEEDS = [
  'send',
  'ask',
  'signal',
  'pause',
  'resume',
  'interrupt',
  'wakeUpAfter',
  'end',
] as const;
export type Deed = (typeof DEEDS)[number];

/** Every combination of deeds but none. */
export function combinations(): Deed[][] {
  return Array.from({ length: 2 ** DEEDS.length - 1 }, (_, i) =>
    DEEDS.filter((_deed, bit) => ((i + 1) >> bit) & 1),
  );
}

/** What becomes of the messages of a session while it works, in turn. */
const POLICIES: readonly WhileWorking[] = ['enqueue', 'steer', 'enqueue', 'interrupt', 'rollback'];

/** A session is stuck when it stands still for so long, ms: far beyond every timeout of a worker. */
const STUCK_MS = 90_000;

export interface StormOptions {
  /** Workflows that each worker keeps in memory. */
  readonly cachedWorkflows: number;
  readonly workers?: number;
}

export class Storm {
  readonly model: ScriptedModel;
  readonly runtime: AgentRuntime;
  readonly workers: readonly SupervisedProcess[];
  readonly sessions: StormSession[] = [];
  kills = 0;

  readonly #processes: WorkerProcesses;

  private constructor(model: ScriptedModel, processes: WorkerProcesses) {
    this.model = model;
    this.runtime = processes.runtime;
    this.workers = processes.workers;
    this.#processes = processes;
  }

  static async start({ cachedWorkflows, workers = 2 }: StormOptions): Promise<Storm> {
    const name = `storm-${randomBytes(5).toString('hex')}`;
    await migrate(inject('databaseUrl'));
    const model = await ScriptedModel.start();
    model.reply(/^/, speak);
    const processes = await WorkerProcesses.start({
      modelUrl: model.baseUrl,
      taskQueue: name,
      count: workers,
      environment: {
        PERDURA_HISTORY_LIMIT: '150',
        PERDURA_MAX_CACHED_WORKFLOWS: String(cachedWorkflows),
      },
    });
    return new Storm(model, processes);
  }

  async stop(): Promise<void> {
    await this.#processes.stop();
    await this.model.stop();
  }

  /** Ends one worker without warning; its supervisor starts another. */
  kill(random: () => number): void {
    const alive = this.workers.filter((worker) => worker.pid !== undefined && worker.isReady);
    // Somebody has to be there to go on with the work.
    if (alive.length < this.workers.length) return;
    alive[Math.floor(random() * alive.length)]!.kill('SIGKILL');
    this.kills += 1;
  }

  async open(): Promise<StormSession> {
    const session = new StormSession(await this.runtime.start(), this.runtime);
    this.sessions.push(session);
    return session;
  }

  /** Replays all that has happened. Answers how many histories, and what could not be replayed. */
  async replay(
    workflowBundle: WorkflowBundleOption,
  ): Promise<{ histories: number; failures: string[] }> {
    const failures: string[] = [];
    const histories = new Map<string, History>();
    for (const { session } of this.sessions) {
      for (const { runId, history } of await runsOf(this.runtime, session.workflowId)) {
        // Servers before 1.24 do not write it.
        history.events![0]!.workflowExecutionStartedEventAttributes!.workflowId =
          session.workflowId;
        histories.set(runId, history);
      }
    }
    let replayed = 0;
    for await (const { workflowId, runId, error } of replayHistories(histories.values(), {
      workflowBundle,
    })) {
      replayed += 1;
      if (!error) continue;
      failures.push(`${workflowId}, ${await keep(runId, histories.get(runId)!)}: ${error.message}`);
    }
    if (replayed !== histories.size)
      failures.push(`${replayed} of ${histories.size} were replayed`);
    return { histories: replayed, failures };
  }
}

/** Speaks for some 60 ms, so that what is done meets the agent in the middle of it; now and then with a tool. */
function speak(request: SeenRequest) {
  const of = request.lastUserText;
  const pace = { chunkSize: 6, chunkDelayMs: 5 };
  const asked = request.messages.at(-1)?.role === 'user';
  if (asked && of.length % 3 === 0) {
    return { toolCalls: [{ name: of.length % 2 ? 'look' : 'note', arguments: { of } }] };
  }
  return { ...pace, text: `You said ${of}. `.repeat(3) };
}

/** What became of a message. */
interface SentMessage {
  readonly id: string;
  readonly by: 'send' | 'ask' | 'signal';
  readonly whileWorking: WhileWorking;
  /** Its sender was told that it is accepted. */
  accepted: boolean;
  /** The session was told to end at the same moment, so it may be refused. */
  readonly mayBeRefused: boolean;
}

export class StormSession {
  readonly session: Session;
  readonly messages: SentMessage[] = [];
  readonly surprises: string[] = [];
  /** Somebody has told it to end. */
  ending = false;
  readonly #handle: WorkflowHandle;
  readonly #runtime: AgentRuntime;
  #count = 0;

  constructor(session: Session, runtime: AgentRuntime) {
    this.session = session;
    this.#runtime = runtime;
    this.#handle = runtime.temporal.workflow.getHandle(session.workflowId);
  }

  /** Does all of it at the same moment, and waits until each has been answered. */
  async all(deeds: readonly Deed[], lasting: Promise<unknown>[] = []): Promise<void> {
    const ending = this.ending || deeds.includes('end');
    await Promise.all(deeds.map((deed) => this.does(deed, ending, lasting)));
  }

  /** `lasting` takes what is answered only when the agent goes on: it may be paused now. */
  async does(deed: Deed, ending: boolean, lasting: Promise<unknown>[]): Promise<void> {
    switch (deed) {
      case 'send':
      case 'ask': {
        const message = this.#message(deed, ending);
        const { id, whileWorking } = message;
        const args: [unknown] = [{ id, text: id, whileWorking }];
        if (deed === 'ask') {
          lasting.push(this.#ask(message, args));
          return;
        }
        await this.#expecting(['Session.Closed'], async () => {
          await this.session.send({ id, text: id, whileWorking });
          message.accepted = true;
        });
        return;
      }
      case 'signal': {
        const message = this.#message('signal', ending);
        await this.#expecting(['Session.Closed', 'not found', 'already completed'], async () => {
          const { id, whileWorking } = message;
          await this.#handle.signal(HANDLERS.message, { id, text: id, whileWorking });
          message.accepted = true;
        });
        return;
      }
      case 'pause':
      case 'resume':
        return this.#expecting(['Session.Closed'], () => this.session[deed]());
      case 'interrupt':
        // While the session is opened, its answer comes when the turn is over.
        lasting.push(
          this.#expecting(['Session.Closed'], () => this.session.interrupt('the storm')),
        );
        return;
      case 'wakeUpAfter':
        return this.#expecting(['Session.Closed'], () => this.session.wakeUpAfter(20));
      case 'end':
        this.ending = true;
        return this.#expecting(['Session.Closed'], () => this.session.end('the storm'));
    }
  }

  /** Waits until nothing is left to do; rejects when the session is stuck. */
  async settled(lasting: Promise<unknown>[]): Promise<void> {
    const { session } = this;
    if (!this.ending) await this.#expecting([], () => session.resume());
    const done = (async () => {
      await Promise.all(lasting);
      await eventually(async () => {
        const record = await session.record();
        if (this.ending) return record?.state === 'terminated';
        if (record && record.state !== 'idle' && record.state !== 'error') return false;
        const taken = await this.#taken();
        return this.messages.every(({ id, accepted }) => !accepted || taken.includes(id));
      }, STUCK_MS);
    })();
    let timer: NodeJS.Timeout | undefined;
    const stuck = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`${session.workflowId} is stuck.`)),
        STUCK_MS + 10_000,
      );
    });
    await Promise.race([done, stuck])
      .catch(async (error: unknown) => {
        const files = await this.keepHistories();
        const status = await session.status().catch((reason: unknown) => String(reason));
        throw new Error(
          `${String(error)} ${JSON.stringify({ status, record: await session.record(), ending: this.ending, files })}`,
        );
      })
      .finally(() => clearTimeout(timer));
  }

  /** Keeps what has happened, because nobody sees the same storm twice. */
  async keepHistories(): Promise<string[]> {
    const runs = await runsOf(this.#runtime, this.session.workflowId);
    return Promise.all(runs.map(({ runId, history }) => keep(runId, history)));
  }

  /** Messages that the transcript lacks although their sender was told they are accepted, and those it has twice. */
  async count(): Promise<{ lost: string[]; doubled: string[]; messages: number }> {
    const taken = await this.#taken();
    const signalled = await this.#acceptedSignals();
    const lost = this.messages.filter(
      ({ id, by, accepted, mayBeRefused }) =>
        accepted &&
        !taken.includes(id) &&
        // A signal that comes after the end is refused, and its sender cannot be told.
        !(by === 'signal' && mayBeRefused && !signalled.includes(id)),
    );
    const doubled = taken.filter((id, at) => taken.indexOf(id) !== at);
    return { lost: lost.map(({ id }) => id), doubled, messages: this.messages.length };
  }

  /** Ids of the messages in the transcript, rolled back ones too, but for those of timers. */
  async #taken(): Promise<string[]> {
    return (await this.session.transcript({ rolledBack: true })).flatMap(({ message }) =>
      message.role === 'user' && message.from !== 'timer' ? [message.id] : [],
    );
  }

  /** Signals that stand in the history before the first one that ends the session. */
  async #acceptedSignals(): Promise<string[]> {
    const ids: string[] = [];
    for (const { history } of await runsOf(this.#runtime, this.session.workflowId)) {
      for (const event of history.events ?? []) {
        const signal = event.workflowExecutionSignaledEventAttributes;
        if (signal?.signalName === HANDLERS.terminate) return ids;
        if (signal?.signalName !== HANDLERS.message) continue;
        const text = Buffer.from(signal.input!.payloads![0]!.data!).toString();
        ids.push((JSON.parse(text) as { id: string }).id);
      }
    }
    return ids;
  }

  #message(by: SentMessage['by'], mayBeRefused: boolean): SentMessage {
    const count = (this.#count += 1);
    const message = {
      id: `${by}-${count}`,
      by,
      whileWorking: POLICIES[count % POLICIES.length]!,
      accepted: false,
      mayBeRefused,
    };
    this.messages.push(message);
    return message;
  }

  /** As a foreign client does: the update `ask`, again when the run has ended. */
  async #ask(message: SentMessage, args: [unknown]): Promise<void> {
    let last = '';
    // Under load a session is paused half of the time, and goes on in one run after another.
    for (const end = Date.now() + STUCK_MS; Date.now() < end;) {
      try {
        await this.#handle.executeUpdate<unknown, [unknown]>(HANDLERS.ask, { args });
        message.accepted = true;
        return;
      } catch (error) {
        const type = (last = typeOf(error));
        if (/\b(Turn|Model|Tool)\.[A-Z]/.test(type)) {
          message.accepted = true;
          return;
        }
        if (/Session\.Closed|not found|completed/i.test(type)) {
          if (this.ending) return;
        } else if (!/ContinuedAsNew|RESOURCE|Workflow Task|unexpected/i.test(type)) {
          this.surprises.push(`ask: ${type}`);
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
    this.surprises.push(`ask: not accepted in ${STUCK_MS} ms, the last: ${last}`);
  }

  async #expecting(types: readonly string[], action: () => Promise<unknown>): Promise<void> {
    try {
      await action();
    } catch (error) {
      const type = typeOf(error);
      if (types.some((expected) => type.includes(expected)) && this.ending) return;
      this.surprises.push(`${action.toString().slice(0, 60)}: ${type}`);
    }
  }
}

function typeOf(error: unknown): string {
  const { type, message, cause } = error as {
    type?: string;
    message?: string;
    cause?: { type?: string; message?: string; details?: string };
  };
  return [type, message, cause?.type, cause?.message, cause?.details].filter(Boolean).join(' · ');
}

/** Writes a history where it can be replayed from. Answers with the file. */
async function keep(runId: string, history: History): Promise<string> {
  const file = join(tmpdir(), `perdura-storm-${runId}.json`);
  await writeFile(file, historyToJSON(history));
  return file;
}

/** The histories of all runs of a workflow, oldest first. */
async function runsOf(
  runtime: AgentRuntime,
  workflowId: string,
): Promise<{ runId: string; history: History }[]> {
  const runs: { runId: string; history: History }[] = [];
  let runId: string | undefined;
  do {
    const history: History = await runtime.temporal.workflow
      .getHandle(workflowId, runId)
      .fetchHistory();
    const started = history.events?.[0]?.workflowExecutionStartedEventAttributes;
    runs.unshift({ runId: started?.originalExecutionRunId ?? '', history });
    runId = started?.continuedExecutionRunId || undefined;
  } while (runId !== undefined);
  return runs;
}
