/**
 * Input from outside, which people also type by hand: the input that starts a session, and numbers
 * at the edge. Pure: the workflow reads its input with it, and an error here would fail its task
 * for ever.
 */
import type { Ancestor, AskedBy, Child, ChildInput } from './delegation.js';
import type { InboxItem } from './message.js';
import { readContext, type GivenContext } from './runtime-context.js';
import { isAgentVersion } from './agent.js';
import {
  ON_PARENT_END,
  type CarriedState,
  type OnParentEnd,
  type SessionInput,
} from './session.js';
import { isSessionName } from './ids.js';
import { AGENT_STATES } from './state.js';
import { clip, wellFormedValue } from './text.js';

/** Longest wait of `wakeUpAfter`, ms: ten years. JavaScript has no date beyond 8.64e15 ms. */
export const LONGEST_WAKE_UP_MS = 315_360_000_000;
/** A tree is not deeper: see `policy.maxDepth`. */
const MOST_ANCESTORS = 64;
const AGENT_UNITS = 200;
const TITLE_UNITS = 200;
const RUN_UNITS = 200;
const SHOWN_UNITS = 100;

const FIELDS: readonly string[] = [
  'agent',
  'version',
  'message',
  'messages',
  'title',
  'parent',
  'root',
  'context',
  'onParentEnd',
  'child',
  'carried',
] satisfies (keyof SessionInput)[];

const EXAMPLE = '{ "agent": "assistant", "message": "hello" }';

/** The input of a session, with nothing in it that could fail. */
export interface CheckedInput {
  readonly agent: string;
  readonly version?: string;
  readonly title?: string;
  readonly parent?: string;
  readonly root?: string;
  readonly context?: GivenContext;
  readonly onParentEnd?: OnParentEnd;
  readonly child?: ChildInput;
  /** First messages; each is checked as any other message is. */
  readonly messages: readonly unknown[];
  readonly carried?: CarriedState;
}

/**
 * Accepts the documented input, plain text as a first message, and no input. What it cannot use is
 * listed in `problems`: a session that runs is more useful than one that fails.
 */
export function readSessionInput(given: unknown): {
  readonly input: CheckedInput;
  readonly problems: readonly string[];
} {
  const nothing = { agent: 'assistant', messages: [] };
  if (given === undefined || given === null) return { input: nothing, problems: [] };
  const clean: unknown = wellFormedValue(given);
  if (typeof clean === 'string') return { input: { ...nothing, messages: [clean] }, problems: [] };
  if (typeof clean !== 'object' || clean === null || Array.isArray(clean)) {
    return {
      input: nothing,
      problems: [`The input ${shown(clean)} is not an object or a text. Use text, or ${EXAMPLE}.`],
    };
  }
  const fields = clean as Record<string, unknown>;
  const problems = Object.keys(fields)
    .filter((name) => !FIELDS.includes(name))
    .map((name) => `Unknown field ${shown(name)} in the input. Use ${EXAMPLE}.`);
  const { agent, version, title, parent, root, onParentEnd, child } = fields;
  const { message, messages, carried } = fields;
  if (agent !== undefined && typeof agent !== 'string') {
    problems.push(`The "agent" of the input is ${shown(agent)}. Use the name of an agent.`);
  }
  if (version !== undefined && !isAgentVersion(version)) {
    problems.push(
      `The "version" of the input is ${shown(version)}. Use the 16 hex characters of a version, or leave it out.`,
    );
  }
  if (onParentEnd !== undefined && !isOnParentEnd(onParentEnd)) {
    problems.push(
      `The "onParentEnd" of the input is ${shown(onParentEnd)}. Use one of ${ON_PARENT_END.join(', ')}.`,
    );
  }
  if (title !== undefined && typeof title !== 'string') {
    problems.push(`The "title" of the input is ${shown(title)}. Use text.`);
  }
  for (const [name, run] of Object.entries({ parent, root })) {
    if (run !== undefined && typeof run !== 'string') {
      problems.push(`The input's "${name}" is ${shown(run)}: use text, or leave it out.`);
    }
  }
  const { context, problems: wrong } = readContext(fields['context']);
  problems.push(...wrong);
  const asChild = child === undefined ? undefined : readChild(child);
  if (child !== undefined && !asChild) {
    problems.push('The "child" of the input does not come from another run. Leave it out.');
  }
  const known = carried === undefined ? undefined : readCarried(carried);
  if (carried !== undefined && !known) {
    problems.push('The "carried" of the input does not come from another run. Leave it out.');
  }
  const more: readonly unknown[] =
    messages === undefined ? [] : Array.isArray(messages) ? messages : [messages];
  return {
    input: {
      agent: agent === undefined ? 'assistant' : clip(textOf(agent), AGENT_UNITS),
      ...(isAgentVersion(version) ? { version } : {}),
      ...(title === undefined ? {} : { title: clip(textOf(title), TITLE_UNITS) }),
      ...(typeof parent === 'string' ? { parent: clip(parent, RUN_UNITS) } : {}),
      ...(typeof root === 'string' ? { root: clip(root, RUN_UNITS) } : {}),
      ...(context ? { context } : {}),
      ...(isOnParentEnd(onParentEnd) ? { onParentEnd } : {}),
      ...(asChild ? { child: asChild } : {}),
      messages: [...(message === undefined ? [] : [message]), ...more],
      ...(known ? { carried: known } : {}),
    },
    problems,
  };
}

