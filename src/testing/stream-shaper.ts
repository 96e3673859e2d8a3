/**
 * Changes a stream of events on its way out: cuts or holds it at an exact event, and rewrites
 * single events. What aimock cannot do by itself.
 */
import type { ServerResponse } from 'node:http';
import type { Json } from './seen-request.js';

export interface StreamShape {
  /** After so many events the answer ends unfinished. */
  readonly cutAfter?: number | undefined;
  /** How: the connection is lost (default), or the stream just ends, without its last events. */
  readonly cutBy?: 'connection' | 'end' | undefined;
  /** After so many events nothing comes any more, and the connection stays. */
  readonly hangAfter?: number | undefined;
  /** Changes each event's JSON; `undefined` leaves the event out. */
  readonly rewrite?: ((event: Json) => Json | undefined) | undefined;
}

/** @param onCut called before the connection is closed from this side */
export function shapeStream(res: ServerResponse, shape: StreamShape, onCut: () => void): void {
  const { cutAfter, hangAfter, rewrite } = shape;
  if (cutAfter === undefined && hangAfter === undefined && rewrite === undefined) return;
  const write = res.write.bind(res) as (text: string, done?: () => void) => boolean;
  const end = res.end.bind(res) as () => ServerResponse;
  let events = 0;
  let over = false;

  const cut = (): void => {
    over = true;
    onCut();
    if (shape.cutBy === 'end') end();
    else if (events === 0) res.destroy();
  };

  if (hangAfter === 0) {
    over = true;
    // Headers only; without them the client would still wait for an answer at all.
    res.flushHeaders();
  }

  res.write = ((text: string): boolean => {
    if (over) return true;
    if (cutAfter === 0) {
      cut();
      return true;
    }
    const shown = rewrite === undefined ? text : rewritten(text, rewrite);
    if (shown === '') return true;
    events++;
    if (events === hangAfter) over = true;
    if (events !== cutAfter) return write(shown);
    // Only once the event is out: a socket destroyed at once takes what it holds with it.
    const sent = write(shown, () => {
      if (shape.cutBy !== 'end') res.destroy();
    });
    cut();
    return sent;
  }) as typeof res.write;

  // A closed connection may be ended, or aimock would go on.
  res.end = (() => (over && !res.destroyed ? res : end())) as typeof res.end;
}

function rewritten(text: string, rewrite: (event: Json) => Json | undefined): string {
  const at = text.indexOf('data: {');
  if (at < 0) return text;
  const event = rewrite(JSON.parse(text.slice(at + 6)) as Json);
  if (event === undefined) return '';
  const name = typeof event.type === 'string' && at > 0 ? `event: ${event.type}\n` : '';
  return `${name}data: ${JSON.stringify(event)}\n\n`;
}
