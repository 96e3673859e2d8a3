/**
 * A folder that agents work in. Every path that a model names is one within it: what leads out, by
 * `..`, by an absolute path or by a symbolic link, is refused. Each tenant has a folder of its own.
 */
import { mkdir, readdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { PerduraError } from '../../contracts/failures.js';
import { DEFAULT_TENANT } from '../../contracts/ids.js';
import { clip } from '../../contracts/text.js';

/** Folders of other tenants than the default one. No path of a model leads here. */
const TENANTS = '.tenants';
/** Largest file that is read, bytes. */
export const MOST_FILE_BYTES = 16 * 1024 * 1024;
/** Most files that one listing or search looks at. */
const MOST_FILES = 10_000;
const DEEPEST = 16;
const LEFT_OUT = new Set([TENANTS, '.git', 'node_modules']);

/** A file of a workspace. */
export interface WorkspaceFile {
  /** Relative to the workspace, with `/`. */
  readonly path: string;
  readonly bytes: number;
}

export class Workspace {
  readonly folder: string;

  constructor(folder: string, tenant: string) {
    this.folder =
      tenant === DEFAULT_TENANT ? resolve(folder) : join(resolve(folder), TENANTS, tenant);
  }

  /** Files below `path`, by name. `more` where there are too many to list. */
  async list(path = '.'): Promise<{ files: WorkspaceFile[]; more: boolean }> {
    const top = await this.#existing(path);
    const files: WorkspaceFile[] = [];
    if (top === undefined) return { files, more: false };
    const walk = async (folder: string, depth: number): Promise<boolean> => {
      const entries = await readdir(folder, { withFileTypes: true });
      for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
        if (LEFT_OUT.has(entry.name)) continue;
        const full = join(folder, entry.name);
        // Symbolic links are not followed: they may lead out, or in a circle.
        if (entry.isDirectory() && depth < DEEPEST && (await walk(full, depth + 1))) return true;
        if (!entry.isFile()) continue;
        if (files.length >= MOST_FILES) return true;
        const { size } = await stat(full);
        files.push({ path: this.#shown(full), bytes: size });
      }
      return false;
    };
    const info = await stat(top);
    if (info.isFile())
      return { files: [{ path: this.#shown(top), bytes: info.size }], more: false };
    return { files, more: await walk(top, 1) };
  }

  /** Throws `Tool.Failed` for a file that is not there, or that is too large. */
  async read(path: string): Promise<Buffer> {
    const full = await this.#existing(path);
    const info = full === undefined ? undefined : await stat(full);
    if (full === undefined || !info?.isFile()) {
      throw failed(
        `There is no file "${clip(path, 200)}" in the workspace. list_files shows those that there are.`,
      );
    }
    if (info.size > MOST_FILE_BYTES) {
      throw failed(
        `The file "${clip(path, 200)}" has ${info.size} bytes; at most ${MOST_FILE_BYTES} are read.`,
      );
    }
    return readFile(full);
  }

  /** Writes a whole file; a reader sees the old one or the new one. Folders are made. */
  async write(path: string, content: string): Promise<WorkspaceFile> {
    const full = this.#within(path);
    if (full === this.folder) throw failed('Name a file, not the workspace itself.');
    await mkdir(this.folder, { recursive: true });
    await this.#checkParents(full, path);
    const known = await stat(full).catch(() => undefined);
    if (known?.isDirectory()) throw failed(`"${clip(path, 200)}" is a folder.`);
    await mkdir(dirname(full), { recursive: true });
    const draft = join(dirname(full), `.${randomUUID()}.tmp`);
    try {
      await writeFile(draft, content, 'utf8');
      await rename(draft, full);
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
    return { path: this.#shown(full), bytes: Buffer.byteLength(content) };
  }

  /** The real path of what is there; `undefined` for nothing. */
  async #existing(path: string): Promise<string | undefined> {
    const full = this.#within(path);
    const root = await realpath(this.folder).catch(() => undefined);
    const real = root === undefined ? undefined : await realpath(full).catch(() => undefined);
    if (root === undefined || real === undefined) return undefined;
    if (!isWithin(root, real)) throw outside(path);
    return full;
  }

  /** No folder on the way is a link that leads out. */
  async #checkParents(full: string, path: string): Promise<void> {
    const root = await realpath(this.folder);
    for (let folder = dirname(full); ; folder = dirname(folder)) {
      const real = await realpath(folder).catch(() => undefined);
      if (real === undefined) continue;
      if (!isWithin(root, real)) throw outside(path);
      return;
    }
  }

  #within(path: string): string {
    if (path.includes('\0')) throw outside(path);
    const full = resolve(this.folder, path);
    const parts = relative(this.folder, full).split(sep);
    if (isAbsolute(path) || !isWithin(this.folder, full) || parts.includes(TENANTS)) {
      throw outside(path);
    }
    return full;
  }

  #shown(full: string): string {
    return relative(this.folder, full).split(sep).join('/');
  }
}

function isWithin(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder + sep);
}

function outside(path: string): PerduraError {
  return failed(
    `"${clip(path, 200)}" is not within the workspace. Use a path relative to it, such as "notes/plan.md".`,
  );
}

export function failed(message: string): PerduraError {
  return new PerduraError('Tool.Failed', message);
}
