/** The YAML files with agents: which they are, and what they hold. Reads files only. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { parseAgentYaml, type DeclaredAgent } from './agent-yaml.js';
import { throwProblems, type Problem } from './problems.js';

const YAML = /\.ya?ml$/i;

/**
 * Agents of files and folders, `agents` where `named` is undefined; paths are relative to
 * `folder`. Throws `Agent.Invalid` with every problem of every file.
 */
export async function readAgentFiles(
  folder: string,
  named: string | readonly string[] | undefined,
  cwd: string,
): Promise<DeclaredAgent[]> {
  const problems: Problem[] = [];
  const agents: DeclaredAgent[] = [];
  const paths = named === undefined ? ['agents'] : typeof named === 'string' ? [named] : named;
  for (const path of paths) {
    const files = await filesOf(resolve(folder, path), named === undefined);
    if (files === undefined) {
      const text = '"agentFiles" names it, but there is no such file or folder.';
      problems.push({ where: resolve(folder, path), text });
    }
    for (const file of files ?? []) {
      // Short where it can be: editors open `agents/writer.yaml:3:7` from a terminal.
      const short = relative(cwd, file);
      const shown = short.startsWith('..') ? file : short;
      const parsed = parseAgentYaml(await readFile(file, 'utf8'), shown);
      agents.push(...parsed.agents);
      problems.push(...parsed.problems);
    }
  }
  throwProblems('Agent.Invalid', problems);
  return agents;
}

/** Undefined where there is nothing; an optional folder is then an empty one. */
async function filesOf(path: string, optional: boolean): Promise<string[] | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) {
    const names = await readdir(path);
    return names
      .filter((name) => YAML.test(name))
      .sort()
      .map((name) => join(path, name));
  }
  if (optional) return [];
  return found ? [path] : undefined;
}
