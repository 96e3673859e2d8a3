/** The report of `perdura doctor`. Pure. */
import type { Check } from '../../stack/doctor-check.js';
import { clean } from './clean.js';
import type { Style } from './style.js';

export function checksText(checks: readonly Check[], style: Style): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  return checks
    .map(({ name, ok, detail, remedy }) => {
      const mark = !ok ? style.red('✗') : remedy ? style.yellow('!') : style.green('✓');
      const pad = ' '.repeat(width - name.length);
      const next = remedy ? `\n  ${' '.repeat(width)}  ${clean(remedy)}` : '';
      return `${mark} ${name}${pad}  ${clean(detail)}${next}\n`;
    })
    .join('');
}
