/** Sessions of the store alone, without a workflow: what a test writes into them, and listens to. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { SessionKey } from '../../src/contracts/ids.js';
import type { TranscriptMessage } from '../../src/contracts/message.js';
import { channelOf } from '../../src/live/bus.js';
import type { Database } from '../../src/store/database.js';
import { TranscriptStore, type Append, type Writer } from '../../src/store/transcript-store.js';

/** A session that is entered in the store; its run is `run`. */
export class StoredSession {
  readonly key: SessionKey;
  readonly channel: string;
  readonly store: TranscriptStore;
  head = 0;
  stage = 0;

  private constructor(key: SessionKey, store: TranscriptStore) {
    this.key = key;
    this.channel = channelOf(key);
    this.store = store;
  }

  static async open(database: Database, tenant = `t${randomUUID()}`): Promise<StoredSession> {
    const key = { tenant, session: `s${randomUUID()}` };
    const session = new StoredSession(key, new TranscriptStore(database));
    const { transcript, run } = session.writer();
    await session.store.openSession({
      ...key,
      transcript,
      run,
      workflowId: key.session,
      agent: 'assistant',
    });
    return session;
  }

  get id(): string {
    return this.key.session;
  }

  writer(place: Partial<Writer> = {}): Writer {
    const { key, stage, head } = this;
    return { ...key, transcript: key.session, run: 'run', stage, head, ...place };
  }

  /** The next stage writes a message of the user. */
  async say(text: string, id: string = randomUUID()) {
    this.stage += 1;
    const appended = await this.store.append(this.writer(), this.saying(text, id));
    if (appended.duplicates.length === 0) this.head += 1;
    return appended;
  }

  /** What {@link say} writes. */
  saying(text: string, id: string): Append {
    const seq = this.head + 1;
    const turn = this.stage;
    const body: TranscriptMessage = { role: 'user', id, text };
    return {
      channel: this.channel,
      messages: [{ seq, key: `m${id}`, turn, step: 0, attempt: 1, messageId: id, body }],
      events: [
        {
          key: `m${id}`,
          seq,
          messageId: id,
          body: { type: 'message.accepted', id, seq, turn, text },
        },
      ],
    };
  }
}

/** Notifications on a channel, as they come. Ends with `end`. */
export async function listenOn(url: string, channel: string) {
  const client = new pg.Client({ connectionString: url });
  const heard: string[] = [];
  client.on('notification', ({ payload }) => void heard.push(payload ?? ''));
  await client.connect();
  await client.query(`listen "${channel}"`);
  return { heard, end: () => client.end() };
}
