/** `perdura skills`: the skills of the configuration, and whether a folder is one. */
import { resolve } from 'node:path';
import { loadConfig } from '../../config/load-config.js';
import { findSkills } from '../../config/skill-files.js';
import { PerduraError } from '../../contracts/failures.js';
import { chooseSkill } from '../../contracts/skill.js';
import { EXIT, type CommandContext } from '../context.js';
import { problemsText, skillsText, skillText } from '../render/skills.js';

export async function skillsList(context: CommandContext): Promise<number> {
  const { terminal, settings } = context;
  const { skills = [], agents } = await loadConfig(settings);
  terminal.printJson(skills.map(({ instructions: _text, ...skill }) => skill));
  terminal.print(skillsText(skills, agents, terminal.style));
  return EXIT.ok;
}

export async function skillsShow(context: CommandContext, name: string): Promise<number> {
  const { terminal, settings } = context;
  const { skills = [] } = await loadConfig(settings);
  const skill = chooseSkill(skills, name);
  if (!skill) {
    const known = skills.map(({ id }) => id).join(', ') || 'none';
    throw new PerduraError('Skill.NotFound', `There is no skill "${name}". Known: ${known}.`);
  }
  terminal.printJson(skill);
  terminal.print(skillText(skill, terminal.style));
  return EXIT.ok;
}

/** Exit code 1 when something is wrong. Without a folder: those of the configuration. */
export async function skillsCheck(
  context: CommandContext,
  folder: string | undefined,
): Promise<number> {
  const { terminal, settings } = context;
  if (folder === undefined) {
    const { skills = [] } = await loadConfig(settings);
    terminal.printJson({ skills: skills.map(({ id }) => id), problems: [] });
    terminal.print(problemsText(skills, [], terminal.style));
    return EXIT.ok;
  }
  const path = resolve(settings.cwd, folder);
  const { skills, problems } = await findSkills(settings.cwd, path, settings.cwd);
  const none =
    skills.length + problems.length === 0
      ? [{ where: path, text: 'has no SKILL.md, neither itself nor in a folder of it.' }]
      : problems;
  terminal.printJson({ skills: skills.map(({ id }) => id), problems: none });
  terminal.print(problemsText(skills, none, terminal.style));
  return none.length === 0 ? EXIT.ok : EXIT.failed;
}
