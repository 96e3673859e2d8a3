/**
 * Text of models, tools and providers on its way to a terminal: without what would move the
 * cursor, change the window, or make text look like another. Pure; nothing is printed here.
 */

/** Control sequences of ECMA-48 in full: CSI (colours, cursor), strings (title, links), others. */
const SEQUENCE =
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c]{0,1024}(?:\u0007|\u001b\\|\u009c)|\u001b[ -/]*[0-~]/g;
/** What is left of them; C0 but tab and newline, DEL, C1; and what turns the direction of text. */
const CONTROL =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const LONE_SURROGATE = /\p{Surrogate}/gu;

/** `text` as it may be shown. Tabs and newlines stay. */
export function clean(text: string): string {
  return text.replace(SEQUENCE, '').replace(CONTROL, '').replace(LONE_SURROGATE, '\ufffd');
}

/** As {@link clean}, on one line of at most `max` characters, with "…" where it was cut. */
export function oneLine(text: string, max = 120): string {
  // The head is enough, and a result may have megabytes.
  const flat = clean(text.slice(0, max * 8))
    .replace(/\s+/g, ' ')
    .trim();
  const all = [...flat];
  return all.length > max ? `${all.slice(0, max - 1).join('')}…` : flat;
}

/** A sequence, or half of a character, that the next piece may complete. */
const UNFINISHED =
  /(?:(?:\u001b\[|\u009b)[0-?]*[ -/]*|(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c]{0,256}\u001b?|\u001b[ -/]*|[\ud800-\udbff])$/;

/** {@link clean} for text that comes in pieces: a sequence may be cut between two of them. */
export class StreamCleaner {
  #held = '';

  push(piece: string): string {
    const text = this.#held + piece;
    this.#held = UNFINISHED.exec(text.slice(-512))?.[0] ?? '';
    return clean(text.slice(0, text.length - this.#held.length));
  }

  /** What was held back, when nothing more comes. */
  end(): string {
    const rest = clean(this.#held);
    this.#held = '';
    return rest;
  }
}
