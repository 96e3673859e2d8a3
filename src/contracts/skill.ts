/**
 * Skills: folders with instructions, a schema and resources, which a model loads when it needs them
 * (the `SKILL.md` convention of Agent Skills, https://agentskills.io). Types and pure rules only.
 */
import type { SkillReference } from './runtime-context.js';
import type { JsonSchema } from './tool-kinds.js';

/** Tools that an agent with skills is given. */
export const SKILL_TOOLS = ['load_skill', 'read_skill_resource'] as const;

/** Where a skill comes from. */
export type SkillSource =
  | { readonly kind: 'local' }
  | { readonly kind: 'npm'; readonly package: string; readonly packageVersion: string };

/** A file beside `SKILL.md`. */
export interface SkillFile {
  /** Relative to the folder of the skill, with `/`. */
  readonly path: string;
  readonly bytes: number;
}

/** A skill, as it was read. Its resources are read when they are asked for. */
export interface Skill extends SkillReference {
  /** `name@version`: unique in a configuration. */
  readonly id: string;
  /** 1–64 of `a-z 0-9 -`; the name of its folder. */
  readonly name: string;
  /** What it is for and when to use it, at most 1,024 characters. */
  readonly description: string;
  /** Default `0.0.0`. */
  readonly version: string;
  readonly source: SkillSource;
  /** What the skill works on, from `schema.json`. */
  readonly schema?: JsonSchema;
  readonly metadata: Readonly<Record<string, string>>;
  /** The body of `SKILL.md`. */
  readonly instructions: string;
  /** Absolute path, links resolved. */
  readonly folder: string;
  readonly files: readonly SkillFile[];
}

/** Longest `SKILL.md`, bytes. */
export const MOST_SKILL_BYTES = 256 * 1024;
/** Longest resource that is shown, bytes. */
export const MOST_RESOURCE_BYTES = 1024 * 1024;
/** Files of a skill. */
export const MOST_SKILL_FILES = 500;
export const MOST_DESCRIPTION_UNITS = 1_024;

/** The skill that an agent means: `name@version`, or the newest version of that name. */
export function chooseSkill(skills: readonly Skill[], wanted: string): Skill | undefined {
  const at = wanted.indexOf('@');
  if (at > 0) return skills.find(({ id }) => id === wanted);
  return skills
    .filter(({ name }) => name === wanted)
    .reduce<Skill | undefined>(
      (best, skill) => (best && compareVersions(best.version, skill.version) >= 0 ? best : skill),
      undefined,
    );
}

/** All skills that an agent lists, `*` for the newest version of each. No name twice. */
export function chooseSkills(skills: readonly Skill[], wanted: readonly string[]): Skill[] {
  const names = wanted.includes('*') ? skills.map(({ name }) => name) : [];
  const chosen = new Map<string, Skill>();
  // What is named with its version counts more than the star.
  for (const each of [...wanted.filter((name) => name !== '*'), ...names]) {
    const skill = chooseSkill(skills, each);
    if (skill && !chosen.has(skill.name)) chosen.set(skill.name, skill);
  }
  return [...chosen.values()];
}

const VERSION = /^(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?(?:-([0-9A-Za-z.-]{1,40}))?$/;

/** Whether `version` is a version: `1.2`, `1.2.3` or `1.2.3-beta`. */
export function isVersion(version: string): boolean {
  return VERSION.test(version);
}

/** Below 0 where `a` is the older one. A version with a suffix comes before the one without. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [VERSION.exec(a), VERSION.exec(b)];
  if (!left || !right) return a < b ? -1 : a > b ? 1 : 0;
  for (const part of [1, 2, 3]) {
    const difference = Number(left[part] ?? 0) - Number(right[part] ?? 0);
    if (difference !== 0) return difference;
  }
  const [x, y] = [left[4], right[4]];
  if (x === y) return 0;
  if (x === undefined) return 1;
  if (y === undefined) return -1;
  return x < y ? -1 : 1;
}
