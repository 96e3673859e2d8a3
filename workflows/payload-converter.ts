/**
 * How payloads become values in the sandbox. What nobody can read (JSON that is cut off, the
 * encoding of somebody else) becomes an object that says so: Temporal's SDK decodes a signal before
 * any handler sees it, and an error there fails the workflow's task for ever. The handlers refuse
 * the object, as they refuse every other value that they do not take.
 */
import { defaultPayloadConverter, type Payload, type PayloadConverter } from '@temporalio/common';

/** Stands for a payload that cannot be read. */
export interface Unreadable {
  readonly unreadable: string;
}

/** Whether a value stands for a payload that cannot be read. */
export function isUnreadable(value: unknown): value is Unreadable {
  return typeof value === 'object' && value !== null && Object.keys(value).join() === 'unreadable';
}

export const payloadConverter: PayloadConverter = {
  toPayload: (value) => defaultPayloadConverter.toPayload(value),
  fromPayload<T>(payload: Payload): T {
    try {
      return defaultPayloadConverter.fromPayload(payload);
    } catch (error) {
      const unreadable: Unreadable = { unreadable: String(error).slice(0, 200) };
      return unreadable as T;
    }
  },
};
