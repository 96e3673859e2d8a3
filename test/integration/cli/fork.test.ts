/** `perdura fork` and `perdura checkpoint`, compiled, against a real stack. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { commandsIn } from '../../support/cli.js';
import { Harness } from '../../support/harness.js';
import { eventually, userTexts } from '../../support/observe.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

const folder = temporaryFolder();
let h: Harness;
beforeAll(async () => {
  h = await Harness.start();
});
afterAll(() => h.stop());

const perdura = commandsIn(folder, () => h);

it('fork: at a turn, at a checkpoint, with an edited message; what cannot be is refused with the way out', async () => {
  const session = await h.runtime.start({ session: 'notes' });
  h.model.enqueue('one', 'two');
  await session.ask({ id: 'm1', text: 'first' });
  await session.ask({ id: 'm2', text: 'second' });

  expect((await perdura('checkpoint', 'notes')).out).toBe('notes has no checkpoints.\n');
  const saved = await perdura('checkpoint', 'notes', 'after one', '--turn', '1', '--note', 'fine');
  expect(saved.out).toBe('Turn 1 of notes is the checkpoint "after one".\n');
  expect((await perdura('checkpoint', 'notes')).out).toMatch(/after one +1 .* fine/);

  h.model.enqueue('three');
  const forked = await perdura(
    'fork',
    'notes',
    '--checkpoint',
    'after one',
    '--name',
    'other',
    '-m',
    'third',
  );
  expect([forked.code, forked.out]).toEqual([
    0,
    expect.stringContaining('other goes on from turn 1 of notes.'),
  ]);
  const other = h.runtime.session('other');
  await eventually(async () => (await other.record())?.turns === 2);
  expect(userTexts(await other.transcript())).toEqual(['first', 'third']);

  h.model.enqueue('four');
  const edited = await perdura('fork', 'notes', '--edit', 'm1', '-m', 'fourth', '--name', 'anew');
  expect(edited.out).toContain('anew goes on from the beginning of notes.');
  await eventually(async () => (await h.runtime.session('anew').record())?.turns === 1);

  const late = await perdura('fork', 'notes', '--turn', '7');
  expect([late.code, late.err]).toEqual([
    1,
    expect.stringContaining('Its last turn that has is 2.'),
  ]);
  expect((await perdura('fork', 'nobody')).err).toContain('Session.NotFound');
  expect((await perdura('fork', 'notes', '--checkpoint', 'x')).err).toContain(
    'Checkpoint.NotFound',
  );
  expect((await perdura('fork', 'notes', '--turn', '1', '--edit', 'm1')).code).toBe(2);
  expect((await perdura('checkpoint', 'notes', 'after one', '--remove')).code).toBe(0);
  expect((await perdura('checkpoint', 'notes', 'after one', '--remove')).code).toBe(1);
});
