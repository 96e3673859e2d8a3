/** MCP servers and the tools that are held back, for their review. Pure. */
import type { McpServerStatus } from '../../mcp/server-link.js';
import type { BlockedTool } from '../../mcp/tool-catalogue.js';
import { clean, oneLine } from './clean.js';
import type { Style } from './style.js';
import { plural } from './units.js';

export function mcpStatusText(servers: readonly McpServerStatus[], style: Style): string {
  if (servers.length === 0) {
    return 'No MCP servers. Declare them under "mcp" in perdura.config.ts.\n';
  }
  return servers
    .map((server) => {
      const { state, tools, lastError, warnings, blocked } = server;
      const mark = state === 'ready' ? style.green('✓') : style.red('✗');
      const lines = [`${mark} ${style.bold(server.server)}  ${state}, ${plural(tools, 'tool')}`];
      if (lastError) lines.push(`  ${style.red(oneLine(lastError, 300))}`);
      for (const warning of warnings) lines.push(`  ${style.yellow(oneLine(warning, 300))}`);
      for (const tool of blocked) lines.push(blockedText(tool, style));
      const acceptable = blocked.some(({ reason }) => reason !== 'unusable');
      if (acceptable)
        lines.push(`  After a review, accept them with: perdura mcp accept ${server.server}`);
      return `${lines.join('\n')}\n`;
    })
    .join('');
}

/** A tool with everything that a model would see of it, since that is what is accepted. */
export function blockedText(
  { tool, reason, detail, description }: BlockedTool,
  style: Style,
): string {
  const head = `  ${style.yellow(`held back: ${oneLine(tool, 80)}`)} (${reason}: ${oneLine(detail, 200)})`;
  const text = clean(description).trim();
  return text === '' ? head : `${head}\n${text.replace(/^/gm, '    ')}`;
}
