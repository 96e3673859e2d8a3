/** `perdura mcp`: what the configured servers offer, and the review of what is held back. */
import { confirm, isCancel } from '@clack/prompts';
import type { MCPClientManager } from '../../mcp/mcp-client-manager.js';
import { loadConfig } from '../../config/load-config.js';
import type { Settings } from '../../config/environment.js';
import { createLogger } from '../../config/logger.js';
import { PerduraError } from '../../contracts/failures.js';
import { EXIT, type CommandContext } from '../context.js';
import { blockedText, mcpStatusText } from '../render/mcp.js';
import { plural } from '../render/units.js';
import { whereThingsAre } from './worker.js';

/** Exit code 1 when a server does not answer. Connects to each, as a worker does. */
export async function mcpStatus(context: CommandContext): Promise<number> {
  const { terminal } = context;
  const settings = await whereThingsAre(context.settings);
  return withServers(settings, ['*'], (manager) => {
    const servers = manager.status();
    terminal.printJson(servers);
    terminal.print(terminal.asTyped(mcpStatusText(servers, terminal.style)));
    if (settings.databaseUrl === undefined && servers.length > 0) {
      terminal.note(
        'Accepted tools are recorded in the database, which does not run here, so changed tools are not detected. (Start `perdura dev`, or set DATABASE_URL.)',
      );
    }
    return Promise.resolve(servers.every(({ state }) => state === 'ready') ? EXIT.ok : EXIT.failed);
  });
}

/** Accepts what a server offers now: all that is held back, or the tools that are named. */
export async function mcpAccept(
  context: CommandContext,
  name: string,
  tools: readonly string[],
  { yes = false }: { yes?: boolean | undefined },
): Promise<number> {
  const { terminal } = context;
  const settings = await whereThingsAre(context.settings);
  if (settings.databaseUrl === undefined) {
    throw new PerduraError(
      'Stack.Unavailable',
      'Accepted tools are recorded in the database. Start `perdura dev` in this folder, or set DATABASE_URL.',
      { saysRemedy: true },
    );
  }
  return withServers(settings, [name], async (manager) => {
    const held = (manager.status().find(({ server }) => server === name)?.blocked ?? []).filter(
      ({ tool, reason }) => reason !== 'unusable' && (tools.length === 0 || tools.includes(tool)),
    );
    for (const tool of held) terminal.print(`${blockedText(tool, terminal.style)}\n`);
    const ask = terminal.interactive && terminal.streams.stdin.isTTY === true && !yes;
    if (held.length > 0 && ask) {
      const agreed = await confirm({
        message: `Offer ${plural(held.length, 'tool')} of ${name} to models from now on?`,
        initialValue: false,
      });
      if (isCancel(agreed) || !agreed) return EXIT.failed;
    }
    const accepted = await manager.accept(name, tools.length === 0 ? undefined : tools);
    terminal.printJson({ server: name, accepted });
    terminal.print(
      accepted.length === 0
        ? `${name} has no tools that are held back.\n`
        : `Accepted: ${accepted.join(', ')}. Workers offer them when they next list the server's tools.\n`,
    );
    return EXIT.ok;
  });
}

async function withServers(
  settings: Settings,
  names: readonly string[],
  use: (manager: MCPClientManager) => Promise<number>,
): Promise<number> {
  const { mcp: servers } = await loadConfig(settings);
  const { withMcpServers } = await import('../../../worker/mcp-servers.js');
  const log = createLogger(settings.logLevel === 'debug' ? 'debug' : 'error');
  return withMcpServers({ servers, databaseUrl: settings.databaseUrl, log }, names, use);
}
