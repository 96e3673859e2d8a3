import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSettings } from '../../../src/config/environment.js';
import { settingsFor } from '../../../src/stack/dev-environment.js';
import {
  localProfile,
  readTemporalProfile,
  variablesOf,
} from '../../../src/config/temporal-profile.js';
import { temporaryFolder } from './support.js';

const read = (env: Record<string, string>) => readTemporalProfile(readSettings(env));

describe('Temporal profile', () => {
  it('no address → none, whatever else is set', () => {
    expect(read({ TEMPORAL_NAMESPACE: 'mine' })).toBeUndefined();
  });

  it('TEMPORAL_ADDRESS → plain, namespace default', () => {
    expect(read({ TEMPORAL_ADDRESS: 'host:7233' })).toEqual({
      address: 'host:7233',
      namespace: 'default',
      connection: { address: 'host:7233' },
      authenticated: false,
    });
  });

  it('TEMPORAL_API_KEY → TLS, and counts as authenticated', () => {
    expect(read({ TEMPORAL_ADDRESS: 'cloud:7233', TEMPORAL_API_KEY: 'k' })).toMatchObject({
      connection: { apiKey: 'k', tls: true },
      authenticated: true,
    });
  });

  it('temporal.toml → its address and namespace; a variable wins', async () => {
    const file = join(await temporaryFolder(), 'temporal.toml');
    await writeFile(file, '[profile.default]\naddress = "toml:7233"\nnamespace = "from-toml"\n');
    const env = { TEMPORAL_CONFIG_FILE: file };
    expect(read(env)).toMatchObject({ address: 'toml:7233', namespace: 'from-toml' });
    expect(read({ ...env, TEMPORAL_ADDRESS: 'env:7233' })).toMatchObject({ address: 'env:7233' });
  });

  it.each([
    ['a profile that is not there', { TEMPORAL_PROFILE: 'prod' }, "'prod' not found"],
    ['a certificate that is not there', { TEMPORAL_TLS_CLIENT_CERT_PATH: '/no/cert' }, '/no/cert'],
  ])('%s → Config.Invalid that names it', (_, env, what) => {
    expect(() => read({ TEMPORAL_ADDRESS: 'host:7233', ...env })).toThrow(what);
  });

  it('a server of ours → a child sees it without the TLS and key of another', () => {
    const env = { HOME: '/home/me', TEMPORAL_API_KEY: 'k', TEMPORAL_TLS: 'true' };
    const settings = readSettings(env, '/project');
    const merged = { ...env, ...variablesOf(localProfile('127.0.0.1:1', 'default'), settings) };
    const given = Object.entries(merged).filter(([, value]) => value !== undefined);
    expect(read(Object.fromEntries(given) as Record<string, string>)).toMatchObject({
      connection: { address: '127.0.0.1:1' },
      authenticated: false,
    });
  });

  it('a stack that runs → settings that lead to it', () => {
    const settings = settingsFor(readSettings({ TEMPORAL_API_KEY: 'k', HOME: '/home/me' }), {
      temporalKind: 'cli',
      temporalAddress: '127.0.0.1:1',
      namespace: 'default',
      databaseUrl: 'postgres://x@y/z',
      modelBaseUrl: 'http://127.0.0.1:2/v1',
    });
    expect(readTemporalProfile(settings)).toMatchObject({
      address: '127.0.0.1:1',
      authenticated: false,
    });
    expect(settings).toMatchObject({
      databaseUrl: 'postgres://x@y/z',
      openai: { baseUrl: 'http://127.0.0.1:2/v1', apiKey: 'offline', offline: true },
    });
  });
});
