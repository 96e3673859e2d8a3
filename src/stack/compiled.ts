/** Where our compiled programs are: child processes run JavaScript, also when we run from source. */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PerduraError } from '../contracts/failures.js';

/** Path of a program, `worker/main.js` for example, as it is below `dist`. */
export function compiledModule(path: string): string {
  const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
  const module = import.meta.url.endsWith('.ts') ? join(root, 'dist', path) : join(root, path);
  if (!existsSync(module)) {
    throw new PerduraError(
      'Stack.Unavailable',
      `${module} is missing. Compile first (\`npm run build\`), or install the package again.`,
    );
  }
  return module;
}
