/** What an agent can do, for people. Pure. */
import type { Capability, CapabilityGraph } from '../../contracts/capabilities.js';
import { oneLine } from './clean.js';
import type { Style } from './style.js';
import { table } from './table.js';
import { grouped } from './units.js';

export function capabilitiesText(graph: CapabilityGraph, style: Style): string {
  const { agent, capabilities, gaps } = graph;
  const usable = graph.usable();
  const facts = `can use ${grouped(usable.length)} of ${grouped(capabilities.length)}`;
  const lines = [`${style.bold(oneLine(agent, 64))} · ${facts}\n`];
  lines.push(table(capabilities.map((each) => row(each, graph, style))));
  for (const { source, reason } of gaps) {
    lines.push(style.yellow(`${oneLine(source, 40)} is unavailable: ${oneLine(reason, 200)}\n`));
  }
  const edges = graph.edges();
  if (edges.length > 0) lines.push('\n');
  for (const { from, to, value } of edges) {
    lines.push(
      `${oneLine(from, 64)} → ${oneLine(to, 64)} ${style.dim(`(${oneLine(value, 40)})`)}\n`,
    );
  }
  return lines.join('');
}

export function pathText(
  to: string,
  path: readonly Capability[] | undefined,
  style: Style,
): string {
  if (!path) return `${style.yellow(`There is no way to "${oneLine(to, 64)}".`)}\n`;
  if (path.length === 0) return `"${oneLine(to, 64)}" is there already.\n`;
  return `${path.map(({ name }) => oneLine(name, 64)).join(' → ')}\n`;
}

function row(each: Capability, graph: CapabilityGraph, style: Style): string[] {
  const { name, kind, source, effect, risk, approval, cost, description } = each;
  const obstacle = graph.obstacle(name);
  const facts = [
    kind === 'mcp' ? `mcp ${oneLine(source, 32)}` : kind,
    effect,
    ...(risk === 'high' ? [style.yellow('high risk')] : []),
    ...(approval ? ['a person approves each call'] : []),
    ...(cost?.usd === undefined ? [] : [`~${cost.usd} USD`]),
    ...(cost?.ms === undefined ? [] : [`~${cost.ms} ms`]),
  ].join(' · ');
  const mark = obstacle === undefined ? style.green('✓') : style.red('✗');
  return [mark, oneLine(name, 64), facts, oneLine(obstacle ?? description, 100)];
}
