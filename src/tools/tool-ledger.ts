/**
 * Where the runs of a tool call are on record: the door between running a tool, which knows no
 * session, and whoever keeps what came of it.
 */
import type { FailureInfo } from '../contracts/failures.js';
import type { ContentPart } from '../contracts/message.js';
import type { ToolEffect } from '../contracts/tool.js';

/** One try of a call. */
export interface ToolTry {
  /** Idempotency key of the call: the same for every try. */
  readonly key: string;
  readonly name: string;
  readonly effect: ToolEffect;
  /** Unique to this try, so that the same try is never taken for another. */
  readonly holder: string;
}

/** What earlier tries of a call have left. */
export interface EarlierTries {
  /**
   * Tries that began and of which nothing was heard: their worker died, went silent, or could
   * not report. Whether they took effect is not known.
   */
  readonly deaths: number;
  /** Tries that the tool's infrastructure failed. */
  readonly failures: number;
  /** Type of the last of those. */
  readonly failure?: string;
  /** The call has ended before, though its result is not there. */
  readonly ended?: true;
}

/** The result of a call, bounded: what a model is shown, and what a transcript keeps. */
export interface ToolResult {
  readonly content: readonly ContentPart[];
  /** Set when the tool did not do what it was asked. */
  readonly failure?: FailureInfo;
  /** Where the whole output is, when `content` shows only its head and tail. */
  readonly artifact?: string;
  /** UTF-8 bytes of the whole text. */
  readonly bytes: number;
  /** How long it took, ms. */
  readonly ms: number;
}

/**
 * `R` is what a finished call is known by. Every method may be called again with the same
 * arguments, and rejects with `Store.Unavailable` when waiting helps.
 */
export interface ToolLedger<R> {
  /** Notes that a try begins, unless the call is done. */
  begin(run: ToolTry): Promise<{ readonly done: R } | EarlierTries>;
  /** Notes that a try ended without a result; with a failure it has used up a try. */
  endTry(run: ToolTry, failure?: FailureInfo): Promise<void>;
  /** Keeps the result, unless there is one: then answers with that. */
  finish(run: ToolTry, result: ToolResult): Promise<R>;
}

/** Keeps output that is too long to be shown, and what is not text. */
export interface ToolArtifacts {
  /** The same content gets the same id. */
  put(mediaType: string, content: Buffer): Promise<string>;
}
