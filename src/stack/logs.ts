/** `<dataDir>/logs/<part>.log`: what the parts of a stack print. */
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from '../config/environment.js';

/** Writers for the parts of a stack: by line, or by piece of text. They never throw. */
export function logsOf(
  settings: Pick<Settings, 'dataDir'>,
  onLine?: (part: string, line: string) => void,
) {
  const folder = join(settings.dataDir, 'logs');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const line = (part: string) => {
    // A new file for each start: nothing here grows for ever.
    const file = createWriteStream(join(folder, `${part}.log`), { mode: 0o600 });
    file.on('error', () => undefined);
    return (text: string) => {
      file.write(`${text}\n`);
      onLine?.(part, text);
    };
  };
  return {
    line,
    text: (part: string) => {
      const write = line(part);
      return (text: string) => text.trimEnd().split('\n').forEach(write);
    },
  };
}
