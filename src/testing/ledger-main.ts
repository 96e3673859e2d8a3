/**
 * The ledger's process: counts what tools do to the world, from outside the runtime. Each
 * request is on disk (fsync) before it is answered, so that a killed worker cannot take its
 * effect back. Started by `ledger.ts`; its one argument is the file.
 */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exitWithParent } from '../stack/exit-with-parent.js';
import type { LedgerEntry } from './ledger.js';

const file = openSync(process.argv[2]!, 'a');
const seen = new Map<string, number>();
let entries = 0;

const server = createServer((request, response) => {
  void record(request).then(
    ({ entry, hold }) => {
      process.send?.({ type: 'entry', entry });
      // A held reply never comes: whoever waits for it is meant to be killed.
      if (hold) return;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ attempt: entry.attempt, effect: entry.effect }));
    },
    (error: unknown) => {
      response.statusCode = 400;
      response.end(String(error));
    },
  );
});

async function record(request: IncomingMessage): Promise<{ entry: LedgerEntry; hold: boolean }> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { key, keyed, pid, label, holdFirst } = JSON.parse(Buffer.concat(chunks).toString()) as {
    key: string;
    keyed?: boolean;
    pid: number;
    label?: string;
    holdFirst?: boolean;
  };
  if (typeof key !== 'string' || typeof pid !== 'number') throw new Error('key and pid are needed');
  const attempt = (seen.get(key) ?? 0) + 1;
  seen.set(key, attempt);
  const entry: LedgerEntry = {
    n: ++entries,
    key,
    attempt,
    // A receiver that honours keys does nothing for one that it knows.
    effect: attempt === 1 || keyed !== true,
    pid,
    ...(label === undefined ? {} : { label }),
  };
  writeSync(file, `${JSON.stringify(entry)}\n`);
  fsyncSync(file);
  return { entry, hold: holdFirst === true && attempt === 1 };
}

server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.send?.({ type: 'ready', url: `http://127.0.0.1:${port}` });
});
exitWithParent(() => {
  server.closeAllConnections();
  closeSync(file);
  return Promise.resolve();
});
