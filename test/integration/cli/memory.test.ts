/** `perdura memory`, `perdura skills` and `perdura context`, compiled, against a real stack. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandsIn } from '../../support/cli.js';
import { Harness } from '../../support/harness.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

let h: Harness;
const folder = temporaryFolder();
beforeAll(async () => {
  const agent = { memory: { scope: 'user' as const, recallAtStart: 2 }, skills: ['*'] };
  h = await Harness.start({ agent });
  await mkdir(join(folder, 'skills/invoices'), { recursive: true });
  await writeFile(
    join(folder, 'skills/invoices/SKILL.md'),
    '---\nname: invoices\ndescription: Checks invoices.\nversion: "1.2.0"\n---\nRead rules.md first.\n',
  );
  await writeFile(join(folder, 'skills/invoices/rules.md'), 'Net is 30 days.');
  await writeFile(
    join(folder, 'perdura.config.mjs'),
    `export default { agents: [{ name: 'assistant', instructions: 'You are a test.', model: 'gpt-test',
       memory: { recallAtStart: 2 }, skills: ['*'] }] };`,
  );
});
afterAll(() => h.stop());

const perdura = commandsIn(folder, () => h);

describe('perdura memory', () => {
  it('run --user → the session has the user; list, recall, forget and erase see its memory', async () => {
    h.model.enqueue(
      { toolCalls: [{ name: 'remember', arguments: { key: 'seat', text: 'Likes the window.' } }] },
      'Kept.',
    );
    const session = 'cli-memory';
    expect((await perdura('run', '-s', session, '-u', 'alice', 'I like the window')).code).toBe(0);
    const listed = await perdura('memory', 'list', '--user', 'alice');
    expect(listed.out).toMatch(
      /^KEY +KIND +VERSION +CHANGED +SESSION +TEXT\nseat +fact .*Likes the window\.\n$/,
    );
    const recalled = await perdura('memory', 'recall', 'which', 'window', '-u', 'alice', '--json');
    expect(JSON.parse(recalled.out)).toMatchObject([{ key: 'seat', session }]);
    expect((await perdura('memory', 'recall', 'window', '-u', 'bob')).code).toBe(1);

    const context = await perdura('context', session, '--message', 'Where shall I sit?');
    expect(context.out).toMatch(/Memory\n.*Likes the window/);
    expect(context.out).toMatch(/tools?: read_artifact, remember, recall, forget, load_skill/);
    const json = JSON.parse((await perdura('context', session, '--json')).out) as object;
    expect(json).toMatchObject({ session, agent: 'assistant', overflow: false });

    const other = await perdura('run', '-s', session, '-u', 'bob', 'hi');
    expect(other.code).toBe(2);
    expect(other.err).toContain('was not started for the user "bob"');

    expect((await perdura('memory', 'forget', 'nothing', '-u', 'alice')).code).toBe(1);
    const refused = await perdura('memory', 'erase', '-u', 'alice');
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.err).toContain('--yes');
    expect((await perdura('memory', 'erase', '-u', 'alice', '--yes')).out).toBe(
      'Erased 1 entry and 4 messages of 1 session.\n',
    );
    expect((await perdura('memory', 'list', '-u', 'alice')).out).toBe('Nothing is remembered.\n');
  });

  it('no owner, a limit that is none → usage errors, as JSON too', async () => {
    const none = await perdura('memory', 'list', '--json');
    expect(none.code).toBe(2);
    expect(none.err).toMatch(/--user/);
    expect((await perdura('memory', 'list', '-u', 'a', '--limit', '0')).code).toBe(2);
  });
});

describe('perdura skills', () => {
  it('list, show, check → what there is, and what is wrong with a folder', async () => {
    expect((await perdura('skills', 'list')).out).toMatch(
      /invoices +1\.2\.0 +local +assistant +Checks invoices\./,
    );
    const shown = await perdura('skills', 'show', 'invoices');
    expect(shown.out).toContain('Read rules.md first.');
    expect(shown.out).toContain('rules.md  15 B');
    expect((await perdura('skills', 'show', 'nothing')).code).toBe(1);
    expect((await perdura('skills', 'check')).out).toBe('✓ invoices@1.2.0\n');
    await mkdir(join(folder, 'drafts/broken'), { recursive: true });
    await writeFile(join(folder, 'drafts/broken/SKILL.md'), '---\nname: other\n---\nx');
    const checked = await perdura('skills', 'check', 'drafts');
    expect(checked.code).toBe(1);
    expect(checked.out).toMatch(/✗ drafts\/broken\/SKILL\.md: description must be text/);
    const json = JSON.parse((await perdura('skills', 'check', 'nowhere', '--json')).out) as object;
    expect(json).toMatchObject({ skills: [], problems: [{}] });
  });
});
