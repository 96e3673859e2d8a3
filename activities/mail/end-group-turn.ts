/** What a member of a group has answered goes to the others, and the floor to the next speaker. */
import type { EndGroupTurnInput } from '../../src/contracts/activities.js';
import { shardOf } from '../../src/contracts/mail.js';
import { clip } from '../../src/contracts/text.js';
import type { ActivityDeps } from '../deps.js';
import { currentExecution } from '../execution.js';
import { courierWaker } from './wake.js';

/** Longest answer that goes to a group, UTF-16 units: a message has at most 256 KiB. */
const MOST_ANSWER_UNITS = 64 * 1024;

export async function endGroupTurn(
  deps: Pick<ActivityDeps, 'groups' | 'signals' | 'transcripts'>,
  { run, turn, group, seq }: EndGroupTurnInput,
): Promise<void> {
  const { key, transcript, attempt } = currentExecution(run);
  const answer = seq === undefined ? undefined : await answerAt(deps, key.tenant, transcript, seq);
  const shards = await deps.groups.endTurn({
    key,
    groupId: group,
    turn,
    ...(answer ? { answer } : {}),
  });
  // An attempt before this one may have died between its commit and the wake-up.
  const again = attempt > 1 ? [shardOf(group), shardOf(key.session)] : [];
  const wake = courierWaker(deps, key.tenant);
  for (const shard of new Set([...shards, ...again])) await wake(shard);
}

async function answerAt(
  { transcripts }: Pick<ActivityDeps, 'transcripts'>,
  tenant: string,
  transcript: string,
  seq: number,
): Promise<{ id: string; text: string } | undefined> {
  const [row] = await transcripts.read(tenant, transcript, { after: seq - 1, to: seq });
  if (row?.message.role !== 'assistant') return undefined;
  const { id, text } = row.message;
  // Made of what is unique to this very answer: a repetition is recognised.
  return { id: `said.${id}`, text: clip(text, MOST_ANSWER_UNITS) };
}
