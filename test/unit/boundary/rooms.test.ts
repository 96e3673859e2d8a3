/**
 * The allow-lists of the rooms: that the table in the documentation is theirs, and that what is
 * not on a list is refused, for every room and everything that it could import.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../support/temporary-folder.js';

interface Room {
  readonly room: string;
  readonly rooms: readonly string[];
  readonly types?: readonly string[];
  readonly packages: readonly string[];
  readonly node: boolean;
}

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const { ROOMS, roomTable } = createRequire(import.meta.url)(join(ROOT, 'scripts/rooms.cjs')) as {
  ROOMS: readonly Room[];
  roomTable: () => string;
};
const PACKAGES = [...new Set(ROOMS.flatMap(({ packages }) => packages))];
/** A file of a room that others import; the composition root is one file, which is both. */
const targetOf = (room: string) => (room.endsWith('.ts') ? room : `${room}/target.ts`);
const probeOf = (room: string) => (room.endsWith('.ts') ? room : `${room}/probe.ts`);

describe('rooms', () => {
  /** What each room was refused, by the room: rooms, `types of …`, packages, `node`. */
  const refused = new Map<string, Set<string>>();

  // A tree with the same rooms, in which every room imports everything.
  beforeAll(async () => {
    const tree = temporaryFolder();
    for (const file of ['.dependency-cruiser.cjs', 'scripts/rooms.cjs', 'tsconfig.json']) {
      cpSync(join(ROOT, file), join(tree, file));
    }
    const dependencies = Object.fromEntries(PACKAGES.map((name) => [name, '1']));
    write(tree, 'package.json', JSON.stringify({ name: 'tree', type: 'module', dependencies }));
    for (const name of PACKAGES) {
      write(
        tree,
        `node_modules/${name}/package.json`,
        JSON.stringify({ name, type: 'module', exports: './index.js' }),
      );
      write(tree, `node_modules/${name}/index.js`, 'export {};');
    }
    symlinkSync(join(ROOT, 'node_modules/typescript'), join(tree, 'node_modules/typescript'));
    for (const { room } of ROOMS) {
      if (targetOf(room) !== probeOf(room)) {
        write(tree, targetOf(room), 'export const target = 1;\nexport type Target = number;\n');
      }
      write(tree, probeOf(room), probe(room, 'import'));
      if (!room.endsWith('.ts')) write(tree, `${room}/types.ts`, probe(room, 'import type'));
    }
    const violations = await cruise(tree);
    for (const { from, to, rule } of violations) {
      const owner = ROOMS.find(({ room }) => rule.name === `room ${room}`);
      if (!owner) continue;
      const asType = from.endsWith('/types.ts');
      const found = refused.get(owner.room) ?? new Set();
      refused.set(owner.room, found.add(`${asType ? 'types of ' : ''}${whatIs(to)}`));
    }
  });

  it.each(ROOMS.map((room) => [room.room, room] as const))(
    'rooms: %s imports everything → all that is not on its list is refused, and nothing else',
    (_, { room, rooms, types = [], packages, node }) => {
      const others = ROOMS.map((other) => other.room).filter((other) => other !== room);
      const isFile = room.endsWith('.ts');
      const expected = [
        ...others.filter((other) => !rooms.includes(other)),
        ...others
          .filter((other) => !isFile && ![...rooms, ...types].includes(other))
          .map((other) => `types of ${other}`),
        ...PACKAGES.filter((name) => !packages.includes(name)),
        ...(node ? [] : ['node']),
      ];
      expect([...(refused.get(room) ?? [])].sort()).toEqual(expected.sort());
    },
  );

  it('rooms: the table in docs/architecture.md → that of scripts/rooms.cjs', () => {
    const page = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8');
    expect(page).toContain(`\n${roomTable()}\n`);
  });
});

function probe(room: string, keyword: 'import' | 'import type'): string {
  const from = dirname(probeOf(room));
  const name = keyword === 'import' ? 'target' : 'Target';
  const rooms = ROOMS.map((other) => other.room)
    .filter((other) => other !== room)
    .map((other, i) => {
      const path = relative(from, targetOf(other)).replace(/\.ts$/, '.js');
      const specifier = path.startsWith('.') ? path : `./${path}`;
      return `${keyword} { ${name} as r${i} } from '${specifier}';`;
    });
  const others = ['node:fs', ...PACKAGES].map((other) => `import '${other}';`);
  const used = rooms.map((_, i) =>
    keyword === 'import' ? `r${i};` : `export type T${i} = r${i};`,
  );
  return [...rooms, ...(keyword === 'import' ? others : []), ...used, 'export {};'].join('\n');
}

function write(tree: string, path: string, text: string): void {
  const file = join(tree, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

interface Violation {
  readonly from: string;
  readonly to: string;
  readonly rule: { readonly name: string };
}

async function cruise(tree: string): Promise<readonly Violation[]> {
  const program = join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const args = ['--config', '.dependency-cruiser.cjs', '--output-type', 'json'];
  // It ends with the number of its errors.
  const out = await new Promise<string>((resolve) => {
    execFile(
      process.execPath,
      [program, ...args, 'src', 'workflows', 'activities', 'worker'],
      { cwd: tree, maxBuffer: 64 * 1024 * 1024 },
      (_error, stdout, stderr) => resolve(stdout || stderr),
    );
  });
  return (JSON.parse(out) as { summary: { violations: Violation[] } }).summary.violations;
}

function whatIs(to: string): string {
  const name = PACKAGES.find((each) => to.includes(`node_modules/${each}/`) || to === each);
  if (name) return name;
  if (/^(node:)?fs$/.test(to)) return 'node';
  return ROOMS.find(({ room }) => targetOf(room) === to || probeOf(room) === to)?.room ?? to;
}
