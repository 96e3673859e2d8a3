/**
 * The table of fault pairs: every place between a tool's effect and its record, times what may
 * break there, times what tools declare. A batch is one fault at one place; all tools that come
 * to the place are there when it strikes.
 */
import type { ToolEffect, ToolRun } from '../../src/contracts/tool.js';
import type { GateName } from './tool-gates.js';

export interface AttackedTool {
  /** `once_activity`, as in fixtures/pairs.config.ts. */
  readonly name: string;
  readonly effect: ToolEffect;
  readonly run: ToolRun;
}

const EFFECTS: readonly ToolEffect[] = ['read', 'idempotent', 'keyed', 'once'];
const RUNS: readonly ToolRun[] = ['local', 'activity'];
const TOOLS: readonly AttackedTool[] = EFFECTS.flatMap((effect) =>
  RUNS.map((run) => ({ name: `${effect}_${run}`, effect, run })),
);

/** What stands still there: the tool itself, or its worker's connection to PostgreSQL. */
export type Stop =
  { readonly gate: GateName } | { readonly at: 'request' | 'reply'; readonly writes: RegExp };

export type Fault = 'kill' | 'stop' | 'outage' | 'silence';

export interface Place {
  readonly what: string;
  readonly stop: Stop;
  /** Whose calls come there. */
  readonly reachedBy: (tool: AttackedTool) => boolean;
  /** The tool's output does not fit a message. */
  readonly long?: true;
  /** Left to the full sweep: what they do here they do at another place too. */
  readonly rarely?: readonly Fault[];
}

const hasEffect = ({ effect }: AttackedTool): boolean => effect !== 'read';
const isLocal = ({ run }: AttackedTool): boolean => run === 'local';
const any = (): boolean => true;

export const PLACES = {
  beforeBegin: {
    what: 'before its begin is on record',
    stop: { at: 'request', writes: /"tool\.started"/ },
    reachedBy: hasEffect,
    rarely: ['stop'],
  },
  begun: {
    what: 'after its begin, before its effect',
    stop: { gate: 'entered' },
    reachedBy: any,
  },
  effected: {
    what: 'after its effect, before its result is written',
    stop: { gate: 'effected' },
    reachedBy: any,
  },
  artifact: {
    what: 'after its effect, while a long output is kept',
    stop: { at: 'request', writes: /^(?=[^]*artifacts)(?=[^]*insert into)/ },
    reachedBy: hasEffect,
    long: true,
    rarely: ['stop', 'silence'],
  },
  resultLost: {
    what: 'before the write of its result arrives',
    stop: { at: 'request', writes: /"tool\.completed"/ },
    reachedBy: hasEffect,
  },
  resultWritten: {
    what: 'after its result is written, before Temporal knows',
    stop: { at: 'reply', writes: /"tool\.completed"/ },
    reachedBy: any,
    rarely: ['stop'],
  },
  answerLost: {
    what: 'before the answer that calls it is written',
    stop: { at: 'request', writes: /"step\.completed"/ },
    reachedBy: isLocal,
    rarely: ['stop'],
  },
  answerWritten: {
    what: 'after the answer that calls it is written, before the worker knows',
    stop: { at: 'reply', writes: /"step\.completed"/ },
    reachedBy: isLocal,
    rarely: ['stop', 'silence'],
  },
} as const satisfies Record<string, Place>;

export const FAULTS: Readonly<Record<Fault, string>> = {
  kill: 'worker killed',
  stop: 'worker stopped',
  outage: 'database away',
  silence: 'database silent',
};

export interface Batch {
  readonly place: Place;
  readonly fault: Fault;
  /** The turn is interrupted while the database is away. */
  readonly interrupted: boolean;
  readonly tools: readonly AttackedTool[];
}

/** An interrupt at a place where the tool runs must reach it; elsewhere it must do no harm. */
const INTERRUPTED_AT: readonly Place[] = [PLACES.begun, PLACES.effected, PLACES.resultLost];

/**
 * The faults of each place, for all tools at once. With `all`, also the rare ones, and each tool
 * by itself.
 */
export function batches({ all }: { readonly all: boolean }): Batch[] {
  return Object.values<Place>(PLACES).flatMap((place) => {
    const reached = TOOLS.filter(place.reachedBy);
    const groups = all ? [reached, ...reached.map((tool) => [tool])] : [reached];
    return groups.flatMap((tools) =>
      Object.keys(FAULTS).flatMap((key): Batch[] => {
        const fault = key as Fault;
        if (!all && place.rarely?.includes(fault)) return [];
        const away = fault === 'outage' || fault === 'silence';
        const both = away && INTERRUPTED_AT.includes(place);
        return (both ? [false, true] : [false]).map((interrupted) => ({
          place,
          fault,
          interrupted,
          tools,
        }));
      }),
    );
  });
}

export function titleOf({ place, fault, interrupted, tools }: Batch): string {
  const who = tools.length === 1 ? tools[0]!.name : `${tools.length} tools`;
  return `${FAULTS[fault]}${interrupted ? ', turn interrupted' : ''}, ${place.what} (${who})`;
}

/** In an order that the seed decides: a fault must not depend on the one before. */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
