import { describe, expect, it } from 'vitest';
import {
  childEnvironment,
  foreignEnvironment,
  readSettings,
} from '../../../src/config/environment.js';

describe('settings', () => {
  it('nothing set → folder below the working directory, namespace and cache by default', () => {
    expect(readSettings({ HOME: '/home/me' }, '/project')).toMatchObject({
      dataDir: '/project/.perdura',
      cacheDir: '/home/me/.cache/perdura',
      temporalNamespace: 'default',
      searchPath: [],
    });
  });

  it('XDG_CACHE_HOME → the cache is there', () => {
    expect(readSettings({ XDG_CACHE_HOME: '/cache' }).cacheDir).toBe('/cache/perdura');
  });

  it('TEMPORAL_… → handed on to envconfig, nothing else is', () => {
    const { temporalVariables } = readSettings({
      HOME: '/home/me',
      TEMPORAL_API_KEY: 'secret',
      OPENAI_API_KEY: 'other secret',
    });
    expect(temporalVariables).toEqual({ HOME: '/home/me', TEMPORAL_API_KEY: 'secret' });
  });

  it.each([
    ['PERDURA_TEMPORAL', 'docker', 'use cli, download, java-test-server'],
    ['PERDURA_TENANT', 'No!', 'use 1 to 40 of'],
    ['PERDURA_LOG_LEVEL', 'loud', 'use debug, info, warn or error'],
    ['PERDURA_MAX_CACHED_WORKFLOWS', '-1', 'use a whole number'],
  ])('%s=%s → Config.Invalid: %s', (name, value, remedy) => {
    expect(() => readSettings({ [name]: value })).toThrow(`${name} is "${value}": `);
    expect(() => readSettings({ [name]: value })).toThrow(remedy);
  });
});

describe('environment of children', () => {
  it('ours → everything, with overrides; undefined removes', () => {
    const env = { OPENAI_API_KEY: 'k', TEMPORAL_TLS: 'true', PATH: '/bin' };
    expect(childEnvironment({ TEMPORAL_TLS: undefined, DATABASE_URL: 'u' }, env)).toEqual({
      OPENAI_API_KEY: 'k',
      PATH: '/bin',
      DATABASE_URL: 'u',
    });
  });

  it('somebody else’s → no secrets, none of libpq’s variables', () => {
    const env = {
      PATH: '/bin',
      JAVA_HOME: '/java',
      https_proxy: 'http://proxy',
      OPENAI_API_KEY: 'k',
      GITHUB_TOKEN: 't',
      AWS_SECRET_ACCESS_KEY: 's',
      DATABASE_URL: 'u',
      PGPORT: '1',
      TEMPORAL_ADDRESS: 'a',
    };
    expect(foreignEnvironment(env)).toEqual({
      PATH: '/bin',
      JAVA_HOME: '/java',
      https_proxy: 'http://proxy',
    });
  });
});
