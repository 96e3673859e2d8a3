/** The tools over a workspace: nothing leads out of it, and what they say of files is right. */
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_TENANT } from '../../../src/contracts/ids.js';
import type { ToolContext } from '../../../src/contracts/tool.js';
import { workspaceTools } from '../../../src/tools/workspace/index.js';
import { parseCsv, readTable } from '../../../src/tools/workspace/table.js';

describe('workspace', () => {
  let root: string;
  let folder: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'perdura-workspace-'));
    folder = join(root, 'work');
    await mkdir(join(folder, '.tenants/other'), { recursive: true });
    await writeFile(join(root, 'secret.txt'), 'secret outside');
    await writeFile(join(folder, '.tenants/other/theirs.txt'), 'secret of another');
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  async function run(name: string, args: object, tenant = DEFAULT_TENANT): Promise<string> {
    const tool = workspaceTools(folder).find((each) => each.name === name)!;
    const context = { tenant, signal: new AbortController().signal } as ToolContext;
    const given = tool.parse ? tool.parse(args) : args;
    return (await tool.execute(given as never, context)) as string;
  }

  it.each([
    '../secret.txt',
    '/etc/hostname',
    'a/../../secret.txt',
    '.tenants/other/theirs.txt',
    './.tenants/../.tenants/other/theirs.txt',
    'x\0y',
    'link.txt',
    'linked/secret.txt',
  ])('S4 workspace: read, write and list %j → refused', async (path) => {
    await symlink(join(root, 'secret.txt'), join(folder, 'link.txt'));
    await symlink(root, join(folder, 'linked'));
    await expect(run('read_file', { path })).rejects.toThrow(/not within the workspace/);
    await expect(run('list_files', { folder: path })).rejects.toThrow(/not within the workspace/);
    if (path === 'link.txt') {
      // The link itself is replaced, and what it led to stays.
      await run('write_file', { path, content: 'mine' });
    } else {
      await expect(run('write_file', { path, content: 'x' })).rejects.toThrow(/not within/);
    }
    expect(await readdir(root)).toEqual(['secret.txt', 'work']);
    expect(await run('search_files', { words: ['secret'] })).toMatch(/^No line/);
  });

  it('S2 workspace: another tenant → has a folder of its own', async () => {
    await run('write_file', { path: 'a/b.txt', content: 'one\ntwo' }, 'other');
    expect(await run('list_files', {}, 'other')).toBe('a/b.txt\t7\ntheirs.txt\t17');
    expect(await run('list_files', {})).toBe('There are no such files.');
  });

  it('write_file, read_file: lines with numbers, from a place on, and over an old text', async () => {
    await run('write_file', { path: 'n.txt', content: 'old' });
    await run('write_file', { path: 'n.txt', content: 'one\ntwo\nthree' });
    expect(await run('read_file', { path: 'n.txt', from: 2, lines: 1 })).toBe(
      '2: two\n… 3 lines in all; go on from 3.',
    );
    expect(await readdir(folder)).toEqual(['.tenants', 'n.txt']);
  });

  it('write_file: half a surrogate pair → well-formed', async () => {
    await run('write_file', { path: 'n.txt', content: 'a\ud83db' });
    expect(await run('read_file', { path: 'n.txt' })).toBe('1: a\ufffdb');
  });

  it('search_files: all words of a line, in any case; binary files are left out', async () => {
    await writeFile(join(folder, 'a.md'), 'Cranes fly\nthe crane FLIES home\n');
    await writeFile(join(folder, 'b.bin'), Buffer.from([0, 1, 2, 3]));
    expect(await run('search_files', { words: ['FLI', 'crane'] })).toBe(
      '1 lines in 1 of 1 text files.\na.md:2: the crane FLIES home',
    );
  });

  it('analyze_data: filters, groups, measures, order → numbers that are right', async () => {
    await writeFile(
      join(folder, 's.csv'),
      'region;amount;who\nnorth;10;a\nsouth;5;b\nnorth;30;a\nsouth;;c\n',
    );
    expect(
      await run('analyze_data', {
        path: 's.csv',
        groupBy: ['region'],
        measures: [
          { column: 'amount', measure: 'mean' },
          { column: 'amount', measure: 'count' },
          { column: 'who', measure: 'distinct' },
        ],
        sortBy: 'mean(amount)',
        descending: false,
      }),
    ).toBe(
      '4 of 4 rows.\n\nregion\tmean(amount)\tcount(amount)\tdistinct(who)\nsouth\t5\t1\t2\nnorth\t20\t2\t1',
    );
    expect(
      await run('analyze_data', {
        path: 's.csv',
        where: [{ column: 'amount', is: '>', value: '7' }],
        measures: [{ column: 'amount', measure: 'sum' }],
      }),
    ).toBe('2 of 4 rows.\n\nsum(amount)\n40');
    await expect(run('analyze_data', { path: 's.csv', groupBy: ['nope'] })).rejects.toThrow(
      /no column "nope"; there are: region, amount, who/,
    );
  });

  it('analyze_data: JSON, JSON lines, nested and absent values → columns', async () => {
    await writeFile(join(folder, 'a.json'), '[{"n":1,"o":{"x":1}},{"n":3,"m":"t"}]');
    const described = await run('analyze_data', { path: 'a.json' });
    expect(described).toContain('n\tnumber\t2\t2\t1\t2\t2\t3\t4');
    expect(described).toContain('{"x":1}');
    await writeFile(join(folder, 'b.jsonl'), '{"n":1}\nnot json\n');
    await expect(run('analyze_data', { path: 'b.jsonl' })).rejects.toThrow(/line 2 is not JSON/);
  });

  it('CSV: quotes, doubled quotes, line breaks within them, CRLF → cells', () => {
    expect(parseCsv('a,b\r\n"x, y","say ""hi""\nthere"\r\n\r\n')).toEqual([
      ['a', 'b'],
      ['x, y', 'say "hi"\nthere'],
    ]);
    expect(readTable('n\n1e3\n-2.5\n007x\n', 'a.csv').rows.map(({ n }) => n)).toEqual([
      1000,
      -2.5,
      '007x',
    ]);
  });
});
