/** `perdura capabilities`: what an agent can do, and what its policy forbids. */
import { loadConfig } from '../../config/load-config.js';
import { createLogger } from '../../config/logger.js';
import { EXIT, type CommandContext } from '../context.js';
import { capabilitiesText, pathText } from '../render/capabilities.js';
import { whereThingsAre } from './worker.js';

export interface CapabilityOptions {
  /** A value, or a capability: the way to it is shown. */
  readonly to?: string | undefined;
  /** Values that are there already. */
  readonly have?: readonly string[] | undefined;
}

/** Exit code 1 when there is no way to `--to`. Connects to the MCP servers of the agent. */
export async function capabilities(
  context: CommandContext,
  agent: string,
  { to, have = [] }: CapabilityOptions,
): Promise<number> {
  const { terminal } = context;
  const settings = await whereThingsAre(context.settings);
  const config = await loadConfig(settings);
  const { capabilitiesOf } = await import('../../../worker/capabilities.js');
  const { databaseUrl, tenant } = settings;
  const log = createLogger(settings.logLevel === 'debug' ? 'debug' : 'error');
  const graph = await capabilitiesOf({ config, tenant, databaseUrl, log }, agent);
  if (to === undefined) {
    terminal.printJson({ ...graph.toJSON(), edges: graph.edges() });
    terminal.print(capabilitiesText(graph, terminal.style));
    return EXIT.ok;
  }
  const path = graph.path(to, have);
  terminal.printJson({ agent, to, have, path: path?.map(({ name }) => name) ?? null });
  terminal.print(pathText(to, path, terminal.style));
  return path ? EXIT.ok : EXIT.failed;
}
