/** What has happened, as the store has it: sessions, plans, messages, tasks. Reads only. */
import { readFile } from 'node:fs/promises';
import type {
  AgentRuntime,
  Delivery,
  SessionRecord,
  StoredMessage,
  Timeline,
  TimelinePlan,
} from 'perdura';
import type { Ledger, LedgerEntry } from 'perdura/testing';
import { PERSON, type Kill, type Team } from './team.js';

export interface SessionFacts {
  readonly record: SessionRecord;
  /** 0 for a member of the group. */
  readonly depth: number;
  readonly timeline: Timeline;
  readonly transcript: readonly StoredMessage[];
}

/** Something that one said to others. */
export interface Said {
  readonly at: string;
  readonly from: string;
  readonly to: string;
  /** `said` and `wrote` are messages, `asked` is a task for a sub-agent, `answered` its result. */
  readonly how: 'said' | 'wrote' | 'asked' | 'answered';
  readonly text: string;
}

/** A message with what has become of it for each receiver. */
export interface Mail {
  readonly id: string;
  readonly deliveries: readonly Delivery[];
}

export interface Facts {
  readonly question: string;
  readonly group: string;
  readonly sessions: readonly SessionFacts[];
  readonly plans: readonly TimelinePlan[];
  readonly said: readonly Said[];
  readonly mail: readonly Mail[];
  /** Ids of what waits in the mailbox of the person, each as often as it is there. */
  readonly mailbox: readonly string[];
  readonly kill: Kill | undefined;
  readonly effects: readonly LedgerEntry[];
  /** Absent: none was written. */
  readonly report: { readonly path: string; readonly text: string } | undefined;
}

export async function gather(
  runtime: AgentRuntime,
  team: Team,
  ledger: Ledger,
  reportPath: string,
): Promise<Facts> {
  const sessions: SessionFacts[] = [];
  for (const session of team.sessions) {
    const top = (await session.record())!;
    for (const record of [top, ...(await session.below())]) {
      const each = runtime.session(record.session);
      sessions.push({
        record,
        depth: (record.path ?? [record.session]).length - 1,
        timeline: await each.timeline(),
        transcript: await each.transcript(),
      });
    }
  }
  const history = await runtime.groups.history(team.group);
  const mailbox = (await runtime.messages.unread(PERSON)).filter(({ root }) => root === team.asked);
  const direct = mailbox.filter(({ kind }) => kind === 'direct');
  const said: Said[] = [
    ...history.map(({ acceptedAt: at, from, text }) => ({
      at,
      from,
      to: team.group,
      how: 'said' as const,
      text,
    })),
    ...direct.map(({ acceptedAt: at, from, text }) => ({
      at,
      from,
      to: PERSON,
      how: 'wrote' as const,
      text,
    })),
    ...sessions.flatMap(tasksOf),
  ].sort((a, b) => (a.at < b.at ? -1 : 1));
  return {
    question: team.question,
    group: team.group,
    sessions,
    plans: sessions[0]!.timeline.turns.flatMap(({ plans = [] }) => plans),
    said,
    mail: await Promise.all(
      [...history, ...direct].map(async ({ id }) => ({
        id,
        deliveries: (await runtime.messages.deliveries(id)).deliveries,
      })),
    ),
    mailbox: mailbox.map(({ id }) => id),
    kill: team.kill,
    effects: ledger.entries,
    report: await readFile(reportPath, 'utf8').then(
      (text) => ({ path: reportPath, text }),
      () => undefined,
    ),
  };
}

/** The task of a sub-agent, and what it has answered. */
function tasksOf({ record, transcript }: SessionFacts): Said[] {
  const parent = record.path?.at(-2);
  if (parent === undefined) return [];
  return transcript.flatMap(({ message, at }): Said[] => {
    if (message.role === 'user') {
      return [{ at, from: parent, to: record.session, how: 'asked', text: message.text }];
    }
    if (message.role !== 'assistant' || message.toolCalls?.length) return [];
    return [{ at, from: record.session, to: parent, how: 'answered', text: message.text }];
  });
}
