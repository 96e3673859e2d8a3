/** `perdura pool`, compiled, against a real stack. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { commandsIn } from '../../support/cli.js';
import { GatedModel } from '../../support/gated-model.js';
import { Harness } from '../../support/harness.js';
import { eventually } from '../../support/observe.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

const name = `p${randomBytes(6).toString('hex')}`;
const folder = temporaryFolder();
let h: Harness;
let gate: GatedModel;
beforeAll(async () => {
  h = await Harness.start({
    agent: { pool: { name, priority: 3 } },
    pools: { [name]: { maxAtWork: 1, maxPerTenant: 1 } },
  });
  gate = new GatedModel(h.model);
});
afterAll(async () => {
  gate.release();
  await h.stop();
});

const perdura = commandsIn(folder, () => h);

it('pools: listed, shown with who works and waits and why, changed while they do', async () => {
  await h.runtime.start({ session: 'one', message: 'one' });
  await gate.atWork('one');
  await h.runtime.start({ session: 'two', message: 'two' });
  await eventually(async () => (await h.runtime.pool(name).status()).waiting === 1);

  const listed = await perdura('pool');
  expect(listed.code).toBe(0);
  expect(listed.out).toMatch(/^POOL +AT WORK +MAX +PER TENANT +WAITING +FROM\n/);
  expect(listed.out).toMatch(new RegExp(`${name} +1 +1 +1 +1 +configuration`));
  const shown = await perdura('pool', 'show', name);
  expect(shown.out).toContain(`${name} · 1 of 1 at work · 1 waiting`);
  expect(shown.out).toMatch(new RegExp(`${h.tenant} +1 +1 +1 +1\n`));
  expect(shown.out).toMatch(/at work +one .*\n1 +two .* assistant +1 +3 +now +the pool has 1 of 1/);
  const json = JSON.parse((await perdura('pool', 'show', name, '--json')).out) as object;
  expect(json).toMatchObject({
    name,
    agents: { working: [{ session: 'one' }], waiting: [{ session: 'two', position: 1 }] },
  });
  expect((await perdura('show', 'two')).out).toContain(
    `waits for a slot of ${name}, place 1: the pool has 1 of 1 at work`,
  );

  expect((await perdura('pool', 'prioritise', name, 'two', '9')).code).toBe(0);
  expect((await perdura('pool', 'prioritise', name, 'one', '9')).code).toBe(1);
  const changed = await perdura(
    'pool',
    'set',
    name,
    '--max',
    '4',
    '--max-per-tenant',
    'none',
    '--json',
  );
  expect(JSON.parse(changed.out)).toMatchObject([{ maxAtWork: 4 }][0]!);
  await gate.atWork('one', 'two');
  gate.answer('one', 'two');
  await eventually(async () => (await h.runtime.pool(name).status()).atWork === 0);
  expect((await perdura('show', 'two')).out).toMatch(/waited .* for a slot of/);
});

it('pools: created at run time; what is wrong says so', async () => {
  const other = `${name}-2`;
  const made = await perdura('pool', 'create', other, '--max', '2', '--tenant-max', 'acme=1');
  expect(made.out).toMatch(new RegExp(`${other} +0 +2 +– +0 +run time`));
  const again = await perdura('pool', 'create', other, '--max', '2');
  expect(again).toMatchObject({ code: 1 });
  expect(again.err).toContain('There is already a pool');
  for (const [argv, said] of [
    [['set', `${name}-3`, '--max', '1'], 'There is no pool'],
    [['set', other], 'Say what to change'],
    [['set', other, '--max', 'many'], '--max is "many"'],
    [['set', other, '--tenant-max', 'acme'], 'Write <tenant>=<count>'],
    [['create', `${name}-3`], '--max 8'],
    [['create', 'a b', '--max', '1'], 'is not the name of a pool'],
  ] as const) {
    const ended = await perdura('pool', ...argv);
    expect(ended.code, argv.join(' ')).not.toBe(0);
    expect(ended.err).toContain(said);
  }
});
