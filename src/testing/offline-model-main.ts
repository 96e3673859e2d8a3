/**
 * The offline model as a process of its own. Prints one line of JSON, `{"baseUrl":"…"}`, when
 * it is ready; `--port <n>` chooses its port. Ends on SIGTERM, on SIGINT, and when whoever
 * started it is gone: when its standard input is a pipe that ends, or its IPC channel closes.
 */
import { fstatSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startOfflineModel } from './offline-model.js';

const { values } = parseArgs({ options: { port: { type: 'string' } } });
const model = await startOfflineModel(
  values.port === undefined ? {} : { port: Number(values.port) },
);

const end = (): void => {
  void model.stop().finally(() => process.exit(0));
};
process.once('SIGTERM', end);
process.once('SIGINT', end);
process.once('disconnect', end);
// A closed or empty standard input (`< /dev/null`) says nothing about the parent.
if (isPipe(0)) process.stdin.resume().once('end', end).once('error', end);

process.stdout.write(`${JSON.stringify({ baseUrl: model.baseUrl })}\n`);

function isPipe(fd: number): boolean {
  try {
    const stat = fstatSync(fd);
    return stat.isFIFO() || stat.isSocket();
  } catch {
    return false;
  }
}
