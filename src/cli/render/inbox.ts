/** What waits for people, and what they have decided. Pure. */
import type { ApprovalGrant, RequestRecord } from '../../store/request-store.js';
import { clean, oneLine } from './clean.js';
import type { Style } from './style.js';
import { table } from './table.js';
import { ago, plural } from './units.js';

/** Characters of an id that are shown: enough to tell requests apart, and to be typed. */
const SHORT = 12;

/** `now` in ms since the epoch. */
export function inboxText(requests: readonly RequestRecord[], style: Style, now: number): string {
  if (requests.length === 0) return 'Nothing waits for a person.\n';
  const head = ['REQUEST', 'KIND', 'STATE', 'TOOL', 'WHAT', 'SESSION', 'ROLE', 'SINCE'];
  const rows = requests.map((request) => [
    request.id.slice(0, SHORT),
    request.kind,
    request.state,
    oneLine(request.tool, 32),
    oneLine(askedOf(request), 60),
    oneLine(request.path.join(' › '), 60),
    oneLine(request.role ?? 'anybody', 20),
    ago(request.createdAt, now),
  ]);
  const waiting = requests.filter(({ state }) => state === 'waiting');
  const [first] = waiting;
  const hint =
    first === undefined
      ? ''
      : style.dim(
          `${plural(waiting.length, 'request')} · perdura inbox show ${first.id.slice(0, SHORT)}\n`,
        );
  return table([head.map(style.dim), ...rows]) + hint;
}

/** All of one request: what exactly would run. */
export function requestPage(request: RequestRecord, style: Style): string {
  const { id, kind, state, tool, server, agent, path, rule, role, requesters } = request;
  const lines = [
    `${style.bold(`${kind} of ${oneLine(tool, 64)}`)} ${style.dim(`· ${state}`)}`,
    field('id', id),
    field('agent', `${oneLine(agent, 64)}, turn ${request.turn}, step ${request.step}`),
    field('session', path.map((each) => oneLine(each, 80)).join(' › ')),
    ...(server === undefined ? [] : [field('MCP server', oneLine(server, 64))]),
    ...(rule === undefined ? [] : [field('rule', oneLine(rule, 100))]),
    field('who decides', role === undefined ? 'anybody but who asked' : oneLine(role, 64)),
    field(
      'asked by',
      requesters.length > 0
        ? requesters.map((each) => oneLine(each, 64)).join(', ')
        : 'nobody that is known: the session has no user',
    ),
    field('since', request.createdAt),
    ...(request.expiresAt === undefined ? [] : [field('until', request.expiresAt)]),
    field('digest', request.digest),
    heading(request),
    indented(pretty(request.arguments)),
    ...decisionLines(request, style),
  ];
  const short = id.slice(0, SHORT);
  if (state === 'waiting') {
    const commands =
      kind === 'question'
        ? [`perdura inbox answer ${short} '<answer>'`]
        : [
            `perdura inbox approve ${short} --digest ${request.digest.slice(0, SHORT)}`,
            `perdura inbox approve ${short} --edit '<json>'`,
          ];
    lines.push(...[...commands, `perdura inbox decline ${short} --reason '<why>'`].map(style.dim));
  }
  return `${lines.join('\n')}\n`;
}

export function grantsText(grants: readonly ApprovalGrant[], style: Style): string {
  if (grants.length === 0) return 'No approval is remembered.\n';
  const head = ['ID', 'TOOL', 'FOR', 'BY', 'UNTIL', 'REVOKED'];
  const rows = grants.map((grant) => [
    grant.id,
    oneLine(grant.tool, 40),
    grant.scope === 'user'
      ? `user ${oneLine(grant.user ?? '–', 40)}`
      : `${grant.scope} ${oneLine(grant.session, 40)}`,
    oneLine(grant.grantedBy, 40),
    grant.until ?? '–',
    grant.revokedBy === undefined ? '' : `by ${oneLine(grant.revokedBy, 40)}`,
  ]);
  return table([head.map(style.dim), ...rows]);
}

function decisionLines(request: RequestRecord, style: Style): string[] {
  const { state, decidedBy, decidedAt, reason, edited, answer, granted } = request;
  if (state === 'waiting') return [];
  const by = decidedBy === undefined ? '' : ` by ${oneLine(decidedBy, 64)}`;
  const at = decidedAt === undefined ? '' : style.dim(` at ${decidedAt}`);
  return [
    granted === undefined
      ? `${style.bold(state)}${by}${at}`
      : `${style.bold(state)} in advance${by} ${style.dim(`(remembered as ${granted})`)}`,
    ...(reason === undefined ? [] : [field('reason', oneLine(reason, 500))]),
    ...(edited === undefined ? [] : ['With these arguments:', indented(pretty(edited))]),
    ...(answer === undefined ? [] : ['Answer:', indented(clean(answer))]),
  ];
}

function heading({ kind, state }: RequestRecord): string {
  if (kind === 'question') return 'What is asked:';
  return state === 'waiting' ? 'What would run:' : 'What was asked for:';
}

/** The question, or the arguments. */
function askedOf({ kind, arguments: args }: RequestRecord): string {
  if (kind !== 'question') return args;
  try {
    const { question } = JSON.parse(args) as { question?: unknown };
    return typeof question === 'string' ? question : args;
  } catch {
    return args;
  }
}

function pretty(json: string): string {
  try {
    return clean(JSON.stringify(JSON.parse(json), null, 2));
  } catch {
    return clean(json);
  }
}

function indented(text: string): string {
  return text
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');
}

function field(name: string, value: string): string {
  return `${`${name}:`.padEnd(13)} ${value}`;
}
