/**
 * The stream of a session and of all below it. Nothing is copied: each session has its own events and
 * its own deltas, and the reader follows every session that `tool.delegated` tells of. What happened
 * before it came is put in the order of time; from then on items come as they happen. The items of
 * one session are always in their own order.
 */
import type { SessionItem, StreamItem } from '../contracts/events.js';
import type { SessionKey } from '../contracts/ids.js';
import { askAgain, patiently, SessionReader, type EventsOptions } from './event-stream.js';
import { LiveInbox } from './live-inbox.js';
import type { ReaderHub, Subscription } from './reader-hub.js';

/** A session that the stream follows. */
interface Followed {
  readonly key: SessionKey;
  readonly reader: SessionReader;
  readonly path: readonly string[];
}

/** One that has items behind it which the reader has not. */
interface Head {
  readonly of: Followed;
  readonly items: AsyncGenerator<SessionItem>;
  readonly item: SessionItem;
}

/** As `streamEvents`, until the session and all that have begun below it have ended. */
export async function* streamTree(
  hub: ReaderHub,
  root: SessionKey,
  { after = 0, cursors = {}, live = true, signal }: EventsOptions = {},
): AsyncGenerator<StreamItem, void, undefined> {
  const inbox = new LiveInbox();
  const subscription = live
    ? hub.subscribe({
        hear: ({ session }, message) => inbox.push(session, message),
        fail: (error) => inbox.fail(error),
      })
    : undefined;
  const tree = new Tree(hub, root, { [root.session]: after, ...cursors }, subscription);
  const abort = () => inbox.push(root.session, { type: 'wake', n: 0 });
  signal?.addEventListener('abort', abort);
  try {
    yield* tree.catchUp(await tree.follow(root, []));
    if (!live) return;
    await tree.askAgain(() => true);
    while (!signal?.aborted && !tree.over) {
      const { messages, dropped } = await inbox.take();
      if (signal?.aborted) return;
      const woken = new Set<Followed>();
      const gaps = new Set<Followed>();
      for (const { session, message } of messages) {
        const followed = tree.followed(session);
        if (!followed) continue;
        const { reader } = followed;
        if (message.type === 'delta') {
          const heard = reader.tracker.delta(message);
          for (const item of heard.show) yield from(followed, item);
          if (heard.gap) gaps.add(followed);
        } else if (message.type === 'tool.progress') yield from(followed, message);
        else if (message.type === 'wake' && (message.n === 0 || message.n > reader.last)) {
          woken.add(followed);
        }
      }
      if (woken.size > 0) yield* patiently(() => tree.catchUp([...woken]), signal);
      if (dropped || gaps.size > 0) await tree.askAgain((each) => dropped || gaps.has(each));
    }
  } catch (error) {
    // The connection may be closed as soon as the reader leaves.
    if (!signal?.aborted) throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
    subscription?.close();
  }
}

/** The sessions that a stream follows. */
class Tree {
  readonly #hub: ReaderHub;
  readonly #root: SessionKey;
  readonly #cursors: Readonly<Record<string, number>>;
  readonly #subscription: Subscription | undefined;
  readonly #followed = new Map<string, Followed>();

  constructor(
    hub: ReaderHub,
    root: SessionKey,
    cursors: Readonly<Record<string, number>>,
    subscription: Subscription | undefined,
  ) {
    this.#hub = hub;
    this.#root = root;
    this.#cursors = cursors;
    this.#subscription = subscription;
  }

  /** The root has ended, and so has every other one that has begun. */
  get over(): boolean {
    const all = [...this.#followed.values()];
    const root = this.#followed.get(this.#root.session);
    return (
      root?.reader.over === true && all.every(({ reader }) => reader.over || reader.last === 0)
    );
  }

  followed(session: string): Followed | undefined {
    return this.#followed.get(session);
  }

  /** Follows a session, and those that the reader knows to be below it. */
  async follow(key: SessionKey, path: readonly string[]): Promise<Followed[]> {
    const { session } = key;
    if (this.#followed.has(session)) return [];
    const after = Object.hasOwn(this.#cursors, session) ? this.#cursors[session]! : 0;
    const reader = new SessionReader(this.#hub.events, key, after);
    const followed: Followed = { key, path, reader };
    this.#followed.set(session, followed);
    await this.#subscription?.follow(key);
    const below = after > 0 ? await this.#hub.events.delegated(key, after) : [];
    const others: Followed[] = [];
    for (const child of below) {
      others.push(...(await this.follow({ ...key, session: child }, [...path, child])));
    }
    return [followed, ...others];
  }

  /** What the store has of these, and of those that their events tell of, in the order of time. */
  async *catchUp(of: readonly Followed[]): AsyncGenerator<StreamItem> {
    const heads: Head[] = [];
    const advance = async (followed: Followed, items: AsyncGenerator<SessionItem>) => {
      const next = await items.next();
      if (!next.done) heads.push({ of: followed, items, item: next.value });
      else this.#subscription?.has(followed.key, followed.reader.last);
    };
    for (const followed of of) await advance(followed, followed.reader.readNew());
    while (heads.length > 0) {
      const head = heads.reduce((first, each) => (timeOf(each) < timeOf(first) ? each : first));
      heads.splice(heads.indexOf(head), 1);
      const { of: followed, items, item } = head;
      yield from(followed, item);
      if (item.type === 'tool.delegated') {
        const key = { ...followed.key, session: item.child };
        for (const each of await this.follow(key, [...followed.path, item.child])) {
          await advance(each, each.reader.readNew());
        }
      }
      await advance(followed, items);
    }
  }

  /** Whoever speaks in these says again what it has said. */
  async askAgain(which: (followed: Followed) => boolean): Promise<void> {
    const speaking = [...this.#followed.values()].filter(
      (each) => which(each) && each.reader.tracker.speaking,
    );
    await Promise.all(speaking.map(({ key }) => askAgain(this.#hub, key)));
  }
}

function from({ key, path }: Followed, item: SessionItem): StreamItem {
  return { ...item, session: key.session, path };
}

/** What is no event belongs before the event that follows it. */
function timeOf({ item }: Head): string {
  return 'at' in item ? item.at : '';
}
