/** Entries of a memory, one line each. Pure. */
import type { MemoryEntry } from '../../contracts/memory.js';
import { oneLine } from './clean.js';
import type { Style } from './style.js';
import { table } from './table.js';
import { ago } from './units.js';

/** `now` in ms since the epoch. */
export function memoryText(entries: readonly MemoryEntry[], style: Style, now: number): string {
  if (entries.length === 0) return 'Nothing is remembered.\n';
  const head = ['KEY', 'KIND', 'VERSION', 'CHANGED', 'SESSION', 'TEXT'].map(style.dim);
  const rows = entries.map(({ key, kind, version, updatedAt, session, text }) => [
    oneLine(key, 40),
    kind,
    String(version),
    ago(updatedAt, now),
    oneLine(session ?? '', 24),
    oneLine(text, 100),
  ]);
  return table([head, ...rows]);
}
