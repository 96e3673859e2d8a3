/**
 * Skills from folders and npm packages: which there are, and what their `SKILL.md` says. Reads files
 * only: nothing of a skill is run. What is wrong is reported with file and place.
 */
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, join, relative, resolve, sep } from 'node:path';
import { schemaProblem } from '../contracts/json-schema.js';
import {
  isVersion,
  MOST_DESCRIPTION_UNITS,
  MOST_SKILL_BYTES,
  MOST_SKILL_FILES,
  type Skill,
  type SkillFile,
  type SkillSource,
} from '../contracts/skill.js';
import { wellFormed, wellFormedValue } from '../contracts/text.js';
import type { JsonSchema } from '../contracts/tool-kinds.js';
import { throwProblems, type Problem } from './problems.js';
import { kindOf, shown } from './schema-words.js';
import { parseYaml } from './yaml-guard.js';

const NPM = 'npm:';
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;
const FRONT_MATTER = /^\uFEFF?---[ \t]*\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n|$)/;
/** Fields of the convention, and `version`, which it keeps in `metadata`. */
const FIELDS = new Set([
  'name',
  'description',
  'version',
  'license',
  'compatibility',
  'metadata',
  'allowed-tools',
]);
const DEFAULT_VERSION = '0.0.0';

/**
 * Skills of `named`, of the folder `skills` where it is undefined; paths are relative to `folder`.
 * Throws `Config.Invalid` with every problem of every skill.
 */
export async function readSkills(
  folder: string,
  named: string | readonly string[] | undefined,
  cwd: string,
): Promise<Skill[]> {
  const { skills, problems } = await findSkills(folder, named, cwd);
  throwProblems('Config.Invalid', problems);
  return skills;
}

/** The same, with the problems beside what can be used. */
export async function findSkills(
  folder: string,
  named: string | readonly string[] | undefined,
  cwd: string,
): Promise<{ skills: Skill[]; problems: Problem[] }> {
  const problems: Problem[] = [];
  const skills: Skill[] = [];
  const places = named === undefined ? ['skills'] : typeof named === 'string' ? [named] : named;
  for (const place of places) {
    const found = await foldersOf(folder, place, named === undefined);
    if ('problem' in found) {
      problems.push({ where: found.where, text: found.problem });
      continue;
    }
    for (const each of found.folders) {
      const read = await readSkill(each, found.source, cwd);
      problems.push(...read.problems);
      if (!read.skill) continue;
      const { id } = read.skill;
      const other = skills.find((skill) => skill.id === id);
      if (other?.folder === read.skill.folder) continue;
      if (other) {
        const text = `there is already a skill ${id} in ${shortPath(other.folder, cwd)}. Rename one, or give it another version.`;
        problems.push({ where: shortPath(each, cwd), text });
      } else {
        skills.push(read.skill);
      }
    }
  }
  return { skills, problems };
}

type Folders =
  | { readonly folders: readonly string[]; readonly source: SkillSource }
  | { readonly where: string; readonly problem: string };

async function foldersOf(folder: string, place: string, optional: boolean): Promise<Folders> {
  if (place.startsWith(NPM)) return packageFolders(folder, place.slice(NPM.length));
  const path = resolve(folder, place);
  const source = { kind: 'local' } as const;
  if (!(await isFolder(path))) {
    if (optional) return { folders: [], source };
    return { where: path, problem: '"skills" names it, but there is no such folder.' };
  }
  return { folders: await skillFolders(path), source };
}

