/** `perdura inbox` and `perdura approvals`, compiled, against a real stack. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { tool } from '../../../src/contracts/define-tool.js';
import { commandsIn } from '../../support/cli.js';
import { Harness } from '../../support/harness.js';
import { eventually } from '../../support/observe.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

const folder = temporaryFolder();
const paid: unknown[] = [];
let h: Harness;
beforeAll(async () => {
  h = await Harness.start({
    agent: { tools: ['pay', 'ask_user'], policy: { approverRole: 'finance' } },
    tools: [
      tool({
        name: 'pay',
        description: 'Pays.',
        highRisk: true,
        parameters: { type: 'object', properties: { amount: { type: 'number' } } },
        execute: (args) => paid.push(args) && 'paid',
      }),
    ],
  });
  writeFileSync(
    join(folder, 'perdura.config.ts'),
    'export default { roles: { finance: ["bob"] } };\n',
  );
});
afterAll(() => h.stop());

const perdura = commandsIn(folder, () => h);
const waits = () => eventually(async () => (await h.runtime.inbox.list()).length === 1);

it('inbox: a call is listed, shown as it would run, refused to the wrong person, approved with other arguments', async () => {
  expect((await perdura('inbox')).out).toBe('Nothing waits for a person.\n');
  h.model.enqueue({ toolCalls: [{ name: 'pay', arguments: { amount: 5 } }] }, 'Paid.');
  const session = await h.runtime.start({ session: 'desk', message: 'pay' });
  await waits();
  const [request] = await h.runtime.inbox.list();
  const id = request!.id.slice(0, 12);
  const listed = await perdura('inbox');
  expect(listed.out).toMatch(
    new RegExp(`${id} +approval +waiting +pay +.*amount.* +desk +finance`),
  );
  const shown = await perdura('inbox', 'show', id);
  expect(shown.out).toContain('What would run:\n  {\n    "amount": 5\n  }\n');
  expect(shown.out).toContain(request!.digest);
  expect((await perdura('show', 'desk')).out).toContain(`perdura inbox show ${id}`);

  const stranger = await perdura('inbox', 'approve', id, '--as', 'mallory');
  expect([stranger.code, stranger.err]).toEqual([1, expect.stringContaining('Request.Forbidden')]);
  const other = await perdura('inbox', 'approve', id, '--as', 'bob', '--digest', 'abc');
  expect(other.err).toContain('Request.Changed');
  const wrong = await perdura('inbox', 'approve', id, '--as', 'bob', '--edit', '{"amount":"x"}');
  expect(wrong.err).toContain('/amount: expected number, got string');
  expect(paid).toEqual([]);

  const edit = ['--edit', '{"amount":4}', '--remember', 'session', '--until', '2999-01-01'];
  const done = await perdura('approvals', 'approve', id, '--as', 'bob', ...edit);
  expect([done.code, done.out]).toEqual([0, 'pay of desk is approved.\n']);
  await eventually(async () => (await session.record())?.state === 'idle');
  expect(paid).toEqual([{ amount: 4 }]);
  expect((await perdura('inbox', 'decline', id, '--as', 'bob')).err).toContain('Request.Decided');
  expect((await perdura('show', 'desk')).out).toContain('approved with other arguments by bob');

  const remembered = await perdura('approvals', 'remembered', '--json');
  const [grant] = JSON.parse(remembered.out) as { id: string; tool: string; scope: string }[];
  expect(grant).toMatchObject({ tool: 'pay', scope: 'session', grantedBy: 'bob' });
  expect((await perdura('approvals', 'revoke', grant!.id)).code).toBe(0);
  expect((await perdura('approvals', 'revoke', grant!.id)).code).toBe(1);
  expect((await perdura('approvals', 'remembered')).out).toBe('No approval is remembered.\n');
});

it('inbox: a question is answered; what nobody asks for, or is no answer, is refused', async () => {
  const question = { question: 'Which?', choices: ['a', 'b'] };
  h.model.enqueue({ toolCalls: [{ name: 'ask_user', arguments: question }] }, 'Thanks.');
  const session = await h.runtime.start({ session: 'asks', message: 'ask' });
  await waits();
  const [{ id }] = JSON.parse((await perdura('inbox', '--json')).out) as [{ id: string }];
  expect((await perdura('inbox', 'answer', id, 'c', '--as', 'bob')).err).toContain(
    'Request.Invalid',
  );
  expect((await perdura('inbox', 'answer', 'abcdef', 'a')).err).toContain('Request.NotFound');
  expect((await perdura('inbox', '--limit', '0')).code).toBe(2);
  expect((await perdura('inbox', 'answer', id, 'b', '--as', 'bob')).code).toBe(0);
  await eventually(async () => (await session.record())?.state === 'idle');
  expect((await perdura('inbox', '--all', '--session', 'asks')).out).toContain('answered');
});
