/** New code under old sessions: every recorded history still replays, and none has gone. */
import { readdirSync, readFileSync } from 'node:fs';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { beforeAll, describe, expect, it } from 'vitest';
import { replayHistory } from '../../../src/testing/replay.js';
import { buildBundle } from '../../../worker/bundle.js';

const FOLDER = new URL('../../histories/', import.meta.url);

const files = readdirSync(FOLDER).filter((file) => file.endsWith('.json'));
const listed = [
  ...readFileSync(new URL('README.md', FOLDER), 'utf8').matchAll(/^\| `(.+?)`/gm),
].map(([, file]) => file!);

interface RecordedEvent {
  eventType: string;
  activityTaskScheduledEventAttributes?: { activityType: { name: string } };
}

const read = (file: string) =>
  JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) as { events: RecordedEvent[] };

describe('recorded histories', () => {
  let workflowBundle: { code: string };
  beforeAll(async () => {
    Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
    workflowBundle = await buildBundle();
  });

  it('histories: the corpus → every listed file is there, and every file is listed', () => {
    expect([...files].sort()).toEqual([...listed].sort());
    expect(files.length).toBeGreaterThan(0);
  });

  it.each(files)('histories: %s → replays on this build', async (file) => {
    await replayHistory(read(file), { workflowBundle });
  });

  it('histories: a step that the code would not take → the replay fails', async () => {
    const history = read(files.find((file) => file.startsWith('plain-turn'))!);
    const scheduled = history.events.find((event) => event.activityTaskScheduledEventAttributes);
    scheduled!.activityTaskScheduledEventAttributes!.activityType.name = 'somethingElse';
    await expect(replayHistory(history, { workflowBundle })).rejects.toThrow(/determinis/i);
  });
});
