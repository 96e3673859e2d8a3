import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSettings } from '../../../src/config/environment.js';
import { loadConfig } from '../../../src/config/load-config.js';
import { PerduraError } from '../../../src/contracts/failures.js';
import { OFFLINE_MODEL } from '../../../src/contracts/model-traits.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'perdura-config-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Writes files and loads the configuration of their folder. */
async function load(files: Record<string, string>, env: Record<string, string> = {}) {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return loadConfig(readSettings({ XDG_CACHE_HOME: join(folder, '.cache'), ...env }, folder));
}

async function failureOf(files: Record<string, string>, env?: Record<string, string>) {
  const error: unknown = await load(files, env).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof PerduraError)) throw new Error(`not a PerduraError: ${String(error)}`);
  return `${error.type} ${error.message.replaceAll(`${folder}/`, '')}`;
}

const config = (body: string, imports = 'defineConfig, defineAgent, tool') =>
  `import { ${imports} } from 'perdura';\nexport default defineConfig(${body});\n`;
const TOOL = `tool({ name: 'add', description: 'Adds.', effect: 'read', execute: () => 1 })`;

describe('configuration: nothing is declared', () => {
  it('no file → the agent "assistant" and the provider of the environment', async () => {
    const { agents, providers, file, tools } = await load(
      {},
      { OPENAI_API_KEY: 'k', OPENAI_BASE_URL: 'http://127.0.0.1:1/v1' },
    );
    expect(file).toBeUndefined();
    expect(tools).toEqual([]);
    expect(agents).toHaveLength(1);
    expect(agents[0]).toMatchObject({
      name: 'assistant',
      provider: 'default',
      model: 'gpt-5-mini',
      temperature: null,
      maxTokens: 4096,
      tools: ['*'],
      mcp: [],
      unread: 'all',
      limits: { maxSteps: 32 },
    });
    expect(providers).toEqual({
      default: {
        api: 'chat',
        baseUrl: 'http://127.0.0.1:1/v1',
        apiKey: 'k',
        stallTimeoutMs: 120_000,
      },
    });
  });

  it('OPENAI_MODEL → the model of agents that name none, with its temperature', async () => {
    const { agents } = await load({}, { OPENAI_MODEL: 'llama-3' });
    expect(agents[0]).toMatchObject({ model: 'llama-3', temperature: 0.7 });
  });

  it('the offline model answers → it is the model of the default provider, and costs nothing', async () => {
    const offline = {
      OPENAI_BASE_URL: 'http://127.0.0.1:1/v1',
      OPENAI_API_KEY: 'offline',
      PERDURA_OFFLINE_MODEL: '1',
    };
    const files = {
      'agents/a.yaml': 'name: a\ninstructions: x\nmodel: gpt-5\n',
      'agents/b.yaml': 'name: b\ninstructions: x\nmodel: llama-3\nprovider: local\n',
      'perdura.config.ts': config(
        `{ providers: { local: { baseUrl: 'http://127.0.0.1:2/v1', free: true } } }`,
      ),
    };
    const { agents, providers } = await load(files, offline);
    // The definitions stay what they are: their versions must not depend on who answers.
    expect(agents.map(({ model }) => model)).toEqual(['gpt-5-mini', 'gpt-5', 'llama-3']);
    expect(providers).toMatchObject({
      default: { free: true, model: OFFLINE_MODEL },
      local: { free: true },
    });
    expect(providers['local']).not.toHaveProperty('model');
  });

  it('PERDURA_OFFLINE_MODEL, and a default provider of its own → that one answers, at its price', async () => {
    const { agents, providers } = await load(
      {
        'perdura.config.ts': config(
          `{ providers: { default: { baseUrl: 'http://127.0.0.1:2/v1' } } }`,
        ),
      },
      { OPENAI_BASE_URL: 'http://127.0.0.1:1/v1', PERDURA_OFFLINE_MODEL: '1' },
    );
    expect(agents[0]).toMatchObject({ model: 'gpt-5-mini' });
    expect(providers['default']).not.toHaveProperty('free');
  });

  it('a folder "agents" → its YAML files, in order, beside the assistant', async () => {
    const { agents } = await load({
      'agents/b.yml': 'name: b\ninstructions: x\n',
      'agents/a.yaml': 'name: a\ninstructions: x\nlimits: {maxSteps: 3}\n',
      'agents/notes.txt': 'not an agent',
    });
    expect(agents.map(({ name }) => name)).toEqual(['assistant', 'a', 'b']);
    expect(agents[1]?.limits).toMatchObject({ maxSteps: 3, maxRepairs: 3 });
  });
});