/** The skills of an installed package: its own `SKILL.md`, or those below its folder `skills`. */
async function packageFolders(folder: string, name: string): Promise<Folders> {
  const where = `${NPM}${name}`;
  if (!/^(@[a-z0-9][\w.-]*\/)?[a-z0-9][\w.-]*$/i.test(name)) {
    return { where, problem: 'is not the name of an npm package.' };
  }
  const require = createRequire(join(folder, 'package.json'));
  const roots = (require.resolve.paths(name) ?? []).map((path) => join(path, name));
  for (const root of roots) {
    const text = await readFile(join(root, 'package.json'), 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    const { version = '' } = (jsonOf(text) ?? {}) as { version?: unknown };
    const source = { kind: 'npm', package: name, packageVersion: String(version) } as const;
    const below = join(root, 'skills');
    const folders = await skillFolders((await isFolder(below)) ? below : root);
    if (folders.length > 0) return { folders, source };
    return { where, problem: `has no SKILL.md, neither in ${root} nor in folders of ${below}.` };
  }
  return { where, problem: `is not installed. Install it: npm install ${name}.` };
}

/** The folder itself where it has a `SKILL.md`, or those folders in it that have one. */
async function skillFolders(path: string): Promise<string[]> {
  if (await isFile(join(path, 'SKILL.md'))) return [path];
  const names = (await readdir(path)).filter((name) => !name.startsWith('.')).sort();
  const found: string[] = [];
  for (const name of names) {
    if (await isFile(join(path, name, 'SKILL.md'))) found.push(join(path, name));
  }
  return found;
}

/** Reads one skill. Never throws for what its files hold. */
export async function readSkill(
  folder: string,
  source: SkillSource,
  cwd: string,
): Promise<{ skill?: Skill; problems: Problem[] }> {
  const problems: Problem[] = [];
  const root = await realpath(folder);
  const file = join(root, 'SKILL.md');
  const where = shortPath(file, cwd);
  const report = (text: string, at = where) => void problems.push({ where: at, text });
  const { size } = await stat(file);
  if (size > MOST_SKILL_BYTES) {
    report(`has ${size} bytes; at most ${MOST_SKILL_BYTES}. Move parts into files beside it.`);
    return { problems };
  }
  const text = await readFile(file, 'utf8');
  const front = FRONT_MATTER.exec(text);
  if (!front) {
    report('has no front matter. Begin it with "---", name, description, and "---".');
    return { problems };
  }
  const yaml = parseYaml(front[1]!, where);
  problems.push(...yaml.problems);
  const fields = yaml.documents[0]?.value;
  if (problems.length > 0) return { problems };
  if (!isRecord(fields)) {
    report(`the front matter must have fields such as name, not ${kindOf(fields)}.`);
    return { problems };
  }
  const read = frontMatter(fields, report);
  if (read.name !== undefined && read.name !== basename(root) && source.kind === 'local') {
    report(
      `name is ${shown(read.name)}, but the folder is "${basename(root)}". Use the same name.`,
    );
  }
  const instructions = wellFormed(text.slice(front[0].length)).trim();
  if (instructions === '') report('has no instructions. Write them below the front matter.');
  const schema = await readSchema(join(root, 'schema.json'), (said) =>
    report(said, shortPath(join(root, 'schema.json'), cwd)),
  );
  const files = await filesOf(root);
  if (files === undefined) report(`has more than ${MOST_SKILL_FILES} files. Remove some.`);
  const { name, description, version, metadata } = read;
  if (problems.length > 0 || name === undefined || description === undefined) return { problems };
  const skill: Skill = {
    id: `${name}@${version}`,
    name,
    description,
    version,
    source,
    ...(schema ? { schema } : {}),
    metadata,
    instructions,
    folder: root,
    files: files ?? [],
  };
  return { skill, problems };
}

function frontMatter(fields: Record<string, unknown>, report: (text: string) => void) {
  for (const key of Object.keys(fields)) {
    if (!FIELDS.has(key)) {
      report(`unknown field ${shown(key)}. Known fields: ${[...FIELDS].join(', ')}.`);
    }
  }
  const { name, description, metadata: given = {} } = fields;
  const fits = typeof name === 'string' && NAME.test(name) && !name.includes('--');
  if (!fits) {
    report(
      name === undefined
        ? 'name is missing.'
        : `name is ${shown(name)}. Use 1 to 64 of a-z, 0-9 and "-", with no "-" at either end and no "--".`,
    );
  }
  const described =
    typeof description === 'string' &&
    description.trim() !== '' &&
    description.length <= MOST_DESCRIPTION_UNITS;
  if (!described) {
    report(
      `description must be text of 1 to ${MOST_DESCRIPTION_UNITS} characters: the model chooses skills by it.`,
    );
  }
  const isMap = isRecord(given) && Object.values(given).every((value) => typeof value !== 'object');
  if (!isMap) report('metadata must be an object of text by name.');
  const metadata = isMap
    ? Object.fromEntries(Object.entries(given).map(([key, value]) => [key, String(value)]))
    : {};
  // YAML reads `1.0` as a number; the text that was written is lost, so it must be in quotes.
  const version = fields['version'] ?? metadata['version'] ?? DEFAULT_VERSION;
  const isText = typeof version === 'string' && isVersion(version);
  if (!isText) report(`version is ${shown(version)}. Write it in quotes, such as "1.2.0".`);
  return {
    ...(fits ? { name } : {}),
    ...(described ? { description: wellFormed(description.trim().replace(/\s+/g, ' ')) } : {}),
    version: isText ? version : DEFAULT_VERSION,
    metadata: wellFormedValue(metadata),
  };
}

async function readSchema(
  file: string,
  report: (text: string) => void,
): Promise<JsonSchema | undefined> {
  const text = (await isFile(file)) ? await readFile(file, 'utf8') : undefined;
  if (text === undefined) return undefined;
  const value = text.length > MOST_SKILL_BYTES ? undefined : jsonOf(text);
  const problem = value === undefined ? 'It is not JSON, or too long.' : schemaProblem(value);
  if (problem === undefined) return wellFormedValue(value as JsonSchema);
  report(problem);
  return undefined;
}

/** Files below the folder, without links: a link can lead out of it. `undefined` for too many. */
async function filesOf(root: string): Promise<SkillFile[] | undefined> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name !== '.DS_Store');
  if (files.length > MOST_SKILL_FILES) return undefined;
  const found = await Promise.all(
    files.map(async (entry) => {
      const path = join(entry.parentPath, entry.name);
      return {
        path: relative(root, path).split(sep).join('/'),
        bytes: (await stat(path)).size,
      };
    }),
  );
  return found.filter(({ path }) => path !== 'SKILL.md').sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

function shortPath(path: string, cwd: string): string {
  const short = relative(cwd, path);
  return short === '' || short.startsWith('..') ? path : short;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
