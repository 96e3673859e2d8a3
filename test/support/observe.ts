/** What tests look at from outside: runs of a workflow, what a reader of the stream sees. */
import type { WorkflowHandle } from '@temporalio/client';
import type { StreamItem } from '../../src/contracts/events.js';
import type { StoredMessage } from '../../src/contracts/message.js';
import type { Session } from '../../src/client/session.js';
import type { Harness } from './harness.js';

/** Looks again until there is something to see. Rejects after `ms` with what was looked for. */
export async function eventually<T>(
  look: () => Promise<T | undefined | false> | T | undefined | false,
  ms = 20_000,
): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${look.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}

export interface Run {
  readonly runId: string;
  readonly events: number;
  /** Types of the events, without their prefix. */
  readonly types: readonly string[];
}

type HistoryEvent = NonNullable<
  Awaited<ReturnType<WorkflowHandle['fetchHistory']>>['events']
>[number];

/** The histories of a session's runs, oldest first, by following continue-as-new backwards. */
export async function historiesOf(h: Harness, workflowId: string): Promise<HistoryEvent[][]> {
  const histories: HistoryEvent[][] = [];
  let runId: string | undefined | null;
  do {
    const handle = h.runtime.temporal.workflow.getHandle(workflowId, runId ?? undefined);
    const events = (await handle.fetchHistory()).events ?? [];
    histories.unshift(events);
    runId = events[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId;
  } while (runId);
  return histories;
}

/** The runs of a session, oldest first. */
export async function runsOf(h: Harness, workflowId: string): Promise<Run[]> {
  return (await historiesOf(h, workflowId)).map((events) => ({
    runId: events[0]?.workflowExecutionStartedEventAttributes?.originalExecutionRunId ?? '',
    events: events.length,
    types: events.map((event) => Object.keys(event).find((k) => k.endsWith('Attributes'))!),
  }));
}

/** The texts of the user's messages, in order. */
export function userTexts(transcript: readonly StoredMessage[]): string[] {
  return transcript.flatMap(({ message }) => (message.role === 'user' ? [message.text] : []));
}

/** The model's texts, in order. */
export function saidTexts(transcript: readonly StoredMessage[]): string[] {
  return transcript.flatMap(({ message }) => (message.role === 'assistant' ? [message.text] : []));
}

/**
 * A reader that follows the rules of the stream: a delta is added, `superseded` drops what
 * was heard of the step, `step.completed` has the final text. Throws when a piece does not
 * join what was heard before.
 */
export class Reader {
  readonly items: StreamItem[] = [];
  /** What a person sees of each step, by `turn.step`. */
  readonly shown = new Map<string, string>();
  /** The same, as it was heard live. */
  readonly heard = new Map<string, string>();
  /** Number of the last durable event. */
  last = 0;

  take(item: StreamItem): void {
    this.items.push(item);
    if ('n' in item) {
      if (item.n !== this.last + 1) throw new Error(`event ${item.n} came after ${this.last}`);
      this.last = item.n;
    }
    if (item.type === 'superseded') {
      this.shown.delete(`${item.turn}.${item.step}`);
      this.heard.delete(`${item.turn}.${item.step}`);
    } else if (item.type === 'delta' && item.channel === 'text') {
      const place = `${item.turn}.${item.step}`;
      const before = this.heard.get(place) ?? '';
      if (item.offset !== before.length) {
        throw new Error(`a piece at ${item.offset} came after ${before.length} characters`);
      }
      this.heard.set(place, before + item.text);
      this.shown.set(place, before + item.text);
    } else if (item.type === 'step.completed') {
      this.shown.set(`${item.turn}.${item.step}`, item.text);
    }
  }

  /** Reads until an item of this type has come. */
  async until(
    session: Session,
    type: StreamItem['type'],
    fits: (item: StreamItem) => boolean = () => true,
  ): Promise<this> {
    for await (const item of session.events({ after: this.last })) {
      this.take(item);
      if (item.type === type && fits(item)) return this;
    }
    throw new Error('the stream ended');
  }

  types(): string[] {
    return this.items.map(({ type }) => type);
  }
}