describe('configuration: perdura.config.ts', () => {
  it('no policy is declared → none is in the agent', async () => {
    const { agents } = await load({ 'perdura.config.ts': config('{ policy: {} }') });
    expect(agents[0]).not.toHaveProperty('policy');
  });

  it('a policy for all agents → in each, under what it states itself', async () => {
    const agents = `[{ name: 'assistant', instructions: 'x', policy: { maxDepth: 1 } }, { name: 'b', instructions: 'y' }]`;
    const loaded = await load({
      'perdura.config.ts': config(
        `{ policy: { maxDepth: 2, delegation: ['b'] }, agents: ${agents} }`,
      ),
    });
    expect(loaded.agents.map(({ policy }) => policy)).toEqual([
      { maxDepth: 1, delegation: ['b'] },
      { maxDepth: 2, delegation: ['b'] },
    ]);
  });

  it('TypeScript that imports "perdura" and a file of its own → all parts', async () => {
    const loaded = await load(
      {
        'perdura.config.ts': `import { defineConfig } from 'perdura';
import { add } from './tools.js';
export default defineConfig({
  agents: [{ name: 'assistant', instructions: 'Be brief.', tools: ['add'], description: undefined }],
  tools: [add],
  mcp: { files: { command: 'npx', cwd: 'data' } },
  providers: { local: { baseUrl: 'http://127.0.0.1:2/v1' }, paid: { apiKeyEnv: 'NOT_SET' } },
});`,
        'tools.ts': `import { tool } from 'perdura';\nexport const add: unknown = ${TOOL};`,
      },
      { OPENAI_API_KEY: 'k' },
    );
    expect(loaded.agents).toHaveLength(1);
    expect(loaded.agents[0]).toMatchObject({ instructions: 'Be brief.', tools: ['add'] });
    expect(loaded.agents[0]).not.toHaveProperty('description');
    expect(loaded.tools.map(({ name }) => name)).toEqual(['add']);
    expect(loaded.mcp).toEqual({ files: { command: 'npx', cwd: join(folder, 'data') } });
    expect(loaded.providers['local']).toMatchObject({
      apiKey: '',
      baseUrl: 'http://127.0.0.1:2/v1',
    });
    expect(loaded.file).toBe(join(folder, 'perdura.config.ts'));
  });

  it('servers are declared → the default agent has them', async () => {
    const { agents } = await load({
      'perdura.config.ts': config(`{ mcp: { f: { command: 'x' } } }`),
    });
    expect(agents[0]?.mcp).toEqual(['*']);
  });

  it('"perdura" within it → this very build, so that its errors are ours', async () => {
    const text = `import { PerduraError } from 'perdura';
throw new PerduraError('Tool.Failed', 'made here');`;
    expect(await failureOf({ 'perdura.config.ts': text })).toMatch(/^Tool\.Failed .*made here/);
  });

  it('apiKeyEnv → the key of that variable', async () => {
    const text = config(`{ providers: { default: { apiKeyEnv: 'MY_KEY' } } }`);
    const { providers } = await load(
      { 'perdura.config.ts': text },
      { MY_KEY: 's', OPENAI_API_KEY: 'o' },
    );
    expect(providers['default']?.apiKey).toBe('s');
  });

  it.each([
    [
      `{ roles: { finance: ['bob'] }, policy: { approvals: [{ tools: ['pay'], role: 'finanse' }] } }`,
      /policy: the role "finanse" is not among "roles"\. Did you mean "finance"/,
    ],
    [
      `{ roles: {}, agents: [{ name: 'a', instructions: 'x', policy: { approverRole: 'boss' } }] }`,
      /agents\[0\]\.policy: the role "boss" is not among "roles"\. Known roles: none\./,
    ],
    [
      `{ policy: { approvals: [{ when: 'args.path.matches("a+")' }] } }`,
      /policy\.approvals\[0\]\.when: is no valid condition in CEL: matches\(\) is not supported/,
    ],
    [
      `{ policy: { approvals: [{ when: 'arg.amount > 1' }] } }`,
      /policy\.approvals\[0\]\.when: is no valid condition in CEL: Unknown variable: arg/,
    ],
    [
      `{ policy: { approvals: [{ when: 'args.amount + 1.0' }, { whan: 'true' }] } }`,
      /unknown field "whan"\. Did you mean "when"/,
    ],
    [
      `{ policy: { approvals: [{ when: '"yes"' }] } }`,
      /must be true or false in the end, not string/,
    ],
  ])('approvals: %s → refused, with the place and what would be right', async (text, message) => {
    await expect(load({ 'perdura.config.ts': config(text) })).rejects.toThrow(message);
  });

  it('PERDURA_CONFIG → that file, with paths relative to it', async () => {
    const { agents } = await load(
      {
        'deep/my.config.mjs': `export default { agentFiles: ['more/x.yaml'] };`,
        'deep/more/x.yaml': 'name: x\ninstructions: y\n',
      },
      { PERDURA_CONFIG: 'deep/my.config.mjs' },
    );
    expect(agents.map(({ name }) => name)).toEqual(['assistant', 'x']);
  });
});

