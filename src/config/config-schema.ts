/**
 * The checks of `perdura.config.ts`: shapes and bounds. Names that refer to other parts are
 * checked in references.ts, environment variables in providers.ts.
 */
import { z } from 'zod';
import { MOST_DIMENSIONS } from '../contracts/embeddings.js';
import type { McpServer } from '../contracts/mcp.js';
import type { Tool } from '../contracts/tool.js';
import type { PerduraConfig } from './define-config.js';
import { isPoolName, MOST_AT_WORK, MOST_POOL_TENANTS } from '../contracts/pool.js';
import { agentSchema } from './agent-schema.js';
import { policySchema } from './policy-schema.js';
import { between, closed, kindOf, list, oneOf, shown, text, texts, whole } from './schema-words.js';

const httpUrl = z.string({ error: ({ input }) => `must be a URL, not ${shown(input)}.` }).refine(
  (value) => URL.canParse(value) && /^https?:$/.test(new URL(value).protocol),
  // Not shown: a URL may hold a password.
  { error: 'must be a URL that begins with http:// or https://.' },
);

const byName = <T extends z.ZodType>(what: string, value: T) =>
  z.record(z.string(), value, {
    error: ({ input }) => `must be an object of ${what} by name, not ${kindOf(input)}.`,
  });

const perMillion = between(0, 1_000_000, 'US dollars per million tokens');
const price = closed({ input: perMillion, output: perMillion, cached: perMillion.optional() });

const embeddings = z.union(
  [
    text('the name of a model'),
    closed({
      model: text('the name of a model'),
      dimensions: whole(1, MOST_DIMENSIONS, 'dimensions').optional(),
      timeoutMs: whole(10, 60_000, 'milliseconds').optional(),
      minSimilarity: between(0, 1, 'similarity').optional(),
    }),
  ],
  {
    error: 'must be the name of a model, or { model, dimensions, timeoutMs, minSimilarity }.',
  },
);

const provider = closed({
  api: oneOf(['chat', 'responses']).optional(),
  baseUrl: httpUrl.optional(),
  apiKey: text('the key').optional(),
  apiKeyEnv: text('the name of an environment variable')
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, {
      // Not shown: it is the key itself when the two fields were mixed up.
      error: 'must be the name of an environment variable, such as OPENAI_API_KEY.',
    })
    .optional(),
  headers: texts('headers').optional(),
  stallTimeoutMs: whole(1_000, 3_600_000, 'milliseconds').optional(),
  embeddings: embeddings.optional(),
  free: z
    .boolean({ error: ({ input }) => `must be true or false, not ${shown(input)}.` })
    .optional(),
  prices: byName('prices', price).optional(),
}).refine((value) => value.apiKey === undefined || value.apiKeyEnv === undefined, {
  error: 'has both apiKey and apiKeyEnv. Keep one, preferably apiKeyEnv.',
});

const deadline = whole(1, 24 * 3_600_000, 'milliseconds').optional();
const effect = oneOf(['read', 'idempotent', 'once']);
const anyServer = {
  deadlines: closed({ connectMs: deadline, listMs: deadline, callMs: deadline }).optional(),
  effect: effect.optional(),
  effects: byName('effects', effect).optional(),
  onChange: oneOf(['refuse', 'accept']).optional(),
  tools: list(z.string(), 'names of tools').optional(),
};
const stdioServer = closed({
  command: text('the program to run'),
  args: list(
    z.string({ error: ({ input }) => `must be text, not ${shown(input)}.` }),
    'text',
  ).optional(),
  env: texts('variables').optional(),
  cwd: text('a folder').optional(),
  ...anyServer,
});
const httpServer = closed({ url: httpUrl, headers: texts('headers').optional(), ...anyServer });

/** By its keys, so that an error speaks of the kind that was meant. */
const server = z.custom<McpServer>().superRefine((value, context) => {
  const has = (key: string) => typeof value === 'object' && value !== null && key in value;
  if (has('command') === has('url')) {
    const message = 'needs either "command" (stdio) or "url" (Streamable HTTP).';
    context.addIssue({ code: 'custom', message });
    return;
  }
  const { error } = (has('command') ? stdioServer : httpServer).safeParse(value);
  for (const issue of error?.issues ?? []) {
    const { path, message } = issue;
    context.addIssue({ code: 'custom', path: [...path], message });
  }
});

/** The names that `isServerName` of the MCP client takes: `__` ends the server's part of a tool's name. */
const serverNames = z
  .record(z.string(), server, {
    error: ({ input }) => `must be an object of MCP servers by name, not ${kindOf(input)}.`,
  })
  .superRefine((servers, context) => {
    for (const name of Object.keys(servers)) {
      const fits = /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/.test(name);
      if (fits && !name.includes('__') && !name.endsWith('_')) continue;
      const message =
        'is not a valid name for an MCP server. Use 1 to 32 of A-Z, a-z, 0-9, "-" and "_", without "__", starting with a letter or digit and not ending with "_".';
      context.addIssue({ code: 'custom', path: [name], message });
    }
  });

const agents = whole(0, MOST_AT_WORK, 'agents');
const poolLimits = closed({
  maxAtWork: agents,
  maxPerTenant: agents.optional(),
  tenants: byName('limits', agents)
    .refine((tenants) => Object.keys(tenants).length <= MOST_POOL_TENANTS, {
      error: `names more than ${MOST_POOL_TENANTS} tenants.`,
    })
    .optional(),
});

const pools = byName('pools', poolLimits).superRefine((all, context) => {
  for (const name of Object.keys(all)) {
    if (isPoolName(name)) continue;
    const message = 'is not a valid name for a pool. Use 1 to 64 of A-Z, a-z, 0-9, "_" and "-".';
    context.addIssue({ code: 'custom', path: [name], message });
  }
});

/** By its marks, not by a class: the application may bring another copy of this package. */
const madeTool = z.custom<Tool>(
  (value) => typeof value === 'object' && value !== null && 'execute' in value && 'source' in value,
  { error: 'is not a tool. Create it with tool({ name, description, execute, … }).' },
);

/** People by role. */
const roles = z.record(
  z.string(),
  list(
    z
      .string({ error: ({ input }) => `must be the name of a person, not ${shown(input)}.` })
      .min(1, { error: 'is empty. Write the name of a person.' }),
    'names of people',
  ),
  { error: ({ input }) => `must be an object of lists of people by role, not ${kindOf(input)}.` },
);

/** All of `perdura.config.ts`. */
export const configSchema = closed({
  agents: list(agentSchema, 'agents').optional(),
  agentFiles: z
    .union([z.string(), z.array(z.string())], {
      error: ({ input }) => `must be a path or a list of paths, not ${kindOf(input)}.`,
    })
    .optional(),
  skills: z
    .union([z.string(), z.array(z.string())], {
      error: ({ input }) => `must be a path or a list of paths, not ${kindOf(input)}.`,
    })
    .optional(),
  workspace: text('a folder').optional(),
  tools: list(madeTool, 'tools').optional(),
  mcp: serverNames.optional(),
  providers: byName('providers', provider).optional(),
  pools: pools.optional(),
  roles: roles.optional(),
  policy: policySchema.optional(),
}) satisfies z.ZodType<PerduraConfig>;
