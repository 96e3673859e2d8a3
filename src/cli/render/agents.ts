/** Agents, versions and templates as tables. Pure. */
import type { KnownTemplate } from '../../client/agent-factory.js';
import type { AgentVersion, AgentVersionRecord } from '../../store/agent-definitions.js';
import type { ListedAgent } from '../commands/agents.js';
import { clean, oneLine } from './clean.js';
import type { Style } from './style.js';
import { table } from './table.js';
import { ago } from './units.js';

export function agentsText(agents: readonly ListedAgent[], style: Style): string {
  const head = ['AGENT', 'VERSION', 'FROM', 'MODEL', 'DESCRIPTION'];
  const rows = agents.map(({ agent, version, from, template, definition }) => [
    agent,
    version,
    template === undefined ? from : `template ${template}`,
    oneLine(definition.model, 40),
    oneLine(definition.description ?? '', 60),
  ]);
  return table([head.map(style.dim), ...rows]);
}

export function versionsText(
  versions: readonly AgentVersionRecord[],
  newest: string | undefined,
  style: Style,
  now: number,
): string {
  if (versions.length === 0) return 'No session has run this agent yet, and none was made.\n';
  const head = ['VERSION', 'SINCE', 'MODEL', ''];
  const rows = versions.map(({ version, createdAt, definition }) => [
    version,
    ago(createdAt, now),
    oneLine(definition.model, 40),
    version === newest ? style.green('newest') : '',
  ]);
  return table([head.map(style.dim), ...rows]);
}

export function definitionText({ version, definition }: AgentVersion, style: Style): string {
  const { instructions, ...rest } = definition;
  return [
    `${style.bold(definition.name)} · ${version}`,
    '',
    clean(instructions).trimEnd(),
    '',
    style.dim(clean(JSON.stringify(rest, null, 2))),
    '',
  ].join('\n');
}

export function templatesText(templates: readonly KnownTemplate[], style: Style): string {
  const head = ['TEMPLATE', 'EXTENDS', 'VARIABLES', 'DESCRIPTION'];
  const rows = templates.map(({ name, extends: parent = '', variables = {}, description = '' }) => [
    name,
    parent,
    oneLine(Object.keys(variables).join(', '), 40),
    oneLine(description, 70),
  ]);
  return table([head.map(style.dim), ...rows]);
}
