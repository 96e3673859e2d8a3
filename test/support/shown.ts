/**
 * What Temporal shows somebody who opens a session there: summaries, payloads, the page of
 * details. Read as the Temporal UI reads it, with nothing of ours in between.
 */
import type { WorkflowHandle } from '@temporalio/client';
import type proto from '@temporalio/proto';

export type HistoryEvent = proto.temporal.api.history.v1.IHistoryEvent;
type Payload = proto.temporal.api.common.v1.IPayload;

export async function eventsOf(handle: WorkflowHandle): Promise<HistoryEvent[]> {
  return (await handle.fetchHistory()).events ?? [];
}

/** A payload as the UI prints it. Throws where it would print base64 instead. */
export function shown(payload: Payload | null | undefined): unknown {
  const encoding = Buffer.from(payload?.metadata?.encoding ?? []).toString();
  const text = Buffer.from(payload?.data ?? []).toString('utf8');
  if (encoding === 'binary/null') return null;
  if (encoding !== 'json/plain') throw new Error(`"${encoding}" is not JSON: ${text}`);
  return JSON.parse(text);
}

export interface ShownActivity {
  readonly type: string;
  readonly summary: string;
  readonly input: unknown;
  /** Undefined while there is none. */
  readonly result: unknown;
}

/** The regular activities of a history, in the order in which they were scheduled. */
export function activitiesOf(events: readonly HistoryEvent[]): ShownActivity[] {
  return events.flatMap((event) => {
    const scheduled = event.activityTaskScheduledEventAttributes;
    if (!scheduled) return [];
    const completed = events
      .map((other) => other.activityTaskCompletedEventAttributes)
      .find((other) => other && String(other.scheduledEventId) === String(event.eventId));
    return {
      type: scheduled.activityType!.name!,
      summary: shown(event.userMetadata?.summary) as string,
      input: shown(scheduled.input!.payloads![0]),
      result: completed ? shown(completed.result!.payloads![0]) : undefined,
    };
  });
}

/** Every payload of these events, wherever it is, as text. Throws at one that is not JSON. */
export function payloadsOf(events: readonly HistoryEvent[]): string[] {
  const found: string[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return;
    if ('metadata' in value && 'data' in value) {
      found.push(JSON.stringify(shown(value as Payload)));
      return;
    }
    for (const each of Object.values(value)) visit(each);
  };
  events.forEach(visit);
  return found;
}

export interface WorkflowMetadata {
  readonly currentDetails?: string;
  readonly definition: Readonly<
    Record<
      'signalDefinitions' | 'queryDefinitions' | 'updateDefinitions',
      readonly { readonly name: string; readonly description?: string }[]
    >
  >;
}

/** The query behind the UI's "current details". */
export function metadataOf(handle: WorkflowHandle): Promise<WorkflowMetadata> {
  return handle.query<WorkflowMetadata>('__temporal_workflow_metadata');
}
