import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readSettings } from '../../../src/config/environment.js';
import { checkNode, runDoctor } from '../../../src/stack/doctor.js';
import type { Check } from '../../../src/stack/doctor-check.js';
import { temporaryFolder } from './support.js';

async function examine(env: Record<string, string>): Promise<Map<string, Check>> {
  const folder = await temporaryFolder();
  const settings = readSettings({ PATH: '/nonexistent', HOME: folder, ...env }, folder);
  return new Map((await runDoctor(settings)).map((check) => [check.name, check]));
}

async function modelThatAnswers(status: number): Promise<string> {
  const server = createServer((_, response) => response.writeHead(status).end('{}'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as { port: number }).port}/v1`;
}

describe('doctor', () => {
  it.each([
    ['20.18.3', false],
    ['20.19.0', true],
    ['22.1.0', true],
    ['18.20.0', false],
  ])('Node %s → ok: %s', (version, ok) => {
    expect(checkNode(version)).toMatchObject({ ok });
  });

  it('a machine with nothing → every way to a Temporal server is named, the rest is looked at', async () => {
    const checks = await examine({ PERDURA_TEMPORAL: 'java-test-server' });
    expect(checks.get('Temporal')).toMatchObject({ ok: false });
    expect(checks.get('Temporal')?.detail).toMatch(/Java 11.*Temporal CLI.*TEMPORAL_ADDRESS/);
    expect(checks.get('Node')?.ok).toBe(true);
    expect(checks.get('Folder')?.ok).toBe(true);
    expect(checks.get('PostgreSQL')?.detail).toMatch(/^built-in PostgreSQL 18/);
  });

  it('no key → the offline model, with what to set', async () => {
    const model = (await examine({})).get('Model');
    expect(model).toMatchObject({ ok: true, detail: 'no API key: the offline model answers' });
    expect(model?.remedy).toContain('OPENAI_API_KEY');
  });

  it('the provider refuses the key → not ok, and the key is nowhere', async () => {
    const url = await modelThatAnswers(401);
    const checks = await examine({ OPENAI_BASE_URL: url, OPENAI_API_KEY: 'sk-canary' });
    expect(checks.get('Model')).toMatchObject({ ok: false, remedy: 'Correct OPENAI_API_KEY.' });
    expect(JSON.stringify([...checks])).not.toContain('sk-canary');
  });

  it('an endpoint that does not list its models → ok, it answers', async () => {
    const checks = await examine({ OPENAI_BASE_URL: await modelThatAnswers(404) });
    expect(checks.get('Model')).toMatchObject({ ok: true });
  });

  it('DATABASE_URL where nothing listens → says where, without the password', async () => {
    const checks = await examine({ DATABASE_URL: 'postgres://me:canary@127.0.0.1:1/mine' });
    const { ok, detail } = checks.get('PostgreSQL')!;
    expect(ok).toBe(false);
    expect(detail).toContain('127.0.0.1:1/mine');
    expect(detail).toContain('DATABASE_URL');
    expect(JSON.stringify([...checks])).not.toContain('canary');
  });

  it('PERDURA_CONFIG that is not there → names the path', async () => {
    const path = join(await temporaryFolder(), 'perdura.config.ts');
    const check = (await examine({ PERDURA_CONFIG: path })).get('Configuration');
    expect(check).toMatchObject({ ok: false });
    expect(check?.detail).toContain(path);
  });
});
