/** The checks of a policy, as an agent declares it and as the configuration has it for all agents. */
import { z } from 'zod';
import type { PolicyDeclaration } from '../contracts/policy.js';
import { conditionProblem } from '../tools/approval-rules.js';
import { closed, kindOf, list, shown, whole } from './schema-words.js';

/** `true` or `false`. */
export const flag = z.boolean({
  error: ({ input }) => `must be true or false, not ${shown(input)}.`,
});

/** Names of tools or agents, or the beginning of some with a `*` behind it. */
const names = (what: string) =>
  list(
    z
      .string({ error: ({ input }) => `must be the name of ${what}, not ${shown(input)}.` })
      .regex(/^([A-Za-z0-9_-]{1,64}|[A-Za-z0-9_-]{0,63}\*)$/, {
        error: ({ input }) =>
          `${shown(input)} is not a valid name of ${what}. Use 1 to 64 of A-Z, a-z, 0-9, "_" and "-"; a "*" at the end stands for any ending.`,
      }),
    `names of ${what}`,
  );

const delegation = z.unknown().superRefine((value, context) => {
  if (typeof value === 'boolean') return;
  if (!Array.isArray(value)) {
    const message = `must be true, false, or a list of names of agents, not ${kindOf(value)}.`;
    context.addIssue({ code: 'custom', message });
    return;
  }
  const { error } = names('an agent').safeParse(value);
  for (const { path, message } of error?.issues ?? []) {
    context.addIssue({ code: 'custom', path: [...path], message });
  }
}) as z.ZodType<boolean | readonly string[]>;

const role = z
  .string({ error: ({ input }) => `must be the name of a role, not ${shown(input)}.` })
  .regex(/^[\p{L}\p{N} ._-]{0,64}$/u, {
    error: ({ input }) =>
      `${shown(input)} is not a valid role. Use up to 64 letters, digits, spaces, ".", "_" and "-".`,
  });

/** A year: what waits longer is better asked again. */
const LONGEST_WAIT_MS = 366 * 24 * 3_600_000;

const condition = z
  .string({ error: ({ input }) => `must be a condition in CEL, not ${shown(input)}.` })
  .superRefine((text, context) => {
    const message = conditionProblem(text);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

const approvalRule = closed({
  name: z
    .string({ error: ({ input }) => `must be text, not ${shown(input)}.` })
    .min(1, { error: 'must not be empty.' })
    .max(100, { error: 'must have at most 100 characters.' })
    .optional(),
  tools: names('a tool').optional(),
  server: z
    .string({ error: ({ input }) => `must be the name of an MCP server, not ${shown(input)}.` })
    .optional(),
  when: condition.optional(),
  role: role.optional(),
  expiresMs: whole(0, LONGEST_WAIT_MS, 'ms').optional(),
});

/** See `RuntimePolicy`. */
export const policySchema = closed({
  maxIterations: whole(1, 1_000, 'iterations').optional(),
  maxReplanAttempts: whole(0, 100, 'plans').optional(),
  parallelExecution: flag.optional(),
  delegation: delegation.optional(),
  highRiskTools: names('a tool').optional(),
  preapprovedTools: names('a tool').optional(),
  maxDepth: whole(0, 32, 'levels').optional(),
  maxChildren: whole(1, 1_000, 'sub-agents').optional(),
  maxDescendants: whole(1, 100_000, 'sessions').optional(),
  allowCycles: flag.optional(),
  maxHandoffs: whole(0, 100, 'handoffs').optional(),
  mayWriteTo: names('an agent').optional(),
  maxHops: whole(1, 1_000, 'messages').optional(),
  approvals: list(approvalRule, 'rules').optional(),
  approverRole: role.optional(),
  approvalExpiresMs: whole(0, LONGEST_WAIT_MS, 'ms').optional(),
}) satisfies z.ZodType<PolicyDeclaration>;
