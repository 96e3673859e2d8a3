/**
 * `load_skill` and `read_skill_resource`: a model is offered the names and descriptions of its skills,
 * and loads the rest when it needs it. A path never leads out of the folder of its skill, and an
 * agent reads the skills that it lists and no others.
 */
import { open, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { z } from 'zod';
import type { Agent } from '../contracts/agent.js';
import { tool } from '../contracts/define-tool.js';
import { PerduraError } from '../contracts/failures.js';
import { nearNames } from '../contracts/near-names.js';
import { chooseSkills, MOST_RESOURCE_BYTES, type Skill } from '../contracts/skill.js';
import { wellFormed } from '../contracts/text.js';
import type { Tool } from '../contracts/tool.js';

/** Files of a skill that its instructions are followed by. */
const MOST_LISTED = 100;

/** The skills of a configuration, and what an agent has of them. */
export class Skills {
  readonly #all: readonly Skill[];
  readonly #made = new WeakMap<Agent, { skills: readonly Skill[]; tools: readonly Tool[] }>();

  constructor(skills: readonly Skill[] = []) {
    this.#all = skills;
  }

  /** Those that the agent lists. */
  of(agent: Agent): readonly Skill[] {
    return this.#of(agent).skills;
  }

  /** The two tools, for an agent with skills. The same ones for the same agent. */
  tools(agent: Agent): readonly Tool[] {
    return this.#of(agent).tools;
  }

  #of(agent: Agent): { skills: readonly Skill[]; tools: readonly Tool[] } {
    const known = this.#made.get(agent);
    if (known) return known;
    const skills = chooseSkills(this.#all, agent.skills ?? []);
    const made = { skills, tools: skills.length > 0 ? createSkillTools(skills) : [] };
    this.#made.set(agent, made);
    return made;
  }
}

/** The tools for these skills, which have different names. */
export function createSkillTools(skills: readonly Skill[]): readonly Tool[] {
  const byName = new Map(skills.map((skill) => [skill.name, skill]));
  const find = (name: string): Skill => {
    const skill = byName.get(name);
    if (skill) return skill;
    throw new PerduraError(
      'Skill.NotFound',
      `There is no skill ${JSON.stringify(name)}. There are: ${[...byName.keys()].join(', ')}.`,
    );
  };
  const offered = skills.map(({ name, description }) => `- ${name}: ${description}`).join('\n');
  const name = z.string().min(1).max(64).describe('Name of the skill');
  return [
    tool({
      name: 'load_skill',
      description: `Loads the instructions of a skill. Load it before you do what it is for. Skills:\n${offered}`,
      effect: 'read',
      run: 'local',
      parameters: z.object({ skill: name }),
      execute: ({ skill }) => loaded(find(skill)),
    }),
    tool({
      name: 'read_skill_resource',
      description: 'Reads a file of a skill, by the path that its instructions name.',
      effect: 'read',
      run: 'local',
      parameters: z.object({
        skill: name,
        path: z.string().min(1).max(500).describe('Relative to the folder of the skill'),
      }),
      execute: ({ skill, path }) => readResource(find(skill), path),
    }),
  ];
}

function loaded({ name, version, instructions, schema, files }: Skill): string {
  const parts = [`# Skill ${name} ${version}`, instructions];
  if (schema) parts.push(`## Schema\n\n${JSON.stringify(schema)}`);
  if (files.length > 0) {
    const listed = files
      .slice(0, MOST_LISTED)
      .map(({ path, bytes }) => `- ${path} (${bytes} bytes)`);
    const more = files.length > MOST_LISTED ? `\n- … and ${files.length - MOST_LISTED} more` : '';
    parts.push(`## Files, for read_skill_resource\n\n${listed.join('\n')}${more}`);
  }
  return parts.join('\n\n');
}

/** The text of a file of a skill. Rejects with `Skill.NotFound`. */
export async function readResource(skill: Skill, path: string): Promise<string> {
  const file = await fileOf(skill, path);
  const handle = await open(file, 'r');
  try {
    const info = await handle.stat();
    if (!info.isFile()) throw notThere(skill, path);
    if (info.size > MOST_RESOURCE_BYTES) {
      throw new PerduraError(
        'Skill.NotFound',
        `"${path}" has ${info.size} bytes; at most ${MOST_RESOURCE_BYTES} are shown.`,
      );
    }
    // Bounded also where the file grows while it is read.
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(MOST_RESOURCE_BYTES), 0);
    const bytes = buffer.subarray(0, bytesRead);
    if (bytes.includes(0)) {
      throw new PerduraError('Skill.NotFound', `"${path}" is not text (${bytesRead} bytes).`);
    }
    return wellFormed(bytes.toString('utf8'));
  } finally {
    await handle.close();
  }
}

/** The file itself, with links resolved; those that lead out of the folder are as good as missing. */
async function fileOf(skill: Skill, path: string): Promise<string> {
  if (path.includes('\0')) throw notThere(skill, path);
  const file = await realpath(join(skill.folder, path)).catch(() => undefined);
  if (file?.startsWith(skill.folder + sep)) return file;
  throw notThere(skill, path);
}

function notThere(skill: Skill, path: string): PerduraError {
  const paths = skill.files.map((file) => file.path);
  const near = nearNames(path, paths);
  const hint =
    near.length > 0
      ? ` Did you mean ${near.join(' or ')}?`
      : paths.length > 0
        ? ` It has: ${paths.slice(0, 20).join(', ')}${paths.length > 20 ? ', …' : ''}.`
        : ' It has no files besides its instructions.';
  return new PerduraError(
    'Skill.NotFound',
    `The skill "${skill.name}" has no file ${JSON.stringify(path)}.${hint}`,
  );
}
