/** `perdura doctor`: what is there, what is missing, how to fix it. */
import { loadConfig } from '../../config/load-config.js';
import type { Settings } from '../../config/environment.js';
import { createLogger } from '../../config/logger.js';
import type { ResolvedConfig } from '../../contracts/config.js';
import { FAILURES, PerduraError, withRemedy } from '../../contracts/failures.js';
import type { Check } from '../../stack/doctor-check.js';
import { EXIT, type CommandContext } from '../context.js';
import { checksText } from '../render/checks.js';
import { plural } from '../render/units.js';
import { whereThingsAre } from './worker.js';

/** Exit code 1 when a check fails; a warning does not count. */
export async function doctor(context: CommandContext): Promise<number> {
  const { settings, terminal } = context;
  const { runDoctor } = await import('../../stack/doctor.js');
  const [checks, configured] = await Promise.all([runDoctor(settings), checkConfigured(context)]);
  const all = [...checks, ...configured];
  terminal.printJson(all);
  terminal.print(terminal.asTyped(checksText(all, terminal.style)));
  return all.every(({ ok }) => ok) ? EXIT.ok : EXIT.failed;
}

async function checkConfigured({ settings }: CommandContext): Promise<Check[]> {
  try {
    const config = await loadConfig(await whereThingsAre(settings));
    const detail = config.agents.map(({ name }) => name).join(', ');
    const [vectors, servers] = await Promise.all([
      checkVectors(config, settings),
      checkServers(config),
    ]);
    return [{ name: 'Agents', ok: true, detail }, vectors, ...servers];
  } catch (error) {
    const detail = error instanceof PerduraError ? withRemedy(error) : String(error);
    return [{ name: 'Agents', ok: false, detail }];
  }
}

/** Words find memories without them: a warning. */
async function checkVectors(config: ResolvedConfig, settings: Settings): Promise<Check> {
  const { vectorReport } = await import('../../../worker/vectors.js');
  const { databaseUrl } = await whereThingsAre(settings);
  const { detail, remedy } = await vectorReport(config, databaseUrl);
  return { name: 'Vectors', ok: true, detail, ...(remedy === undefined ? {} : { remedy }) };
}

/** Connects to each server, as a worker does. What was accepted is `perdura mcp status`'s to say. */
async function checkServers({ mcp: servers }: ResolvedConfig): Promise<Check[]> {
  if (Object.keys(servers).length === 0) return [];
  const { withMcpServers } = await import('../../../worker/mcp-servers.js');
  const log = createLogger('error');
  return withMcpServers({ servers, log }, ['*'], (manager) =>
    Promise.resolve(
      manager.status().map(({ server, state, tools, lastError = state }): Check => {
        const name = `MCP ${server}`;
        if (state === 'ready') return { name, ok: true, detail: plural(tools, 'tool') };
        return { name, ok: false, detail: lastError, remedy: FAILURES['Mcp.Unavailable'].remedy };
      }),
    ),
  );
}
