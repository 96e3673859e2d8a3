/**
 * What happens in a session as a terminal shows it while it happens. Takes items of
 * `session.events()`, answers what is to be written; writes nothing itself.
 */
import type { LiveDelta, SessionEvent, StepPlace, SessionItem } from '../../contracts/events.js';
import { clean, StreamCleaner } from './clean.js';
import { eventNotes } from './event-notes.js';
import { Screen, type Piece } from './screen.js';
import type { Style } from './style.js';
import { toolProgressText } from './tool-lines.js';

export interface ConversationOptions {
  readonly style: Style;
  /** Words as they come. Otherwise the answer in one piece, once it is final. */
  readonly live: boolean;
  /** A last line that changes in place: only where notes go to a terminal. */
  readonly progress: boolean;
  /** Show what the model thinks before it answers. */
  readonly reasoning: boolean;
  /** Messages with these ids are on the screen already; those of others are shown. */
  readonly own: ReadonlySet<string>;
  /** Columns of the terminal. */
  readonly width: number;
}

interface Spoken extends StepPlace {
  readonly attempt: number;
  readonly cleaner: StreamCleaner;
  /** What was said aloud, as it came. */
  text: string;
  channel: LiveDelta['channel'];
}

export class ConversationView {
  readonly #options: ConversationOptions;
  readonly #screen = new Screen();
  #spoken: Spoken | undefined;
  #announced = '';
  /** Sequence number of the last message whose text is on the screen. */
  #shown = 0;
  /** Where words are not shown as they come: what the turn under way has said last. */
  #unsaid = NOTHING;

  constructor(options: ConversationOptions) {
    this.#options = options;
  }

  /** What to write for an item, in order. */
  show(item: SessionItem): readonly Piece[] {
    const { progress, style, width } = this.#options;
    if (item.type === 'delta') this.#delta(item);
    else if (item.type === 'superseded') this.#attempt(item, item.by);
    else if (item.type === 'tool.progress') {
      if (progress) this.#screen.change(style.dim(toolProgressText(item, width - 1)));
    } else this.#event(item);
    return this.#screen.take();
  }

  /** A turn has ended: ends an unfinished line. */
  end(): readonly Piece[] {
    this.#hush();
    return this.settle();
  }

  /** The cursor at the beginning of a line, whatever is being said. */
  settle(): readonly Piece[] {
    this.#screen.erase();
    this.#screen.newLine();
    return this.#screen.take();
  }

  /** The reader leaves in the middle of a turn: what has been said so far is not lost. */
  leave(): readonly Piece[] {
    this.#whole(this.#unsaid.text);
    this.#unsaid = NOTHING;
    return this.end();
  }

  #event(event: SessionEvent): void {
    if (event.type === 'message.accepted' && this.#options.own.has(event.id)) return;
    if (event.type === 'step.started' && event.attempt > 1) this.#attempt(event, event.attempt);
    if (event.type === 'step.completed') this.#completed(event);
    if (event.type === 'turn.completed') {
      if (!this.#options.live || event.seq !== this.#shown) this.#whole(event.text);
    }
    if (/^(?:step\.failed|turn\.)/.test(event.type)) this.#hush();
    if (event.type === 'turn.interrupted') this.#whole(this.#unsaid.text);
    if (event.type.startsWith('turn.')) this.#unsaid = NOTHING;
    for (const line of eventNotes(event, this.#options.style)) this.#screen.note(line);
    if (event.type === 'turn.completed') this.#screen.newLine();
  }

  #delta({ turn, step, attempt, channel, text: piece }: LiveDelta): void {
    const { live, reasoning, style } = this.#options;
    if (channel === 'reasoning' && !(live && reasoning)) return;
    if (!live) {
      const { text, ...before } = this.#unsaid;
      const on = before.step === step && before.attempt === attempt;
      this.#unsaid = { step, attempt, text: on ? text + piece : piece };
      return;
    }
    let spoken = this.#spoken;
    if (!spoken || !same(spoken, { turn, step }) || spoken.attempt !== attempt) {
      this.#screen.newLine();
      spoken = { turn, step, attempt, cleaner: new StreamCleaner(), text: '', channel };
      this.#spoken = spoken;
    }
    if (spoken.channel !== channel) {
      this.#screen.newLine();
      spoken.channel = channel;
    }
    const text = spoken.cleaner.push(piece);
    if (channel === 'text') spoken.text += piece;
    this.#screen.say(channel === 'reasoning' && text !== '' ? style.dim(text) : text);
  }

  /** The durable text decides: what was not heard is added, what was heard otherwise is said again. */
  #completed(event: Extract<SessionEvent, { type: 'step.completed' }>): void {
    if (!this.#options.live) {
      const { step, attempt, text } = event;
      if (text !== '') this.#unsaid = { step, attempt, text };
      return;
    }
    const spoken = this.#spoken && same(this.#spoken, event) ? this.#spoken : undefined;
    if (spoken?.attempt === event.attempt && event.text.startsWith(spoken.text)) {
      this.#screen.say(spoken.cleaner.push(event.text.slice(spoken.text.length)));
    } else if (clean(event.text).trim() !== clean(spoken?.text ?? '').trim()) {
      if (spoken && spoken.text !== '') this.#attempt(event, event.attempt);
      this.#whole(event.text);
    }
    this.#hush();
    this.#shown = event.seq;
    this.#screen.newLine();
  }

  /** Once for each attempt, whether a live or a durable item announces it first. */
  #attempt({ turn, step }: StepPlace, attempt: number): void {
    const key = `${turn}.${step}.${attempt}`;
    if (this.#announced === key) return;
    this.#announced = key;
    this.#hush();
    this.#screen.note(this.#options.style.dim(`(attempt ${attempt})`));
  }

  #whole(text: string): void {
    if (text.trim() === '') return;
    this.#screen.newLine();
    this.#screen.say(clean(text));
    this.#screen.newLine();
  }

  /** The model has stopped speaking: writes what was held back. */
  #hush(): void {
    this.#screen.say(this.#spoken?.cleaner.end() ?? '');
    this.#spoken = undefined;
  }
}

const NOTHING = { step: 0, attempt: 0, text: '' };

function same(a: StepPlace, b: StepPlace): boolean {
  return a.turn === b.turn && a.step === b.step;
}
