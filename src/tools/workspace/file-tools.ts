/** Tools over the files of a workspace: list, read, write, and search for text. */
import { z } from 'zod';
import { tool } from '../../contracts/define-tool.js';
import type { Tool } from '../../contracts/tool.js';
import { clip, wellFormed } from '../../contracts/text.js';
import { failed, type Workspace } from './workspace.js';

const MOST_LISTED = 500;
const MOST_LINES = 400;
const LINE_UNITS = 400;
const MOST_MATCHES = 200;

/** The workspace of a tenant. */
export type WorkspaceOf = (tenant: string) => Workspace;

const path = (what: string) => z.string().max(1_000).describe(what);

export function fileTools(workspaceOf: WorkspaceOf): Tool[] {
  return [
    listFiles(workspaceOf),
    readFile(workspaceOf),
    searchFiles(workspaceOf),
    writeFile(workspaceOf),
  ];
}

function listFiles(workspaceOf: WorkspaceOf): Tool {
  return tool({
    name: 'list_files',
    description:
      'Lists the files of the workspace, or of a folder in it, with their sizes in bytes.',
    effect: 'read',
    run: 'local',
    parameters: z.object({
      folder: path('A folder, relative to the workspace').default('.'),
      ending: z
        .string()
        .max(50)
        .optional()
        .describe('Only files whose names end so, such as ".md"'),
    }),
    async execute({ folder, ending = '' }, { tenant }) {
      const { files, more } = await workspaceOf(tenant).list(folder);
      const fitting = files.filter((file) => file.path.endsWith(ending));
      if (fitting.length === 0) return 'There are no such files.';
      const lines = fitting.slice(0, MOST_LISTED).map((file) => `${file.path}\t${file.bytes}`);
      const rest = fitting.length - lines.length;
      return [
        ...lines,
        ...(rest > 0 || more
          ? [`… and ${rest}${more ? ' or more' : ''} others: name a folder or an ending.`]
          : []),
      ].join('\n');
    },
  });
}

function readFile(workspaceOf: WorkspaceOf): Tool {
  return tool({
    name: 'read_file',
    description: `Reads lines of a text file of the workspace, with their numbers; at most ${MOST_LINES} at once.`,
    effect: 'read',
    run: 'local',
    parameters: z.object({
      path: path('The file, relative to the workspace'),
      from: z.int().min(1).default(1).describe('First line'),
      lines: z.int().min(1).max(MOST_LINES).default(MOST_LINES),
    }),
    async execute({ path: name, from, lines }, { tenant }) {
      const all = textOf(await workspaceOf(tenant).read(name), name).split(/\r?\n/);
      const shown = all.slice(from - 1, from - 1 + lines);
      if (shown.length === 0) return `The file has ${all.length} lines.`;
      const next = from + shown.length;
      const numbered = shown.map((line, i) => `${from + i}: ${line}`);
      if (next <= all.length) numbered.push(`… ${all.length} lines in all; go on from ${next}.`);
      return numbered.join('\n');
    },
  });
}

function searchFiles(workspaceOf: WorkspaceOf): Tool {
  return tool({
    name: 'search_files',
    description:
      'Finds lines in the text files of the workspace that contain all of the given words, in any order and case. Answers with file, line number and line; files with the most matches first.',
    effect: 'read',
    run: 'local',
    timeoutMs: 30_000,
    parameters: z.object({
      words: z.array(z.string().min(1).max(200)).min(1).max(20),
      folder: path('A folder, relative to the workspace').default('.'),
      limit: z.int().min(1).max(MOST_MATCHES).default(40).describe('Most lines to show'),
    }),
    async execute({ words, folder, limit }, { tenant, signal }) {
      const workspace = workspaceOf(tenant);
      const wanted = words.map((word) => word.toLowerCase());
      const found: { path: string; lines: string[] }[] = [];
      let looked = 0;
      for (const { path: name } of (await workspace.list(folder)).files) {
        signal.throwIfAborted();
        const bytes = await workspace.read(name).catch(() => undefined);
        if (!bytes || isBinary(bytes)) continue;
        looked += 1;
        const lines = bytes
          .toString('utf8')
          .split(/\r?\n/)
          .flatMap((line, i) => {
            const low = line.toLowerCase();
            return wanted.every((word) => low.includes(word))
              ? [`${name}:${i + 1}: ${clip(line.trim(), LINE_UNITS)}`]
              : [];
          });
        if (lines.length > 0) found.push({ path: name, lines });
      }
      const total = found.reduce((sum, { lines }) => sum + lines.length, 0);
      if (total === 0) return `No line of ${looked} text files has all of these words.`;
      const best = found.sort(
        (a, b) => b.lines.length - a.lines.length || (a.path < b.path ? -1 : 1),
      );
      const shown = best.flatMap(({ lines }) => lines).slice(0, limit);
      return [`${total} lines in ${found.length} of ${looked} text files.`, ...shown].join('\n');
    },
  });
}

function writeFile(workspaceOf: WorkspaceOf): Tool {
  return tool({
    name: 'write_file',
    description:
      'Writes a whole text file in the workspace, in place of the one that is there. Folders are made.',
    // The second run writes the same file.
    effect: 'idempotent',
    run: 'local',
    parameters: z.object({
      path: path('The file, relative to the workspace'),
      content: z.string().max(2_000_000),
    }),
    async execute({ path: name, content }, { tenant }) {
      const written = await workspaceOf(tenant).write(name, wellFormed(content));
      return `Wrote ${written.path}: ${written.bytes} bytes, ${content.split('\n').length} lines.`;
    },
  });
}

export function textOf(bytes: Buffer, name: string): string {
  if (isBinary(bytes)) throw failed(`"${clip(name, 200)}" is not a text file.`);
  return bytes.toString('utf8').replace(/^\ufeff/, '');
}

function isBinary(bytes: Buffer): boolean {
  return bytes.subarray(0, 8_192).includes(0);
}
