/**
 * The whole configuration: `perdura.config.ts`, YAML agents, the environment, and the agent
 * that is always there. Composition only: each part has its own file.
 */
import { resolve } from 'node:path';
import type { ResolvedConfig } from '../contracts/config.js';
import type { McpServer } from '../contracts/mcp.js';
import { didYouMean } from '../contracts/near-names.js';
import type { PolicyDeclaration } from '../contracts/policy.js';
import type { Pool } from '../contracts/pool.js';
import { completeAgent } from './agent-schema.js';
import { readAgentFiles } from './agent-files.js';
import type { DeclaredAgent } from './agent-yaml.js';
import { readConfigFile } from './config-file.js';
import { DEFAULT_MODEL, defaultAgent } from './default-agent.js';
import type { PerduraConfig } from './define-config.js';
import { readSettings, type Settings } from './environment.js';
import { pathText, throwProblems, type Path, type Problem } from './problems.js';
import { resolveProviders } from './providers.js';
import { agentProblems, toolProblems } from './references.js';
import { readSkills } from './skill-files.js';

/**
 * Reads the configuration of `settings`. Throws `Config.Invalid` or `Agent.Invalid` that names
 * file, place, reason and remedy of everything that is wrong.
 */
export async function loadConfig(settings: Settings): Promise<ResolvedConfig> {
  const { config, file, folder } = await readConfigFile(settings);
  return complete(config, settings, file, folder);
}

/**
 * Completes a configuration that was written in code. Its paths are relative to the working
 * directory; YAML agents are read only where it names them. Throws like {@link loadConfig}.
 */
export function resolveConfig(
  config: PerduraConfig,
  settings: Settings = readSettings(),
): Promise<ResolvedConfig> {
  return complete({ agentFiles: [], skills: [], ...config }, settings, undefined, settings.cwd);
}

async function complete(
  config: PerduraConfig,
  settings: Settings,
  file: string | undefined,
  folder: string,
): Promise<ResolvedConfig> {
  const tools = config.tools ?? [];
  const mcp = serversOf(config.mcp ?? {}, folder);
  const servers = Object.keys(mcp);
  const skills = await readSkills(folder, config.skills, settings.cwd);

  const inCode = (config.agents ?? []).map((declaration, i): DeclaredAgent => ({
    declaration,
    where: (path: Path) => `${file ?? 'the configuration'}: ${pathText(['agents', i, ...path])}`,
  }));
  const declared = [...inCode, ...(await readAgentFiles(folder, config.agentFiles, settings.cwd))];
  if (!declared.some(({ declaration }) => declaration.name === defaultAgent(servers).name)) {
    declared.unshift({ declaration: defaultAgent(servers), where: () => 'the default agent' });
  }

  throwProblems('Config.Invalid', toolProblems(tools, servers, file));
  const used = new Set(declared.map(({ declaration }) => declaration.provider ?? 'default'));
  const resolved = resolveProviders(config.providers ?? {}, settings, used, file);
  const known = {
    tools: tools.map(({ name }) => name),
    servers,
    providers: Object.keys(resolved.providers),
    skills,
    pools: Object.keys(config.pools ?? {}),
  };
  throwProblems('Config.Invalid', roleProblems(config, declared, file));
  throwProblems('Agent.Invalid', agentProblems(declared, known));
  throwProblems('Config.Invalid', resolved.problems);

  const defaults = { model: settings.openai.model ?? DEFAULT_MODEL, policy: config.policy };
  const agents = declared.map(({ declaration }) => completeAgent(declaration, defaults));
  return {
    agents,
    tools,
    ...(skills.length > 0 ? { skills } : {}),
    ...poolsOf(config.pools),
    ...(config.roles === undefined ? {} : { roles: config.roles }),
    mcp,
    workspace: resolve(folder, config.workspace ?? 'workspace'),
    providers: resolved.providers,
    ...(file === undefined ? {} : { file }),
  };
}

/** Where roles are declared, a role that nobody can have: what it decides would wait for ever. */
function roleProblems(
  { roles, policy }: PerduraConfig,
  declared: readonly DeclaredAgent[],
  file: string | undefined,
): Problem[] {
  if (roles === undefined) return [];
  const known = Object.keys(roles);
  const of = (given: PolicyDeclaration | undefined, where: string): Problem[] => {
    const { approverRole, approvals = [] } = given ?? {};
    const named = [approverRole, ...approvals.map(({ role }) => role)];
    return named.flatMap((role) =>
      role === undefined || role === '' || known.includes(role)
        ? []
        : {
            where,
            text: `the role ${JSON.stringify(role)} is not among "roles".${didYouMean(role, known) || ` Known roles: ${known.join(', ') || 'none'}.`}`,
          },
    );
  };
  return [
    ...of(policy, `${file ?? 'the configuration'}: policy`),
    ...declared.flatMap(({ declaration, where }) => of(declaration.policy, where(['policy']))),
  ];
}

/** Pools of the configuration. Also used by tests, whose configuration is read by nobody else. */
export function poolsOf(declared: PerduraConfig['pools'] = {}): Pick<ResolvedConfig, 'pools'> {
  const pools = Object.entries(declared).map(([name, limits]): Pool => {
    const { maxAtWork, maxPerTenant, tenants } = limits;
    return {
      name,
      maxAtWork,
      ...(maxPerTenant === undefined ? {} : { maxPerTenant }),
      ...(tenants === undefined ? {} : { tenants }),
    };
  });
  return pools.length > 0 ? { pools } : {};
}

/** A worker may be started from anywhere: paths are relative to the file that has them. */
function serversOf(
  declared: Readonly<Record<string, McpServer>>,
  folder: string,
): Record<string, McpServer> {
  const entries = Object.entries(declared).map(([name, server]) => [
    name,
    'command' in server && server.cwd !== undefined
      ? { ...server, cwd: resolve(folder, server.cwd) }
      : server,
  ]);
  return Object.fromEntries(entries) as Record<string, McpServer>;
}
