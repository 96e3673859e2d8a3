/**
 * What a run that is no session keeps: its transcript, the attempts at its model calls, the tries of
 * its tools. It has no entry in the catalogue, so no events, and nobody listens to its words.
 */
import type { LiveBus } from '../../src/live/bus.js';
import type { Transcripts } from '../../src/store/stores.js';

/** The writes of a session, without what only a session has. */
export function withoutEvents(transcripts: Transcripts): Transcripts {
  return {
    openSession: (session) => transcripts.openSession(session),
    openTranscript: (run) => transcripts.openTranscript(run),
    read: (...range) => transcripts.read(...range),
    readVisible: (...range) => transcripts.readVisible(...range),
    pin: (...place) => transcripts.pin(...place),
    readStage: (...place) => transcripts.readStage(...place),
    append(writer, { events: _events, updates: _updates, messages, ...rest }, onSent) {
      const append = {
        ...rest,
        // The workflow recognises an id that comes again; what the store says about one is an event.
        ...(messages && {
          messages: messages.map(({ messageId: _id, ...message }) => message),
        }),
      };
      return transcripts.append(writer, append, onSent);
    },
  };
}

/** A bus to nobody. A stop comes by Temporal's cancellation, with the next heartbeat. */
export const NO_BUS: LiveBus = {
  publish() {},
  async control() {},
  async subscribe() {
    return () => undefined;
  },
  async onControl() {
    return () => undefined;
  },
  async close() {},
};
