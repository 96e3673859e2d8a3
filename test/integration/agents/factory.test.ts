/** Agents made at run time: from declarations, templates and components, kept in the store. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tool } from '../../../src/contracts/define-tool.js';
import { AgentFactory, ToolRegistry } from '../../../src/index.js';
import { Deployments } from '../../support/deployments.js';

describe('agent factory', () => {
  let d: Deployments;
  let folder: string;
  let factory: AgentFactory;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'perdura-factory-'));
    d = await Deployments.start({
      agents: [{ name: 'assistant', instructions: 'x' }],
      workspace: folder,
    });
    factory = d.runtime.factory({ model: 'made-model' });
  });
  afterAll(async () => {
    await d.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('create: an agent → sessions run it, also after its workers were started again; another tenant has none', async () => {
    const made = await factory.create({ name: 'greeter', instructions: 'Greet.', tools: [] });
    expect(made).toMatchObject({ agent: 'greeter', definition: { model: 'made-model' } });
    expect(made).toBeInstanceOf(Object);
    d.model.enqueue('hello', 'hello again');
    const session = await d.runtime.start({ agent: 'greeter' });
    expect(await session.ask('hi')).toMatchObject({ text: 'hello' });
    expect(d.model.requests.at(-1)).toMatchObject({ system: 'Greet.', model: 'made-model' });
    await d.deploy({ agents: [{ name: 'assistant', instructions: 'x' }], workspace: folder });
    expect(await session.ask('hi')).toMatchObject({ text: 'hello again' });
    expect((await session.record())?.version).toBe(made.version);
    expect(await d.runtime.forTenant('other-tenant').factory().get('greeter')).toBeUndefined();
  });

  it('create: the same name and definition again → the same version; another definition → refused, or a new version', async () => {
    const first = await factory.create({ name: 'twice', instructions: 'One.' });
    expect((await factory.create({ instructions: 'One.', name: 'twice' })).version).toBe(
      first.version,
    );
    await expect(factory.create({ name: 'twice', instructions: 'Two.' })).rejects.toMatchObject({
      type: 'Agent.Invalid',
      message: expect.stringMatching(/"twice".*replace/) as string,
    });
    d.model.reply((request) => request.system === 'One.', 'one');
    d.model.reply((request) => request.system === 'Two.', 'two');
    const session = await d.runtime.start({ agent: 'twice' });
    await session.ask('who?');
    const second = await factory.create({ name: 'twice', instructions: 'Two.', replace: true });
    expect(await session.ask('who?')).toMatchObject({ text: 'one' });
    expect(await session.move()).toMatchObject({ version: second.version, applied: true });
    expect(await session.ask('who?')).toMatchObject({ text: 'two' });
    const versions = await d.runtime.agentVersions('twice');
    expect(versions.map(({ version }) => version).sort()).toEqual(
      [first.version, second.version].sort(),
    );
    expect(await factory.remove('twice')).toBe(true);
    await expect(d.runtime.start({ agent: 'twice', message: 'x' })).rejects.toMatchObject({
      type: 'Agent.Unknown',
    });
    expect(await session.ask('who?')).toMatchObject({ text: 'two' });
  });

  it.each([
    [{ name: 'a b', instructions: 'x' }, /agent\.name: "a b" is not a valid name\. Use 1 to 64/],
    [{ name: 'x', instructions: ' ' }, /agent\.instructions: is empty\. Write/],
    [{ name: 'x', instructions: 'x', temprature: 1 }, /unknown field "temprature".*temperature/],
    [
      { name: 'x', instructions: 'x', maxTokens: 1e20 },
      /agent\.maxTokens: must be a whole number of tokens/,
    ],
    [{ name: 'x', instructions: 'x', temperature: NaN }, /agent\.temperature: must be/],
    [{ name: 'assistant', instructions: 'x' }, /agent\.name: the configuration has an agent/],
    [
      { name: 'x', instructions: 'x', components: ['nothing'] },
      /agent\.components\[0\]: there is no component/,
    ],
  ])('create: %j → Agent.Invalid with path and remedy', async (options, message) => {
    await expect(factory.create(options as never)).rejects.toMatchObject({
      type: 'Agent.Invalid',
      message: expect.stringMatching(message) as string,
    });
  });

  it('createBatch: one of them is wrong → none is made, every problem is named by its place', async () => {
    const batch = [
      { name: 'b1', instructions: 'x' },
      { name: 'b2', instructions: '' },
      { name: 'b1', instructions: 'y' },
      { template: 'wrter', name: 'b3' },
    ];
    const refused = factory.createBatch(batch);
    await expect(refused).rejects.toThrow(/agents\[1\]\.instructions: is empty/);
    await expect(refused).rejects.toThrow(/agents\[2\]\.name: agents\[0\] has the same name/);
    await expect(refused).rejects.toThrow(
      /agents\[3\]\.template: there is no template "wrter".*writer/,
    );
    expect(await factory.get('b1')).toBeUndefined();
    await factory.create({ name: 'b4', instructions: 'here' });
    await expect(
      factory.createBatch([
        { name: 'b3', instructions: 'x' },
        { name: 'b4', instructions: 'there' },
      ]),
    ).rejects.toThrow(/"b4"/);
    expect(await factory.get('b3')).toBeUndefined();
  });

  it('createBatch: 50 at once, twice at the same time → each is there once', async () => {
    const batch = Array.from({ length: 50 }, (_, i) => ({
      name: `many-${i}`,
      instructions: `${i}`,
    }));
    const [made, again] = await Promise.all([
      factory.createBatch(batch),
      factory.createBatch([...batch].reverse()),
    ]);
    expect(made.map(({ agent }) => agent)).toEqual(batch.map(({ name }) => name));
    expect(new Set(again.map(({ version }) => version))).toEqual(
      new Set(made.map(({ version }) => version)),
    );
    expect((await factory.list()).filter(({ agent }) => agent.startsWith('many-'))).toHaveLength(
      50,
    );
  });

  it('templates: registered with inheritance and variables, read, listed, removed', async () => {
    const { templates } = factory;
    await templates.register('reporter', {
      extends: 'writer',
      variables: { paper: { description: 'For whom' }, topic: { default: 'cranes' } },
      agent: { instructions: '{{parent}}\nYou write for {{paper}}.', maxTokens: 2_000 },
    });
    expect((await templates.list()).map(({ name }) => name)).toEqual([
      'writer',
      'analyst',
      'searcher',
      'reporter',
    ]);
    await expect(factory.createFromTemplate('reporter', { name: 'r' })).rejects.toThrow(
      /agent\.variables\.paper: is missing \(For whom\)/,
    );
    await expect(
      factory.createFromTemplate('reporter', { name: 'r', variables: { papr: 'x', paper: 'y' } }),
    ).rejects.toThrow(/agent\.variables\.papr: the template has no such variable.*paper/);
    const { definition, template } = await factory.createFromTemplate('reporter', {
      name: 'r',
      variables: { paper: 'the {{topic}} Times' },
      overrides: { temperature: 0 },
    });
    expect(template).toBe('reporter');
    // A value is text: no gap of its own is filled.
    expect(definition.instructions).toMatch(
      /subject: cranes[\s\S]*write for the \{\{topic\}\} Times/,
    );
    expect(definition).toMatchObject({ maxTokens: 2_000, temperature: 0 });
    expect(definition.tools).toContain('write_file');
    expect(await templates.remove('reporter')).toBe(true);
    expect(await templates.get('reporter')).toBeUndefined();
    expect(await factory.get('r')).toBeDefined();
  });

  it('templates: a circle, an unknown parent, a name that is taken, a wrong field → Config.Invalid', async () => {
    const { templates } = factory;
    const agent = { instructions: 'x' };
    await templates.register('t1', { agent });
    await templates.register('t2', { extends: 't1', agent });
    await expect(templates.register('t1', { extends: 't2', agent })).rejects.toThrow(
      /circle: t1 → t2 → t1/,
    );
    await expect(templates.register('t3', { extends: 'writr', agent })).rejects.toThrow(/writer/);
    await expect(templates.register('writer', { agent })).rejects.toThrow(/comes with Perdura/);
    await expect(templates.register('t4', { agnt: {} } as never)).rejects.toThrow(/agnt/);
    await expect(templates.register('t4', { agent: { name: 'x' } } as never)).rejects.toMatchObject(
      {
        type: 'Config.Invalid',
      },
    );
  });

  it('components: tools, memory and workflow → in the agent; what it states itself counts', async () => {
    const registry = new ToolRegistry();
    const own = d.runtime.factory({ registry, model: 'm' });
    const stamp = tool({ name: 'stamp', description: 'Stamps.', execute: () => 'done' });
    own.components
      .register('stamps', { kind: 'tools', tools: [stamp, 'list_files'] })
      .register('small', { kind: 'memory', settings: { contextWindow: 10_000 } })
      .register('careful', {
        kind: 'workflow',
        settings: { limits: { maxSteps: 3, maxRepairs: 1 } },
      });
    expect(registry.get('stamp')).toBe(stamp);
    const { definition } = await own.create({
      name: 'composed',
      instructions: 'x',
      components: ['stamps', 'small', 'careful'],
      limits: { maxSteps: 5 },
    });
    expect(definition).toMatchObject({ tools: ['stamp', 'list_files'], contextWindow: 10_000 });
    expect(definition.limits).toMatchObject({ maxSteps: 5, maxRepairs: 1 });
    expect(() => own.components.register('small', { kind: 'tools' })).toThrow(
      /already a component/,
    );
    expect(() =>
      own.components.register('odd', { kind: 'memory', settings: { tools: ['x'] } }),
    ).toThrow(/settings\.tools does not belong/);
  });

  it('writer, analyst, searcher: made from their templates → each does real work on real files', async () => {
    const files = join(folder, '.tenants', d.tenant);
    await mkdir(files, { recursive: true });
    await writeFile(join(folder, 'secret.md'), 'autumn cranes of another tenant');
    await writeFile(
      join(files, 'sales.csv'),
      'region,amount\nnorth,10\nsouth,5\nnorth,30\nsouth,"1,5"\n',
    );
    await writeFile(join(files, 'notes.md'), '# Cranes\nCranes fly south in autumn.\n');
    await factory.createBatch([
      { template: 'writer', name: 'w' },
      { template: 'analyst', name: 'a' },
      { template: 'searcher', name: 's' },
    ]);
    const calls: Record<string, [string, object]> = {
      w: ['write_file', { path: 'texts/cranes.md', content: 'Cranes leave.' }],
      a: [
        'analyze_data',
        {
          path: 'sales.csv',
          groupBy: ['region'],
          measures: [{ column: 'amount', measure: 'sum' }],
        },
      ],
      s: ['search_files', { words: ['autumn', 'cranes'] }],
    };
    const results: Record<string, string> = {};
    for (const [agent, [name, args]] of Object.entries(calls)) {
      d.model.enqueue({ toolCalls: [{ name, arguments: args }] }, 'done');
      const session = await d.runtime.start({ agent });
      await session.ask('Do it');
      results[agent] = d.model.requests.at(-1)!.messages.at(-1)!.text;
    }
    expect(await readFile(join(files, 'texts/cranes.md'), 'utf8')).toBe('Cranes leave.');
    expect(results['w']).toMatch(/Wrote texts\/cranes\.md: 13 bytes/);
    expect(results['a']).toMatch(/4 of 4 rows\.\s+region\tsum\(amount\)\nnorth\t40\nsouth\t5/);
    // The files of the default tenant are not found.
    expect(results['s']).toMatch(/notes\.md:2: Cranes fly south in autumn\./);
    expect(results['s']).not.toContain('secret');
  });
});
