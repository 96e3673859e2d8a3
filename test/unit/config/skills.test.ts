/** Skills: what a folder may hold, which version an agent means, and that no path leads out of it. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, type Agent } from '../../../src/contracts/agent.js';
import { chooseSkills, compareVersions } from '../../../src/contracts/skill.js';
import { tool } from '../../../src/contracts/define-tool.js';
import type { Tool } from '../../../src/contracts/tool.js';
import { agentSchema } from '../../../src/config/agent-schema.js';
import { findSkills, readSkills } from '../../../src/config/skill-files.js';
import { resolveConfig } from '../../../src/config/load-config.js';
import { readSettings } from '../../../src/config/environment.js';
import { Skills } from '../../../src/tools/skill-tools.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'perdura-skills-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function skill(name: string, front: string, body = 'Do it.', below = 'skills') {
  const path = join(folder, below, name);
  await mkdir(path, { recursive: true });
  await writeFile(join(path, 'SKILL.md'), `---\n${front}\n---\n${body}\n`);
  return path;
}

const read = async (named?: string | readonly string[]) => findSkills(folder, named, folder);

describe('skills', () => {
  it('skill: front matter, body, schema and files → all of it', async () => {
    const path = await skill(
      'invoices',
      'name: invoices\ndescription: Checks invoices.\nmetadata:\n  author: acme\n  version: "1.2.0"',
      '# Steps\n\nRead `forms/rules.md`.',
    );
    await mkdir(join(path, 'forms'));
    await writeFile(join(path, 'forms/rules.md'), 'Net is 30 days.');
    await writeFile(
      join(path, 'schema.json'),
      '{"type":"object","properties":{"n":{"type":"number"}}}',
    );
    const { skills, problems } = await read();
    expect(problems).toEqual([]);
    expect(skills).toMatchObject([
      {
        id: 'invoices@1.2.0',
        name: 'invoices',
        description: 'Checks invoices.',
        version: '1.2.0',
        source: { kind: 'local' },
        metadata: { author: 'acme' },
        instructions: '# Steps\n\nRead `forms/rules.md`.',
        schema: { type: 'object' },
        files: [{ path: 'forms/rules.md', bytes: 15 }, { path: 'schema.json' }],
      },
    ]);
  });

  it.each([
    ['no front matter', undefined, /no front matter/],
    ['no name', 'description: D.', /name is missing/],
    ['a name that is no name', 'name: My Skill\ndescription: D.', /Use 1 to 64/],
    ['the name of another folder', 'name: other\ndescription: D.', /the folder is "broken"/],
    ['no description', 'name: broken', /description must be text/],
    [
      'a description that is too long',
      `name: broken\ndescription: ${'x'.repeat(1_100)}`,
      /1 to 1024/,
    ],
    ['an unknown field', 'name: broken\ndescription: D.\ntitle: T', /unknown field "title"/],
    ['a version that is a number', 'name: broken\ndescription: D.\nversion: 1.0', /in quotes/],
    ['an alias bomb', 'name: &a [x,x]\ndescription: [*a,*a]\nmetadata: {x: *a}', /name is|alias/],
    ['a forbidden key', 'name: broken\ndescription: D.\n__proto__: {x: 1}', /not allowed/],
  ])('skill: %s → named with its file, and left out', async (_, front, reason) => {
    const path = await skill('broken', front ?? '');
    if (front === undefined) await writeFile(join(path, 'SKILL.md'), '# No front matter');
    const { skills, problems } = await read();
    expect(skills).toEqual([]);
    expect(problems.map(({ where, text }) => `${where}: ${text}`).join('\n')).toMatch(reason);
    expect(problems[0]!.where).toMatch(/^skills\/broken\/SKILL\.md/);
    await expect(readSkills(folder, undefined, folder)).rejects.toThrow(/SKILL\.md/);
  });

  it('skills: a package → its folder `skills`, found from the folder of the configuration', async () => {
    await skill(
      'forms',
      'name: forms\ndescription: Forms.\nversion: "2.0.0"',
      'Fill.',
      'node_modules/@acme/kit/skills',
    );
    await writeFile(join(folder, 'node_modules/@acme/kit/package.json'), '{"version":"3.1.4"}');
    const { skills, problems } = await read(['npm:@acme/kit']);
    expect(problems).toEqual([]);
    expect(skills[0]!.source).toEqual({
      kind: 'npm',
      package: '@acme/kit',
      packageVersion: '3.1.4',
    });
    expect((await read(['npm:not-there'])).problems[0]!.text).toMatch(/npm install not-there/);
    expect((await read(['npm:../../etc'])).problems[0]!.text).toMatch(/not the name/);
    expect((await read(['nowhere'])).problems[0]!.text).toMatch(/no such folder/);
  });

  it('skills: two of one name and version → refused; two versions → the newest, or the one that is named', async () => {
    await skill('a', 'name: a\ndescription: Old.\nversion: "1.9.0"');
    await skill('a', 'name: a\ndescription: New.\nversion: "1.10.0"', 'Do.', 'more');
    const { skills } = await read(['skills', 'more']);
    expect(chooseSkills(skills, ['a']).map(({ version }) => version)).toEqual(['1.10.0']);
    expect(chooseSkills(skills, ['*', 'a@1.9.0']).map(({ version }) => version)).toEqual(['1.9.0']);
    expect(compareVersions('1.0.0-rc.1', '1.0.0')).toBeLessThan(0);
    await skill('a', 'name: a\ndescription: Twin.\nversion: "1.9.0"', 'Do.', 'twin');
    expect((await read(['skills', 'twin'])).problems[0]!.text).toMatch(/already a skill a@1\.9\.0/);
  });

  it('skills: an agent that names one that is not there → refused, with what is meant', async () => {
    await skill('invoices', 'name: invoices\ndescription: D.');
    const config = (wanted: string) =>
      resolveConfig(
        { skills: 'skills', agents: [{ name: 'a', instructions: 'I', skills: [wanted] }] },
        readSettings({}, folder),
      );
    await expect(config('invoces')).rejects.toThrow(/unknown skill "invoces".*invoices/);
    await expect(config('invoices@9.0.0')).rejects.toThrow(/Known versions: 0\.0\.0/);
    expect((await config('invoices')).skills).toHaveLength(1);
  });

  it('memory and skills: a tool of the configuration with the name of one that they give → refused', async () => {
    const recall = tool({ name: 'recall', description: 'Mine.', execute: () => 'x' });
    const config = (agent: object) =>
      resolveConfig(
        { skills: [], tools: [recall], agents: [{ name: 'a', instructions: 'I', ...agent }] },
        readSettings({}, folder),
      );
    await expect(config({ memory: true })).rejects.toThrow(/tool "recall" by Perdura/);
    await expect(config({ memory: true, tools: ['remember'] })).resolves.toBeDefined();
    await expect(config({})).resolves.toBeDefined();
  });

  it.each([
    [{ memory: { scope: 'all' } }, /"user" or "agent"/],
    [{ memory: { recallAtStart: 1e20 } }, /from 0 to 50/],
    [{ memory: { recall: 3 } }, /unknown field "recall"/],
    [{ memory: 'yes' }, /must be true, false/],
    [{ showContext: ['policy'] }, /not a part of the context/],
    [{ skills: 'invoices' }, /must be a list/],
  ])('agent: %j → refused, with what is right', (part, reason) => {
    const { error } = agentSchema.safeParse({ name: 'a', instructions: 'I', ...part });
    expect(error?.issues.map(({ message }) => message).join(' ')).toMatch(reason);
  });

  describe('tools', () => {
    const context = {} as never;
    let load: Tool;
    let resource: Tool;
    let path: string;
    beforeEach(async () => {
      path = await skill(
        'invoices',
        'name: invoices\ndescription: Checks invoices.',
        'Read rules.md.',
      );
      await skill('secret', 'name: secret\ndescription: Not for this agent.');
      await writeFile(join(path, 'rules.md'), 'Net is 30 days.');
      await writeFile(join(folder, 'outside.txt'), 'a secret');
      const agent = { name: 'a', skills: ['invoices'], limits: DEFAULT_LIMITS } as unknown as Agent;
      const tools = new Skills((await read()).skills).tools(agent);
      [load, resource] = tools as [Tool, Tool];
    });
    const readPath = async (at: string) =>
      resource.execute({ skill: 'invoices', path: at } as never, context) as Promise<string>;

    it('load_skill: offered with the names and descriptions of the agent’s skills → loads them alone', async () => {
      expect(load.description).toContain('- invoices: Checks invoices.');
      expect(load.description).not.toContain('secret');
      const text = (await load.execute({ skill: 'invoices' } as never, context)) as string;
      expect(text).toContain('Read rules.md.');
      expect(text).toContain('- rules.md (15 bytes)');
      await expect(async () => load.execute({ skill: 'secret' } as never, context)).rejects.toThrow(
        /no skill "secret"/,
      );
    });

    it.each([
      '../secret/SKILL.md',
      '../../outside.txt',
      '/etc/passwd',
      'forms/../../../outside.txt',
      '.',
      '',
      'rules.md\u0000.png',
      'link.txt',
      'linked/outside.txt',
      'pipe/../rules.txt',
    ])('read_skill_resource: %j → not found', async (at) => {
      await symlink(join(folder, 'outside.txt'), join(path, 'link.txt'));
      await symlink(folder, join(path, 'linked'));
      await expect(readPath(at)).rejects.toThrow(/has no file/);
    });

    it('read_skill_resource: a text → its text; binary and too long → refused; a link within the folder → followed', async () => {
      expect(await readPath('rules.md')).toBe('Net is 30 days.');
      expect(await readPath('./rules.md')).toBe('Net is 30 days.');
      await symlink(join(path, 'rules.md'), join(path, 'again.md'));
      expect(await readPath('again.md')).toBe('Net is 30 days.');
      await writeFile(join(path, 'logo.png'), Buffer.from([0x89, 0x50, 0, 1]));
      await expect(readPath('logo.png')).rejects.toThrow(/not text/);
      await writeFile(join(path, 'long.txt'), 'x'.repeat(1024 * 1024 + 1));
      await expect(readPath('long.txt')).rejects.toThrow(/at most 1048576/);
      await expect(readPath('rule.md')).rejects.toThrow(/Did you mean rules\.md/);
    });
  });
});
