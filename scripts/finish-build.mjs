/**
 * What `tsc` leaves to do: the workflow bundle beside the compiled code, so that a worker
 * starts without webpack, the SQL functions, and the executable bit of the command.
 */
import { chmod, cp, rm, stat, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { buildBundle, BUNDLE_PATH } from '../dist/worker/bundle.js';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const COMMAND = new URL('../dist/src/cli/main.js', import.meta.url);
const FUNCTIONS = 'src/store/functions/';
const SOURCE_MAP = /(sourceMappingURL=data:application\/json;[^,]*base64,)(\S+)/;

/** The map names files by their place on this machine; a package has another. */
function withRelativeSources(code) {
  return code.replace(SOURCE_MAP, (_, head, base64) => {
    const map = JSON.parse(Buffer.from(base64, 'base64').toString());
    map.sources = map.sources.map((source) => source.replace(ROOT, ''));
    return head + Buffer.from(JSON.stringify(map)).toString('base64');
  });
}

const { code } = await buildBundle();
await writeFile(BUNDLE_PATH, withRelativeSources(code));
const compiled = new URL(`../dist/${FUNCTIONS}`, import.meta.url);
await rm(compiled, { recursive: true, force: true });
await cp(new URL(`../${FUNCTIONS}`, import.meta.url), compiled, { recursive: true });
if (await stat(COMMAND).catch(() => undefined)) await chmod(COMMAND, 0o755);
