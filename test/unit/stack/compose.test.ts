import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

interface Service {
  readonly ports?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
}

const text = read('docker-compose.yml');
const compose = parse(text, { merge: true }) as { services: Record<string, Service> };
const services = Object.entries(compose.services);

describe('docker-compose.yml', () => {
  it.each(services)('%s → publishes on 127.0.0.1 only', (_, { ports = [] }) => {
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
  });

  it.each(services)('%s → passwords and keys come from .env', (_, { environment = {} }) => {
    for (const [name, value] of Object.entries(environment)) {
      if (/PASSWORD|PWD|KEY|DATABASE_URL/.test(name)) expect(value).toMatch(/\$\{[A-Z_]+:[?-]/);
    }
  });

  it('variables → each is explained in .env.example, or has a default', () => {
    const example = read('.env.example');
    const variables = [...text.matchAll(/\$\{([A-Z_]+):\?/g)].map(([, name]) => name);
    expect(variables.length).toBeGreaterThan(0);
    for (const name of new Set(variables)) expect(example).toMatch(new RegExp(`^${name}=$`, 'm'));
  });

  it('files that are mounted → exist', () => {
    const files = services.flatMap(([, { volumes = [] }]) => volumes);
    for (const [, path] of files.map((each) => /^\.\/([^:]+):/.exec(each) ?? [])) {
      if (path) expect(read(path)).not.toBe('');
    }
  });

  it('dynamic configuration → what the documentation says was measured', () => {
    expect(parse(read('docker/temporal-dynamicconfig.yaml'))).toEqual({
      'system.enableActivityEagerExecution': [{ value: true }],
      'history.transferProcessorMaxPollRPS': [{ value: 2000 }],
    });
  });
});
