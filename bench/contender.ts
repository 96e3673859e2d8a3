/** Those who run the same turns, and what is measured of each. */

export interface PeerResult {
  readonly name: string;
  /** Medians, ms: turns 11 to 30, and the last ten. */
  readonly startMs: number;
  readonly endMs: number;
  /** What the conversation has left in PostgreSQL, indexes included. */
  readonly databaseBytes: number;
  /** What it has left in Temporal's history; 0 for those without. */
  readonly historyBytes: number;
}

/** Who takes part: ours or a peer. */
export interface Contender {
  readonly name: string;
  readonly times: number[];
  turn(text: string): Promise<number>;
  bytes(): Promise<Pick<PeerResult, 'databaseBytes' | 'historyBytes'>>;
  stop(): Promise<void>;
}
