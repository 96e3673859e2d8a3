/**
 * What a running model call says, on its way to the live bus: put together into pieces,
 * numbered by offset, and said again for readers who come late. Also where an interruption
 * reaches the call without waiting for Temporal's next heartbeat.
 */
import type { LiveDelta } from '../../src/contracts/events.js';
import type { SessionKey } from '../../src/contracts/ids.js';
import type { LiveBus } from '../../src/live/bus.js';

/** Deltas are put together for so long, ms: a reader sees 50 pieces a second, not 500. */
const FLUSH_MS = 20;
/**
 * The first words wait so long for company, ms. An answer that is complete by then comes with
 * its durable event, and nothing is published.
 */
const FIRST_FLUSH_MS = 4;

/** An interruption is remembered for so long, ms: by then Temporal's cancellation has arrived. */
const INTERRUPTED_MS = 10_000;

/** An interruption of a moment ago. Compared by identity: each is forgotten by its own timer. */
interface Interruption {
  readonly turn: number;
}

interface Place {
  readonly turn: number;
  readonly step: number;
  readonly attempt: number;
}

type Channel = LiveDelta['channel'];

/** The voice of one attempt. */
export class Speaker {
  readonly #say: (delta: LiveDelta) => void;
  readonly #place: Place;
  readonly #interrupt: () => void;
  readonly #said: Record<Channel, string[]> = { text: [], reasoning: [] };
  readonly #length: Record<Channel, number> = { text: 0, reasoning: 0 };
  readonly #waiting: Record<Channel, string> = { text: '', reasoning: '' };
  #timer: NodeJS.Timeout | undefined;
  #interrupted = false;
  #open = false;

  constructor(place: Place, say: (delta: LiveDelta) => void, interrupt: () => void) {
    this.#place = place;
    this.#say = say;
    this.#interrupt = interrupt;
  }

  get turn(): number {
    return this.#place.turn;
  }

  /** Whether someone interrupted the turn on the fast path. */
  get interrupted(): boolean {
    return this.#interrupted;
  }

  #text(channel: Channel): string {
    return this.#said[channel].join('');
  }

  /**
   * From now on it is heard. Before, the step is not known to have begun: it may be called off,
   * and then another answer has the same attempt and the same offsets.
   */
  open(): void {
    this.#open = true;
    if (this.#timer === undefined) this.#flush();
  }

  push(channel: Channel, text: string): void {
    this.#said[channel].push(text);
    this.#waiting[channel] += text;
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined;
        this.#flush();
      },
      this.#length.text + this.#length.reasoning === 0 ? FIRST_FLUSH_MS : FLUSH_MS,
    );
  }

  /** The answer is complete: whoever has heard a part of it hears the rest. */
  finish(): void {
    if (this.#length.text + this.#length.reasoning > 0) this.#flush();
  }

  #flush(): void {
    if (!this.#open) return;
    for (const channel of ['reasoning', 'text'] as const) {
      const text = this.#waiting[channel];
      if (text === '') continue;
      this.#waiting[channel] = '';
      this.#say({ type: 'delta', ...this.#place, channel, offset: this.#length[channel], text });
      this.#length[channel] += text.length;
    }
  }

  /** Says everything again, for whoever came late; readers drop what they have. */
  repeat(): void {
    if (!this.#open) return;
    this.#flush();
    for (const channel of ['reasoning', 'text'] as const) {
      const text = this.#text(channel);
      if (text !== '') this.#say({ type: 'delta', ...this.#place, channel, offset: 0, text });
    }
  }

  interrupt(): void {
    this.#interrupted = true;
    this.#interrupt();
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** The voices of one worker, by session. */
export class Speakers {
  readonly #bus: LiveBus;
  readonly #speaking = new Map<string, Set<Speaker>>();
  /** The newest interruption of each session: what begins only now belongs to its turn too. */
  readonly #interrupted = new Map<string, Interruption>();
  #listening: Promise<unknown> | undefined;

  constructor(bus: LiveBus) {
    this.#bus = bus;
  }

  /** Resolves when interruptions reach this worker; after the first call at once. */
  async ready(): Promise<void> {
    await (this.#listening ??= this.#listen());
  }

  /** Begins a voice; `end` it with {@link end}. A tool has one too, and says nothing. */
  begin(key: SessionKey, place: Place, interrupt: () => void): Speaker {
    const speaker = new Speaker(place, (delta) => this.#bus.publish(key, delta), interrupt);
    const name = nameOf(key);
    this.#speaking.set(name, (this.#speaking.get(name) ?? new Set()).add(speaker));
    if (this.#interrupted.get(name)?.turn === place.turn) speaker.interrupt();
    return speaker;
  }

  end(key: SessionKey, speaker: Speaker): void {
    speaker.end();
    const name = nameOf(key);
    const speakers = this.#speaking.get(name);
    speakers?.delete(speaker);
    if (speakers?.size === 0) this.#speaking.delete(name);
  }

  async #listen(): Promise<void> {
    await this.#bus.onControl((key, message) => {
      const name = nameOf(key);
      if (message.type === 'interrupt') this.#remember(name, { turn: message.turn });
      for (const speaker of this.#speaking.get(name) ?? []) {
        if (message.type === 'sync') speaker.repeat();
        else if (message.type === 'interrupt' && message.turn === speaker.turn) {
          speaker.interrupt();
        }
      }
    });
  }

  #remember(name: string, interruption: Interruption): void {
    this.#interrupted.set(name, interruption);
    setTimeout(() => {
      // A later interruption may have taken the place, and has a timer of its own.
      if (this.#interrupted.get(name) === interruption) this.#interrupted.delete(name);
    }, INTERRUPTED_MS).unref();
  }
}

function nameOf({ tenant, session }: SessionKey): string {
  return `${tenant}.${session}`;
}