/** Why `ms` is no time to wait, or `undefined` when it is one. */
export function wakeUpProblem(ms: unknown): string | undefined {
  if (typeof ms === 'number' && ms >= 0 && ms <= LONGEST_WAKE_UP_MS) return undefined;
  return `wakeUpAfter takes a number of milliseconds from 0 to ${LONGEST_WAKE_UP_MS}, not ${shown(ms)}.`;
}

/** What a run handed to the next, or `undefined` when this is nothing that a run has made. */
export function readCarried(given: unknown): CarriedState | undefined {
  if (!isRecord(given) || given['version'] !== 1) return undefined;
  const { head, stage, turn, runs, state, midTurn, open, inbox, seen, usage } = given;
  const { failure, wakeAt, replies, agentVersion, moving, children } = given;
  const { modes, generation, closedCalls, stoppedGroups } = given;
  const right =
    [head, stage, turn, runs].every(isCount) &&
    AGENT_STATES.includes(state as never) &&
    state !== 'terminated' &&
    typeof midTurn === 'boolean' &&
    (open === undefined || isOpenTurn(open)) &&
    // A turn is carried in the middle of it, or not at all.
    (open !== undefined) === midTurn &&
    (state === 'running' ? midTurn : state === 'paused' || !midTurn) &&
    Array.isArray(inbox) &&
    inbox.every(isInboxItem) &&
    Array.isArray(seen) &&
    seen.every(isSeen) &&
    isUsage(usage) &&
    (failure === undefined || isFailure(failure)) &&
    (wakeAt === undefined || (isNumber(wakeAt) && Math.abs(wakeAt) <= 8.64e15)) &&
    (replies === undefined || (Array.isArray(replies) && replies.every(isReply))) &&
    (stoppedGroups === undefined ||
      (Array.isArray(stoppedGroups) && stoppedGroups.every(isText))) &&
    (agentVersion === undefined || isAgentVersion(agentVersion)) &&
    (moving === undefined || isMove(moving)) &&
    (children === undefined || (Array.isArray(children) && children.every(isChild))) &&
    (closedCalls === undefined || (Array.isArray(closedCalls) && closedCalls.every(isReply))) &&
    (modes === undefined || (Array.isArray(modes) && modes.every(isMode))) &&
    (generation === undefined || isCount(generation));
  return right ? (given as unknown as CarriedState) : undefined;
}

/** What a run says to a session that works for it, or `undefined` when this is nothing of the kind. */
function readChild(given: unknown): ChildInput | undefined {
  if (!isRecord(given)) return undefined;
  const { ancestors, once, asked, maxDescendants, context } = given;
  const right =
    Array.isArray(ancestors) &&
    ancestors.length > 0 &&
    ancestors.length <= MOST_ANCESTORS &&
    ancestors.every(isAncestor) &&
    [once, context].every((flag) => flag === undefined || flag === true) &&
    (asked === undefined || isAskedBy(asked)) &&
    (maxDescendants === undefined || isCount(maxDescendants));
  return right ? (given as unknown as ChildInput) : undefined;
}

function isAskedBy(value: unknown): value is AskedBy {
  return (
    isRecord(value) &&
    isText(value['agent']) &&
    isText(value['tool']) &&
    (value['version'] === undefined || isAgentVersion(value['version']))
  );
}

