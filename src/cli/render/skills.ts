/** Skills: a list, one of them, and what is wrong with some. Pure. */
import type { Agent } from '../../contracts/agent.js';
import { chooseSkills, type Skill } from '../../contracts/skill.js';
import { clean, oneLine } from './clean.js';
import type { Style } from './style.js';
import { table } from './table.js';
import { bytes } from './units.js';

export function skillsText(
  skills: readonly Skill[],
  agents: readonly Agent[],
  style: Style,
): string {
  if (skills.length === 0) {
    return 'No skills. Put folders with a SKILL.md into the folder "skills", or name them under "skills" in perdura.config.ts.\n';
  }
  const head = ['SKILL', 'VERSION', 'SOURCE', 'AGENTS', 'DESCRIPTION'].map(style.dim);
  const rows = skills.map((skill) => [
    skill.name,
    skill.version,
    sourceOf(skill),
    agents
      .filter((agent) => chooseSkills(skills, agent.skills ?? []).includes(skill))
      .map(({ name }) => name)
      .join(', ') || '–',
    oneLine(skill.description, 80),
  ]);
  return table([head, ...rows]);
}

export function skillText(skill: Skill, style: Style): string {
  const { id, description, folder, files, metadata, schema, instructions } = skill;
  const lines = [style.bold(id), clean(description), style.dim(`${sourceOf(skill)}, ${folder}`)];
  for (const [name, value] of Object.entries(metadata)) {
    lines.push(`${oneLine(name, 40)}: ${oneLine(value, 100)}`);
  }
  for (const file of files) lines.push(`  ${oneLine(file.path, 100)}  ${bytes(file.bytes)}`);
  if (schema) lines.push(`schema: ${oneLine(JSON.stringify(schema), 200)}`);
  return `${lines.join('\n')}\n\n${clean(instructions)}\n`;
}

export function problemsText(
  skills: readonly Skill[],
  problems: readonly { readonly where: string; readonly text: string }[],
  style: Style,
): string {
  const good = skills.map(({ id }) => `${style.green('✓')} ${id}\n`);
  const bad = problems.map(
    ({ where, text }) => `${style.red('✗')} ${oneLine(where, 200)}: ${oneLine(text, 300)}\n`,
  );
  return [...good, ...bad].join('') || 'No skills.\n';
}

function sourceOf({ source }: Skill): string {
  return source.kind === 'local' ? 'local' : `${source.package} ${source.packageVersion}`;
}