describe('configuration: what is wrong is told with place, reason and remedy', () => {
  const rows: [title: string, files: Record<string, string>, message: RegExp][] = [
    [
      'unknown key',
      { 'perdura.config.ts': config('{ agent: [] } as never') },
      /^Config\.Invalid perdura\.config\.ts: unknown field "agent"\. Did you mean "agents"/,
    ],
    [
      'wrong limit in code',
      {
        'perdura.config.ts': config(
          `{ agents: [{ name: 'a', instructions: 'b', limits: { maxSteps: 0 } }] }`,
        ),
      },
      /perdura\.config\.ts: agents\[0\]\.limits\.maxSteps: must be a whole number of model calls from 1/,
    ],
    [
      'wrong policy for all',
      {
        'perdura.config.ts': config(
          `{ policy: { maxIterations: 1e20, delegation: 'all' } } as never`,
        ),
      },
      /policy\.maxIterations: must be a whole number of iterations from 1 to 1,000.*\n.*policy\.delegation: must be true, false, or a list of names of agents, not a string/,
    ],
    [
      'wrong policy in YAML',
      { 'agents/a.yaml': 'name: a\ninstructions: x\npolicy:\n  highRiskTool: [rm]\n' },
      /a\.yaml:4:3: policy: unknown field "highRiskTool"\. Did you mean "highRiskTools"/,
    ],
    [
      'no default export',
      { 'perdura.config.mjs': 'export const x = 1;' },
      /perdura\.config\.mjs has no default export\. Write "export default defineConfig/,
    ],
    [
      'syntax error',
      { 'perdura.config.ts': 'export default {\n  agents: [,\n' },
      /^Config\.Invalid .*perdura\.config\.ts:\d+/,
    ],
    [
      'it throws',
      { 'perdura.config.ts': '\n\nthrow new Error("no such luck");' },
      /^Config\.Invalid .*perdura\.config\.ts.*no such luck/,
    ],
    [
      'a package is missing',
      { 'perdura.config.ts': 'import x from "not-there-at-all";\nexport default { x };' },
      /npm install not-there-at-all/,
    ],
    [
      'two files',
      { 'perdura.config.ts': config('{}'), 'perdura.config.js': '' },
      /Found .* and .*\. Keep one/,
    ],
    [
      'a tool that is not made by tool()',
      { 'perdura.config.ts': config(`{ tools: [{ name: 'x' }] } as never`) },
      /tools\[0\].*is not a tool\. Create it with tool\(/,
    ],
    [
      'a wrong tool()',
      {
        'perdura.config.ts': config(
          `{ tools: [tool({ name: 'a b', description: 'x', execute: () => 1 })] }`,
        ),
      },
      /perdura\.config\.ts.*"a b" is not a valid tool name/,
    ],
    [
      'two tools of one name',
      { 'perdura.config.ts': config(`{ tools: [${TOOL}, ${TOOL}] }`) },
      /tools\[1\]: there is already a tool "add" at tools\[0\]\. Rename one/,
    ],
    [
      'a tool name that is ours',
      { 'perdura.config.ts': config(`{ tools: [${TOOL.replace('add', 'read_artifact')}] }`) },
      /"read_artifact" belongs to Perdura/,
    ],
    [
      'two agents of one name',
      {
        'perdura.config.ts': config(`{ agents: [{ name: 'a', instructions: 'b' }] }`),
        'agents/a.yaml': 'instructions: x\nname: a\n',
      },
      /^Agent\.Invalid .*a\.yaml:2:7: there is already an agent "a" at perdura\.config\.ts: agents\[0\]\.name/,
    ],
    [
      'unknown tool in YAML',
      {
        'perdura.config.ts': config(`{ tools: [${TOOL}] }`),
        'agents/a.yaml': 'name: a\ninstructions: x\ntools: [ad]\n',
      },
      /^Agent\.Invalid agents\/a\.yaml:3:9: Agent "a" refers to the unknown tool "ad"\. Did you mean "add"/,
    ],
    [
      'an MCP tool named as a tool',
      {
        'perdura.config.ts': config(
          `{ mcp: { files: { command: 'x' } }, agents: [{ name: 'a', instructions: 'b', tools: ['files__read'] }] }`,
        ),
      },
      /of an MCP server\. List the server instead, mcp: \["files"\]/,
    ],
    [
      'unknown MCP server',
      { 'agents/a.yaml': 'name: a\ninstructions: x\nmcp: [files]\n' },
      /a\.yaml:3:7: .*unknown MCP server "files"\. Declare it under "mcp"/,
    ],
    [
      'unknown provider',
      { 'agents/a.yaml': 'name: a\ninstructions: x\nprovider: defualt\n' },
      /a\.yaml:3:11: .*Did you mean "default"/,
    ],
    [
      'unknown pool',
      {
        'perdura.config.ts': config('{ pools: { gpu: { maxAtWork: 8 } } }'),
        'agents/a.yaml': 'name: a\ninstructions: x\npool: gpus\n',
      },
      /a\.yaml:3:7: .*unknown pool "gpus"\. Did you mean "gpu"/,
    ],
    [
      'a pool that is none, with a priority that is none',
      {
        'agents/a.yaml': 'name: a\ninstructions: x\npool:\n  name: a b\n  priority: 1.5\n',
      },
      /must be the name of a pool, 1 to 64/,
    ],
    [
      'limits of a pool that are none',
      {
        'perdura.config.ts': config(`{ pools: { c: { maxAtWork: -1, maxPerTenants: 2 }, d: {} } }`),
      },
      /pools\.c\.maxAtWork: must be a whole number of agents from 0 to 100,000, not -1/,
    ],
    [
      'a name of a pool that is none',
      { 'perdura.config.ts': config(`{ pools: { 'a b': { maxAtWork: 1 } } }`) },
      /is not a valid name for a pool/,
    ],
    [
      'key variable unset, and used',
      {
        'perdura.config.ts': config(
          `{ providers: { p: { apiKeyEnv: 'NOPE_KEY' } }, agents: [{ name: 'a', instructions: 'b', provider: 'p' }] }`,
        ),
      },
      /providers\.p\.apiKeyEnv: the environment variable NOPE_KEY is not set/,
    ],
    [
      'a key where its variable belongs',
      { 'perdura.config.ts': config(`{ providers: { p: { apiKeyEnv: 'sk-123' } } }`) },
      /must be the name of an environment variable, such as OPENAI_API_KEY/,
    ],
    [
      'an MCP server without command or url',
      { 'perdura.config.ts': config(`{ mcp: { a: { cmd: 'x' } } } as never`) },
      /mcp\.a: needs either "command"/,
    ],
    [
      'an MCP server with a wrong key',
      { 'perdura.config.ts': config(`{ mcp: { a: { command: 'x', arg: [] } } } as never`) },
      /mcp\.a: unknown field "arg"\. Did you mean "args"/,
    ],
    [
      'an MCP server with a wrong name',
      { 'perdura.config.ts': config(`{ mcp: { a__b: { command: 'x' } } }`) },
      /mcp\.a__b: is not a valid name for an MCP server/,
    ],
    [
      'embeddings of two providers',
      {
        'perdura.config.ts': config(
          `{ providers: { a: { embeddings: 'x' }, b: { embeddings: { model: 'y' } } } }`,
        ),
      },
      /providers\.b\.embeddings: are declared by a and b\. .*keep one/,
    ],
    [
      'embeddings without a model',
      { 'perdura.config.ts': config(`{ providers: { a: { embeddings: { size: 3 } } } } as never`) },
      /providers\.a\.embeddings: must be the name of a model, or \{ model, /,
    ],
    [
      'agentFiles that are not there',
      { 'perdura.config.ts': config(`{ agentFiles: 'nope' }`) },
      /nope: "agentFiles" names it, but there is no such file or folder/,
    ],
    [
      'several problems',
      { 'agents/a.yaml': 'name: a\n', 'agents/b.yaml': 'name: b\n' },
      /2 problems:\nagents\/a\.yaml:1:1: .*\nagents\/b\.yaml:1:1: /,
    ],
  ];
  it.each(rows)('%s', async (_, files, message) => {
    expect(await failureOf(files)).toMatch(message);
  });

  it('PERDURA_CONFIG names nothing → says so', async () => {
    expect(await failureOf({}, { PERDURA_CONFIG: 'x.ts' })).toMatch(
      /PERDURA_CONFIG names .*x\.ts", which does not exist/,
    );
  });

  it('a key never stands in a message', async () => {
    const text = config(
      `{ providers: { p: { apiKeyEnv: 'sk-canary' }, q: { baseUrl: 'ftp://u:canary@h' } } }`,
    );
    expect(await failureOf({ 'perdura.config.ts': text })).not.toMatch(/canary/);
  });
});

describe('configuration: sub-agents', () => {
  const agents = (subAgents: string, more = '') =>
    config(
      `{ agents: [{ name: 'lead', instructions: 'x', agents: ${subAgents} }, { name: 'helper', instructions: 'y' }], tools: [${TOOL}]${more} }`,
    );

  it('names and declarations, zod and JSON Schema → JSON Schema, and nothing that was not stated', async () => {
    const text = `import { z } from '${createRequire(import.meta.url).resolve('zod')}';\n${agents(
      `['helper', { agent: 'helper', name: 'count', input: z.object({ of: z.string() }), output: { type: 'object', properties: {} }, detached: true }]`,
    )}`;
    const { agents: loaded } = await load({ 'perdura.config.ts': text });
    expect(loaded.find(({ name }) => name === 'lead')!.agents).toEqual([
      { agent: 'helper' },
      {
        agent: 'helper',
        name: 'count',
        input: expect.objectContaining({
          type: 'object',
          properties: { of: { type: 'string' } },
          required: ['of'],
        }) as unknown,
        output: { type: 'object', properties: {} },
        detached: true,
      },
    ]);
    expect(loaded.find(({ name }) => name === 'helper')).not.toHaveProperty('agents');
  });

  it.each([
    ["['helpr']", /agents\[0\]\.agents\[0\]: .*unknown agent "helpr".*helper/],
    ["[{ agent: 'helper' }, 'helper']", /agents\[0\]\.agents\[1\]: has the tool name "helper"/],
    ["[{ agent: 'helper', name: 'add' }]", /named "add", as another tool of "lead" is/],
    ["[{ agent: 'helper', name: 'wait_for' }]", /named "wait_for"/],
    ["[{ agent: 'helper', nam: 'x' }]", /unknown field "nam"/],
    ["[{ agent: 'helper', onParentEnd: 'die' }]", /must be "end" or "keep" or "grandparent"/],
    ["[{ agent: 'helper', input: { type: 'string' } }]", /must describe an object/],
    ["[{ agent: 'helper', timeoutMs: NaN }]", /timeoutMs: must be a whole number/],
    ['[7]', /agents\[0\]\.agents\[0\]: must be an object/],
    ['[null]', /agents\[0\]\.agents\[0\]: must be an object/],
  ])('sub-agents %s → refused, with the place', async (given, message) => {
    expect(await failureOf({ 'perdura.config.ts': agents(given) })).toMatch(message);
  });
});