function isAncestor(value: unknown): value is Ancestor {
  return (
    isRecord(value) &&
    isText(value['run']) &&
    (value['agent'] === undefined || isText(value['agent']))
  );
}

function isChild(value: unknown): value is Child {
  if (!isRecord(value)) return false;
  const { session, agent, call, onParentEnd } = value;
  return (
    isText(session) &&
    isSessionName(session) &&
    isText(agent) &&
    (call === undefined || isText(call)) &&
    (onParentEnd === undefined || isOnParentEnd(onParentEnd))
  );
}

function isOpenTurn(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { step, repairs, startedAt, waitedMs, from, usage, calls } = value;
  const { handoffs, limits, began, group } = value;
  return (
    isCount(step) &&
    isCount(repairs) &&
    isNumber(startedAt) &&
    (waitedMs === undefined || isNumber(waitedMs)) &&
    (from === undefined || isCount(from)) &&
    isUsage(usage) &&
    (calls === undefined || isOpenCalls(calls)) &&
    (group === undefined || isText(group)) &&
    (handoffs === undefined || isCount(handoffs)) &&
    (limits === undefined || isRecord(limits)) &&
    (began === undefined || isMove(began))
  );
}

function isOpenCalls(value: unknown): boolean {
  return (
    isRecord(value) &&
    isCount(value['message']) &&
    isCount(value['first']) &&
    (value['handoffs'] === undefined ||
      (Array.isArray(value['handoffs']) && value['handoffs'].every(isCount))) &&
    Array.isArray(value['waiting']) &&
    value['waiting'].every(
      (call: unknown) =>
        isRecord(call) &&
        isText(call['key']) &&
        isCount(call['index']) &&
        isText(call['id']) &&
        isText(call['name']) &&
        (call['until'] === undefined || isNumber(call['until'])) &&
        (call['by'] === undefined || isAnswering(call['by'])) &&
        (call['request'] === undefined || isText(call['request'])) &&
        (call['runs'] === undefined || isRunShape(call['runs'])),
    )
  );
}

/** What the activity of a call depends on that runs when it is approved. */
function isRunShape(value: unknown): boolean {
  return isRecord(value) && isCount(value['timeoutMs']) && isCount(value['retryMs']);
}

function isAnswering(value: unknown): boolean {
  if (!isRecord(value)) return value === 'client' || value === 'person';
  const { session, agent, sessions } = value;
  if (sessions !== undefined) return Array.isArray(sessions) && sessions.every(isText);
  return isText(session) && isText(agent);
}

function isInboxItem(value: unknown): value is InboxItem {
  if (!isRecord(value)) return false;
  if ('spill' in value) {
    const { spill, count, from, group } = value;
    return (
      isText(spill) &&
      isCount(count) &&
      (from === undefined || isCount(from)) &&
      (group === undefined || isText(group))
    );
  }
  const { id, text, from, group, quiet, until, rank } = value;
  return (
    isText(id) &&
    isText(text) &&
    [from, group].every((each) => each === undefined || isText(each)) &&
    (quiet === undefined || quiet === true) &&
    [until, rank].every((each) => each === undefined || isNumber(each))
  );
}

function isSeen(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  const [id, turn, digest] = value as unknown[];
  return isText(id) && Number.isSafeInteger(turn) && (digest === undefined || isNumber(digest));
}

function isOnParentEnd(value: unknown): value is OnParentEnd {
  return ON_PARENT_END.includes(value as OnParentEnd);
}

function isMove(value: unknown): boolean {
  return (
    isRecord(value) &&
    isText(value['agent']) &&
    (value['version'] === undefined || isAgentVersion(value['version'])) &&
    isRecord(value['traits']) &&
    isRecord(value['traits']['limits']) &&
    isText(value['traits']['unread'])
  );
}

function isReply(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && value.every(isText);
}

function isMode(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  const [item, mode] = value as unknown[];
  return isText(item) && (mode === 'steer' || mode === 'next');
}

function isUsage(value: unknown): boolean {
  return (
    isRecord(value) &&
    ['input', 'output', 'cached', 'reasoning', 'costMicros'].every((name) => isNumber(value[name]))
  );
}

function isFailure(value: unknown): boolean {
  return isRecord(value) && isText(value['type']) && isText(value['message']);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined');
}

function shown(value: unknown): string {
  return clip(JSON.stringify(value) ?? 'undefined', SHOWN_UNITS);
}
