/** `perdura agents` and `perdura templates`, compiled, against a real stack. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandsIn } from '../../support/cli.js';
import { Harness } from '../../support/harness.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

let h: Harness;
const folder = temporaryFolder();
beforeAll(async () => {
  h = await Harness.start();
  h.model.reply(/./, 'answered');
});
afterAll(() => h.stop());

const perdura = commandsIn(folder, () => h);

describe('perdura templates, agents', () => {
  it('a template from a file → listed, an agent made of it, shown, and a session moved to it', async () => {
    const template = {
      extends: 'writer',
      variables: { paper: {} },
      agent: { instructions: 'You write for {{paper}}.', tools: [], provider: 'default' },
    };
    await writeFile(join(folder, 'reporter.json'), JSON.stringify(template));
    expect(await perdura('templates', 'register', 'reporter', 'reporter.json')).toMatchObject({
      code: 0,
      out: 'The template reporter is registered.\n',
    });
    const templates = await perdura('templates', 'list');
    for (const name of ['writer', 'analyst', 'searcher', 'reporter']) {
      expect(templates.out).toContain(name);
    }
    const missing = await perdura('templates', 'create', 'reporter', 'anna');
    expect(missing.code).toBe(1);
    expect(missing.err).toMatch(/agent\.variables\.paper: is missing/);
    const made = await perdura(
      'templates',
      'create',
      'reporter',
      'anna',
      '--var',
      'paper=Times',
      '--json',
    );
    const { version } = JSON.parse(made.out) as { version: string };
    expect((await perdura('agents', 'list')).out).toMatch(
      new RegExp(`anna +${version} +template reporter`),
    );
    expect((await perdura('agents', 'show', 'anna')).out).toContain('You write for Times.');
    const session = await h.runtime.start({ message: 'hello' });
    const moved = await perdura(
      'agents',
      'move',
      session.id,
      '--agent',
      'anna',
      '--definition',
      version,
    );
    expect(moved).toMatchObject({ code: 0, err: '' });
    expect(moved.out).toContain(`anna (${version})`);
    expect((await perdura('agents', 'versions', 'anna')).out).toMatch(
      new RegExp(`${version}.*newest`),
    );
    expect(await perdura('templates', 'remove', 'reporter')).toMatchObject({ code: 0 });
    expect(await perdura('templates', 'show', 'reporter')).toMatchObject({ code: 1 });
  });

  it('what is wrong → the reason and the exit code, as JSON with --json', async () => {
    expect(await perdura('agents', 'show', 'nobody')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/There is no agent "nobody"/) as string,
    });
    const usage = await perdura('templates', 'create', 'writer', 'w', '--var', 'oops', '--json');
    expect(usage.code).toBe(2);
    expect(JSON.parse(usage.err)).toMatchObject({
      error: { type: 'Usage', message: expect.stringContaining('--var') as string },
    });
  });
});
