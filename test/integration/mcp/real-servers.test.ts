/** Servers that are not ours, from npm. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { npmServer, until } from '../../support/mcp.js';
import { manage, namesOf, textOf } from '../../support/mcp-manager.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The everything server over HTTP; resolves when it listens. */
async function httpServer(port: number): Promise<{ url: string; child: ChildProcess }> {
  const { command, args = [] } = npmServer('everything', ['streamableHttp']);
  const child = spawn(command, args, {
    env: { PATH: '/usr/bin:/bin', PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await until(() => /listening on port/i.test(said));
  return { url: `http://127.0.0.1:${port}/mcp`, child };
}

describe('everything over stdio', () => {
  it('mcp: tools, resources and prompts of a real server → tools with the effects of its annotations', async () => {
    const { manager, call } = manage({ all: npmServer('everything') });
    const tools = await manager.tools(['all']);
    const names = tools.map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining([
        'all__echo',
        'all__get-sum',
        'all__list_resources',
        'all__read_resource',
        'all__list_prompts',
        'all__get_prompt',
      ]),
    );
    expect(tools.every(({ run }) => run === 'activity')).toBe(true);
    expect(manager.status()[0]).toMatchObject({ state: 'ready', tools: tools.length, changed: [] });
    expect(textOf(await call('all__get-sum', { a: 2, b: 40 }))).toMatch(/42/);
    expect((await call('all__get-sum', { a: 'x' })).failure?.type).toBe('Tool.InvalidArguments');
    const image = await call('all__get-tiny-image');
    expect(image.parts).toContainEqual(
      expect.objectContaining({ type: 'image', mediaType: 'image/png' }),
    );
    const links = await call('all__get-resource-links', { count: 2 });
    expect(links.parts.filter(({ type }) => type === 'resource')).toHaveLength(2);
  });

  it('mcp: resources and prompts → listed and read as tools', async () => {
    const { call } = manage({ all: npmServer('everything') });
    const listed = textOf(await call('all__list_resources'));
    const uri = /^(demo:\/\/\S+)/m.exec(listed)?.[1];
    expect(listed).toMatch(/template: fill in the braces/);
    expect((await call('all__read_resource', { uri })).failure).toBeUndefined();
    const gone = await call('all__read_resource', { uri: 'demo://nowhere' });
    expect(gone.failure?.type).toBe('Tool.Failed');
    expect(textOf(await call('all__list_prompts'))).toMatch(/^args-prompt\(city/m);
    const prompt = await call('all__get_prompt', {
      name: 'args-prompt',
      arguments: { city: 'Rome' },
    });
    expect(textOf(prompt)).toMatch(/^user: .*Rome/);
  });

  it('mcp: progress of a real server → forwarded, with its fraction', async () => {
    const { call } = manage({ all: npmServer('everything') });
    const heard: (number | undefined)[] = [];
    await call(
      'all__trigger-long-running-operation',
      { duration: 0.3, steps: 3 },
      { progress: (_, fraction) => heard.push(fraction) },
    );
    // The last one comes together with the result, and the SDK may drop it: progress may be lost.
    expect(heard[0]).toBeCloseTo(1 / 3);
    expect(heard[1]).toBeCloseTo(2 / 3);
  });

  it('S10 mcp: environment of a stdio server → only what is harmless and what was configured', async () => {
    process.env['PERDURA_TEST_SECRET'] = 'secret';
    try {
      const { call } = manage({ all: { ...npmServer('everything'), env: { GIVEN: 'yes' } } });
      const environment = textOf(await call('all__get-env'));
      expect(environment).toMatch(/"GIVEN": "yes"/);
      expect(environment).not.toMatch(/PERDURA_TEST_SECRET/);
    } finally {
      delete process.env['PERDURA_TEST_SECRET'];
    }
  });

  it('mcp: only the tools that the operator lists → no others, no resources or prompts', async () => {
    const { manager } = manage({ all: { ...npmServer('everything'), tools: ['echo'] } });
    expect(await namesOf(manager)).toEqual(['all__echo']);
  });
});

describe('filesystem and memory over stdio', () => {
  it('mcp: two real servers at once → their tools side by side, each reached', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'note.txt'), 'a note');
    const { manager, call } = manage({
      files: npmServer('filesystem', [folder]),
      memory: {
        ...npmServer('memory'),
        env: { MEMORY_FILE_PATH: join(folder, 'memory.json') },
      },
    });
    const names = await namesOf(manager);
    expect(names).toContain('files__read_text_file');
    expect(names).toContain('memory__read_graph');
    const read = await call('files__read_text_file', { path: join(folder, 'note.txt') });
    expect(textOf(read)).toBe('a note');
    const outside = await call('files__read_text_file', { path: '/etc/passwd' });
    expect(outside.failure?.type).toBe('Tool.Failed');
    expect((await call('memory__read_graph')).failure).toBeUndefined();
  });
});

describe('everything over Streamable HTTP', () => {
  it('mcp: a server over HTTP → the same tools; goodbye ends its session', async () => {
    const { url } = await httpServer(await freePort());
    const { manager, call } = manage({ web: { url } });
    expect(await namesOf(manager)).toContain('web__echo');
    expect(textOf(await call('web__echo', { message: 'over HTTP' }))).toMatch(/over HTTP/);
    await manager.close();
  });

  it('F18 mcp: HTTP server killed in a call → noticed before the deadline; started again → used again', async () => {
    const port = await freePort();
    const { url, child } = await httpServer(port);
    const { manager, call } = manage({ web: { url, effects: { echo: 'read' } } });
    await namesOf(manager);
    const cut = call(
      'web__trigger-long-running-operation',
      { duration: 60, steps: 600 },
      { progress: () => void child.kill('SIGKILL') },
    );
    await expect(cut).rejects.toMatchObject({ type: 'Mcp.Unavailable' });
    await httpServer(port);
    await until(async () => {
      const again = await call('web__echo', { message: 'back' }).catch(() => undefined);
      return again !== undefined && textOf(again).includes('back');
    });
  });

  it('F18 mcp: HTTP server restarted between two calls → its new session is opened unseen', async () => {
    const port = await freePort();
    const { url, child } = await httpServer(port);
    const { manager, call } = manage({ web: { url } });
    await namesOf(manager);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await httpServer(port);
    expect(textOf(await call('web__echo', { message: 'again' }))).toMatch(/again/);
  });

  it('mcp: nothing listens at the url → no tools, and the status says why', async () => {
    const { manager } = manage({ web: { url: `http://127.0.0.1:${await freePort()}/mcp` } });
    expect(await namesOf(manager)).toEqual([]);
    expect(manager.status()[0]).toMatchObject({ state: 'failed', tools: 0 });
    expect(manager.status()[0]?.lastError).toMatch(/cannot be reached.*ECONNREFUSED/);
  });
});
