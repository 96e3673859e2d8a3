/**
 * Which calls a person must approve: the high-risk tools of a policy, and its rules with their
 * conditions in CEL. The one place that says it, for the step that marks a call and for the tool
 * that refuses to run without a mark.
 */
import { createHash } from 'node:crypto';
import { Environment } from '@marcbachmann/cel-js';
import { canonicalJson } from '../contracts/canonical-json.js';
import {
  needsApproval,
  ruleMeans,
  type ApprovalRule,
  type RuntimePolicy,
} from '../contracts/policy.js';
import type { RuntimeSessionContext } from '../contracts/runtime-context.js';
import type { Tool } from '../contracts/tool.js';
import { clipText, thrownMessage } from './text.js';

/** Why a call needs an approval, and who gives it. */
export interface ApprovalNeed {
  readonly rule: string;
  readonly role?: string;
  /** How long the request waits, ms; absent: without end. */
  readonly expiresMs?: number;
}

/** Most nodes and levels of a condition. Evaluating one costs about its size, since CEL has no loops. */
const LIMITS = { maxAstNodes: 500, maxDepth: 32, maxListElements: 100, maxMapEntries: 100 };
const MOST_CONDITION_UNITS = 2_000;

const HIGH_RISK = 'high-risk tool';

/** What a condition may name. */
const VARIABLES = {
  args: 'dyn',
  tool: 'string',
  server: 'string',
  agent: 'string',
  user: 'string',
  organisation: 'string',
  tenant: 'string',
  session: 'string',
  cost: 'double',
} as const;

let environment: Environment | undefined;
const compiled = new Map<string, ReturnType<Environment['parse']>>();
/** Conditions that are kept compiled. */
const MOST_COMPILED = 500;

/** Why this is no condition, in words; `undefined` when it is one. */
export function conditionProblem(text: string): string | undefined {
  if (text.length > MOST_CONDITION_UNITS) {
    return `has ${text.length} characters; a condition may have ${MOST_CONDITION_UNITS}.`;
  }
  try {
    const parsed = compile(text);
    const checked = parsed.check();
    if (!checked.valid) return `is no valid condition in CEL: ${thrownMessage(checked.error)}`;
    if (checked.type !== 'bool' && checked.type !== 'dyn') {
      return `must be true or false in the end, not ${String(checked.type)}.`;
    }
    return undefined;
  } catch (error) {
    return `is no valid condition in CEL: ${thrownMessage(error)}`;
  }
}

/** Why this call needs a person's approval; `undefined` when it does not. `args` are parsed. */
export function approvalNeed(
  policy: RuntimePolicy,
  tool: Tool,
  args: unknown,
  runtime: RuntimeSessionContext,
): ApprovalNeed | undefined {
  const rule = policy.approvals.find(
    (each) => ruleMeans(each, tool) && meets(each, tool, args, runtime),
  );
  if (rule) return needOf(policy, ruleName(rule), rule);
  return needsApproval(policy, tool) ? needOf(policy, HIGH_RISK, {}) : undefined;
}

/** Whether some call of the tool may need an approval. */
export function mayNeedApproval(policy: RuntimePolicy, tool: Tool): boolean {
  return needsApproval(policy, tool) || policy.approvals.some((rule) => ruleMeans(rule, tool));
}

/**
 * What an approval is bound to: the tool and its arguments. SHA-256, hex, of their canonical JSON
 * (RFC 8785), so that neither white space nor the order of fields makes another call of it.
 */
export function digestOfCall(tool: string, args: unknown): string {
  return createHash('sha256')
    .update(canonicalJson({ tool, arguments: args }))
    .digest('hex');
}

function needOf(policy: RuntimePolicy, rule: string, own: ApprovalRule): ApprovalNeed {
  const role = own.role ?? policy.approverRole;
  const expiresMs = own.expiresMs ?? policy.approvalExpiresMs;
  return {
    rule,
    ...(role === '' ? {} : { role }),
    ...(expiresMs === 0 ? {} : { expiresMs }),
  };
}

function ruleName({ name, tools, server, when }: ApprovalRule): string {
  return clipText(name ?? when ?? tools?.join(', ') ?? server ?? 'every call', 100);
}

function meets(
  { when }: ApprovalRule,
  tool: Tool,
  args: unknown,
  runtime: RuntimeSessionContext,
): boolean {
  if (when === undefined) return true;
  const facts = {
    args,
    tool: tool.name,
    server: tool.source.kind === 'mcp' ? tool.source.server : '',
    agent: runtime.agent.name,
    user: runtime.user?.id ?? '',
    organisation: runtime.organisation?.id ?? '',
    tenant: runtime.session.tenant,
    session: runtime.session.id,
    cost: tool.cost?.usd ?? 0,
  };
  try {
    return compile(when)(facts) !== false;
  } catch {
    // A field that is not there, say. Asking once too often is the safe way to be wrong.
    return true;
  }
}

function compile(text: string): ReturnType<Environment['parse']> {
  const known = compiled.get(text);
  if (known) return known;
  if (!environment) {
    environment = new Environment({ limits: LIMITS, enableOptionalTypes: true });
    for (const [name, type] of Object.entries(VARIABLES)) environment.registerVariable(name, type);
  }
  const parsed = environment.parse(text);
  if (usesMatches(parsed.ast)) {
    throw new Error(
      'matches() is not supported: its regular expressions can take for ever. Use startsWith(), endsWith(), contains() or ==.',
    );
  }
  if (compiled.size >= MOST_COMPILED) compiled.clear();
  compiled.set(text, parsed);
  return parsed;
}

/** Whether a call of `matches` is somewhere in the expression. */
function usesMatches(ast: unknown): boolean {
  const nodes: unknown[] = [ast];
  for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
    if (Array.isArray(node)) nodes.push(...(node as unknown[]));
    if (typeof node !== 'object' || node === null) continue;
    const { op, args } = node as { op?: unknown; args?: unknown };
    if (op === 'rcall' && Array.isArray(args) && args[0] === 'matches') return true;
    // A literal has its value there, which is no expression.
    if (op !== 'value' && args !== undefined) nodes.push(args);
  }
  return false;
}
