/**
 * The team: a session for each agent, and a group in which they talk one after another. The first
 * worker whose tool takes effect for a sub-agent is killed before it hears so.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { AgentRuntime, Session } from 'perdura';
import type { Ledger } from 'perdura/testing';
import { Narrator } from './narrator.js';

export const MEMBERS = ['lead', 'checker', 'writer', 'reviewer'] as const;
/** The person who asks. Has no session: what is written to it waits in its mailbox. */
export const PERSON = 'you';

export interface Kill {
  readonly killed: number;
  /** Of the worker that made the call again; absent until then. */
  readonly takenOverBy?: number;
}

export class Team {
  readonly group: string;
  readonly sessions: readonly Session[];
  /** Id of the message with the question. */
  asked = '';
  question = '';
  kill: Kill | undefined;
  readonly #runtime: AgentRuntime;
  readonly #narrator: Narrator;
  readonly #followed = new AbortController();

  private constructor(runtime: AgentRuntime, group: string, sessions: readonly Session[]) {
    this.#runtime = runtime;
    this.group = group;
    this.sessions = sessions;
    this.#narrator = new Narrator();
  }

  /** Names end in the same four characters: a second run is another team. */
  static async meet(runtime: AgentRuntime, ledger: Ledger): Promise<Team> {
    const run = randomBytes(2).toString('hex');
    const group = `team-${run}`;
    const sessions = await Promise.all(
      MEMBERS.map((agent) => runtime.start({ agent, session: `${agent}-${run}`, title: group })),
    );
    const team = new Team(runtime, group, sessions);
    await runtime.groups.create({
      name: group,
      members: [...sessions.map(({ id }, i) => ({ name: id, agent: MEMBERS[i]! })), PERSON],
      speak: 'round-robin',
      // Each of them once: then nobody is asked any more.
      maxHops: MEMBERS.length,
    });
    ledger.onEntry(({ pid, attempt, label = '' }) => {
      if (label.endsWith(': report')) return;
      if (team.kill === undefined) {
        team.kill = { killed: pid };
        team.#narrator.say(
          `✗ the finding is in the ledger, and the tool waits — kill -9 ${pid}, its worker`,
        );
        process.kill(pid, 'SIGKILL');
      } else if (attempt > 1 && team.kill.takenOverBy === undefined) {
        team.kill = { ...team.kill, takenOverBy: pid };
      }
    });
    return team;
  }

  get lead(): Session {
    return this.sessions[0]!;
  }

  /** Asks the question, and resolves when nobody has anything to say any more. */
  async solve(question: string, options: { folder: string; patienceMs: number }): Promise<void> {
    const { groups } = this.#runtime;
    this.question = question;
    console.log(`
The task: ${question}
The files: ${options.folder}
The group ${this.group}: ${this.sessions.map(({ id }) => id).join(', ')}, and ${PERSON}; one speaks after another\n`);
    const following = this.sessions.map((session) =>
      this.#narrator.follow(session, this.#followed.signal),
    );
    const { id } = await groups.send(this.group, {
      from: PERSON,
      text: `Read the files in the folder, and write a report. ${question}`,
    });
    this.asked = id;
    for (const until = Date.now() + options.patienceMs; ;) {
      if (!(await groups.get(this.group)).busy) break;
      if (Date.now() > until) {
        console.log(`The group is still at work after ${options.patienceMs / 1_000} s.`);
        break;
      }
      await setTimeout(100);
    }
    this.#followed.abort();
    await Promise.all(following);
  }

  /** What was said stays; the sessions end. */
  async part(): Promise<void> {
    await this.#runtime.groups.stop(this.group, 'The task is done.');
    await this.#runtime.messages.markRead(PERSON);
    await Promise.all(this.sessions.map((session) => session.end('The task is done.')));
  }
}
