import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { downloadTemporalCli, knownDownload } from '../../../src/stack/temporal-download.js';
import { temporaryFolder } from './support.js';

async function cacheWith(files: Record<string, string>): Promise<{ cacheDir: string }> {
  const cacheDir = await temporaryFolder();
  await mkdir(join(cacheDir, 'temporal-cli'));
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(cacheDir, 'temporal-cli', name), text);
  }
  return { cacheDir };
}

const failedAt = (at: number) => ({ 'failed.json': JSON.stringify({ at, failure: 'no way out' }) });

describe('download of the Temporal CLI', () => {
  it('in the cache → its path, nothing is fetched', async () => {
    const settings = await cacheWith({
      'temporal-sdk-typescript-1.24.0': '',
      'temporal-sdk-typescript-1.24.0.downloading': '',
    });
    const path = join(settings.cacheDir, 'temporal-cli', 'temporal-sdk-typescript-1.24.0');
    expect(await downloadTemporalCli({ settings })).toEqual({ path });
  });

  it('failed an hour ago → not tried again, says why and how to try', async () => {
    const settings = await cacheWith(failedAt(Date.now() - 3_600_000));
    let tried = false;
    const result = await downloadTemporalCli({ settings, onStart: () => (tried = true) });
    expect(tried).toBe(false);
    expect(result).toEqual({
      failure: expect.stringMatching(
        /^no way out \(60 min ago; remove .*failed\.json to try again\)$/,
      ) as string,
    });
  });

  it.each([
    ['failed yesterday', failedAt(Date.now() - 86_400_000)],
    ['failed in the future (the clock was wrong)', failedAt(Date.now() + 3_600_000)],
    ['a note that is no JSON', { 'failed.json': '{' }],
    ['nothing', {}],
  ])('%s → unknown, worth a try', async (_, files) => {
    expect(await knownDownload(await cacheWith(files))).toBeUndefined();
  });
});
