/**
 * 09 · Without our SDK. A session is a workflow that takes plain JSON: any Temporal client in
 * any language can use it, the `temporal` command and the Temporal UI too. The only import
 * for it here is `@temporalio/client`.
 *
 *     npm run example 09
 */
import assert from 'node:assert/strict';
import { Client, Connection } from '@temporalio/client';
import { openStack } from '../support.js';

await using stack = await openStack();
const connection = await Connection.connect({ address: stack.temporalAddress });
const { workflow } = new Client({ connection });

// temporal workflow start --type agentSession --task-queue perdura --workflow-id hello-1 \
//   --input '{"agent":"assistant","message":"hello"}'
const session = await workflow.start('agentSession', {
  taskQueue: stack.taskQueue,
  workflowId: `hello-${stack.taskQueue}-${process.pid}`,
  args: [{ agent: 'assistant', message: 'hello' }],
});
console.log(`started   ${session.workflowId}`);

// temporal workflow signal --name message --input '"…"'
await session.signal('message', 'This came as a signal, as plain text.');
console.log('signalled "message"');

// An update answers: `ask` with the answer, `send` as soon as the message is safe.
const answer = await session.executeUpdate<{ turn: number; text: string }, [unknown]>('ask', {
  args: [{ text: 'What is 6 * 7?', from: 'ops' }],
});
console.log(`asked     turn ${answer.turn}: ${answer.text}`);
assert.match(answer.text, /\S/);

// Messages that come during a turn wait, and one turn may take several; so: one to three turns.
const status = await session.query<{ state: string; turn: number; queued: number }>('status');
console.log(`status    ${JSON.stringify(status)}`);
assert.equal(status.state, 'idle');
assert.equal(status.queued, 0);
assert.equal(status.turn, answer.turn);

// The signal `terminate` ends a session in order (Temporal's own Terminate would cut it off).
await session.signal('terminate', 'the example is over');
const result = (await session.result()) as { turns: number; reason: string };
console.log(`ended     ${result.turns} turns: ${result.reason}`);
assert.equal(result.turns, answer.turn);
assert.equal(result.reason, 'the example is over');
assert.equal((await session.describe()).status.name, 'COMPLETED');
await connection.close();
