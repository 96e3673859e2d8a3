/** A failure as one paragraph for people, and as an object for programs. Pure. */
import {
  FAILURES,
  isFailureType,
  PerduraError,
  type FailureInfo,
} from '../../contracts/failures.js';
import { clean } from './clean.js';
import type { Style } from './style.js';

/** A failure in the output of `--json`. */
export interface FailureReport {
  readonly type: string;
  readonly message: string;
  readonly remedy?: string;
}

/** The report of anything that was thrown. An error that is no PerduraError has the type `Internal`. */
export function reportOf(error: unknown): FailureReport {
  if (error instanceof PerduraError) {
    const { remedy, ...report } = withRemedyOf(error);
    return error.saysRemedy || remedy === undefined ? report : { ...report, remedy };
  }
  const message = error instanceof Error ? error.message || error.name : String(error);
  return {
    type: 'Internal',
    message: clean(message),
    remedy: 'Set PERDURA_LOG_LEVEL=debug to see where it comes from.',
  };
}

export function withRemedyOf({ type, message }: FailureInfo): FailureReport {
  const remedy = isFailureType(type) ? FAILURES[type].remedy : undefined;
  return { type, message: clean(message).trim(), ...(remedy === undefined ? {} : { remedy }) };
}

/** `Model.RateLimited: message Remedy.` with a newline at the end. */
export function failureText(report: FailureReport, style: Style): string {
  const { type, message, remedy } = report;
  const sentence = /[.!?:]$/.test(message) ? message : `${message}.`;
  // A message of several lines is a list: the remedy is no part of its last entry.
  const between = message.includes('\n') ? '\n' : ' ';
  return `${style.red(`${type}:`)} ${sentence}${remedy ? `${between}${remedy}` : ''}\n`;
}
