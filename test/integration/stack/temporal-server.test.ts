import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readSettings } from '../../../src/config/environment.js';
import type { Settings } from '../../../src/config/environment.js';
import {
  javaTestServerExecutable,
  startJavaTestServer,
} from '../../../src/stack/java-test-server.js';
import { resolveTemporal } from '../../../src/stack/temporal-server.js';
import { temporaryFolder } from './support.js';

/** Settings that see nothing of this machine's Temporal. */
async function settingsWith(env: Record<string, string> = {}): Promise<Settings> {
  const folder = await temporaryFolder();
  return readSettings({ PATH: process.env.PATH, HOME: folder, ...env }, folder);
}

async function works(address: string): Promise<void> {
  const connection = await Connection.connect({ address });
  const { workflow } = new Client({ connection });
  await workflow.start('any', { workflowId: 'one', taskQueue: 'nobody' });
  await connection.close();
}

describe('Temporal server', { timeout: 120_000 }, () => {
  it('TEMPORAL_ADDRESS → that server, and stop leaves it alone', async () => {
    const server = await startJavaTestServer({ settings: readSettings() });
    onTestFinished(server.stop);
    const settings = await settingsWith({ TEMPORAL_ADDRESS: server.address });
    const temporal = await resolveTemporal({ settings });
    expect(temporal).toMatchObject({ kind: 'external', address: server.address, cannot: [] });
    await temporal.stop();
    await works(server.address);
  });

  it('TEMPORAL_ADDRESS where nothing answers → an error with the ways out, no fallback', async () => {
    const settings = await settingsWith({ TEMPORAL_ADDRESS: '127.0.0.1:1' });
    await expect(resolveTemporal({ settings })).rejects.toMatchObject({
      type: 'Temporal.Unavailable',
      message: expect.stringMatching(
        /No Temporal server answers at 127\.0\.0\.1:1 .*unset it/,
      ) as string,
    });
  });

  it('`temporal` on the PATH → start-dev on loopback with a database file', async () => {
    const folder = await temporaryFolder();
    const log = join(folder, 'arguments');
    const java = await javaTestServerExecutable(readSettings());
    // Stands in for the CLI: notes its arguments, and serves on the port that it is given.
    const script = `#!/bin/sh
echo "$@" > '${log}'
while [ "$1" != --port ]; do shift; done
exec '${java}' "$2"
`;
    await writeFile(join(folder, 'temporal'), script, { mode: 0o755 });
    const settings = await settingsWith({ PATH: `${folder}${delimiter}${process.env.PATH}` });
    const temporal = await resolveTemporal({
      settings,
      searchAttributes: { PerduraTenant: 'Keyword' },
    });
    onTestFinished(temporal.stop);
    expect(temporal.kind).toBe('cli');
    await works(temporal.address);
    const words = await readFile(log, 'utf8');
    expect(words).toMatch(/^server start-dev --ip 127\.0\.0\.1 --port \d+ --ui-ip 127\.0\.0\.1 /);
    expect(words).toContain(`--db-filename ${join(settings.dataDir, 'temporal.db')}`);
    expect(words).toContain('--search-attribute PerduraTenant=Keyword');
    expect(words).toContain('system.enableActivityEagerExecution=true');
  });

  it('no CLI, and a download that failed lately → Java test server, with what it cannot do', async () => {
    const { cacheDir } = readSettings();
    const settings = {
      ...(await settingsWith({ PERDURA_TEMPORAL: 'java-test-server' })),
      cacheDir,
    };
    const temporal = await resolveTemporal({ settings });
    onTestFinished(temporal.stop);
    expect(temporal.kind).toBe('java-test-server');
    expect(temporal.cannot.join()).toContain('keep workflows when it stops');
    await works(temporal.address);
  });

  it('nothing at all → the reason of each kind, in order', async () => {
    const settings = await settingsWith({ PATH: '/nonexistent' });
    const folder = join(settings.cacheDir, 'temporal-cli');
    const note = { at: Date.now() - 60_000, failure: 'nothing arrived for 15 s' };
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'failed.json'), JSON.stringify(note));
    await expect(resolveTemporal({ settings })).rejects.toThrow(
      /external: TEMPORAL_ADDRESS is not set.*\n- cli: .*not on the PATH\n- download: nothing arrived for 15 s \(1 min ago.*\n- java-test-server: .*Java 11/,
    );
  });
});
