/** Numbers as people read them. Pure. */
import type { Usage } from '../../contracts/message.js';

/** `1234567` as `1,234,567`. */
export function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

/** Micro-dollars (1e-6 USD) as dollars, with as many digits as say something. */
export function dollars(micros: number): string {
  if (micros === 0) return '$0';
  const value = micros / 1_000_000;
  if (value >= 0.995) return `$${value.toFixed(2)}`;
  return micros < 100 ? `$${value.toFixed(6)}` : `$${value.toFixed(4)}`;
}

/** Milliseconds as `12 ms`, `3.4 s`, `2 min 5 s`, `3 h 2 min`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
}

/** Bytes as `512 B`, `3.4 KB`, `1.2 MB` (powers of 1,024). */
export function bytes(count: number): string {
  if (count < 1_024) return `${count} B`;
  const kilo = count / 1_024;
  return kilo < 999.5 ? `${kilo.toFixed(1)} KB` : `${(kilo / 1_024).toFixed(1)} MB`;
}

/** `1,203 → 88 tokens`; `~` where it is an estimate. */
export function tokens({
  input,
  output,
  estimated,
}: Pick<Usage, 'input' | 'output' | 'estimated'>): string {
  return `${estimated ? '~' : ''}${grouped(input)} → ${grouped(output)} tokens`;
}

/** How long ago: `now`, `5 min ago`, `3 h ago`, `2 days ago`. */
export function ago(iso: string, now: number): string {
  const minutes = Math.floor((now - Date.parse(iso)) / 60_000);
  if (!(minutes >= 1)) return 'now';
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ago`;
  return `${Math.floor(minutes / 1_440)} days ago`;
}

export function plural(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`;
}
