/**
 * 17 · Steering. Messages come while the agent works: one joins the turn at its next step, one stops
 * it, one has it forgotten, one is refused. The transcript shows what each has left.
 *
 *     npm run example 17
 *
 * A scripted model thinks aloud, slowly, so that there is time to say something.
 */
import assert from 'node:assert/strict';
import { defineAgent, PerduraError, tool, type Session } from 'perdura';
import { startTestStack } from 'perdura/testing';
import { z } from 'zod';
import { findServers } from '../support.js';

const measure = tool({
  name: 'measure',
  description: 'Measures a room.',
  parameters: z.object({ room: z.string() }),
  effect: 'read',
  run: 'local',
  execute: ({ room }) => `The ${room} has 12 square metres.`,
});
// What comes while it works joins at the next step, unless the message says otherwise.
const painter = defineAgent({
  name: 'painter',
  instructions: 'Plan how to paint a flat.',
  whileWorking: 'steer',
});

const stack = await startTestStack({
  ...(await findServers()),
  config: { agents: [painter], tools: [measure] },
});
const slowly = { chunkSize: 4, chunkDelayMs: 25 };
stack.model.reply(/^/, ({ messages, lastUserText }) => {
  if (messages.at(-1)!.role === 'user' && lastUserText === 'Plan the kitchen.') {
    return {
      ...slowly,
      text: 'The kitchen first. I have to know how large it is before I can say how much paint it takes.',
      toolCalls: [{ name: 'measure', arguments: { room: 'kitchen' } }],
    };
  }
  return `Noted: ${lastUserText}`;
});

/** A session whose agent has begun to speak. */
async function working(): Promise<{ session: Session; first: Promise<unknown> }> {
  const session = await stack.runtime.start({ agent: 'painter' });
  const first = session.ask('Plan the kitchen.').catch((error: unknown) => error);
  for await (const item of session.events()) if (item.type === 'delta') break;
  return { session, first };
}

async function show(title: string, session: Session): Promise<string[]> {
  const roles = (await session.transcript()).map(({ message }) => message.role);
  console.log(`${title.padEnd(10)} ${roles.join(' · ')}`);
  return roles;
}

// steer: one turn answers both.
{
  const { session, first } = await working();
  const answer = await session.ask('Use blue.');
  assert.deepEqual(await first, answer);
  assert.equal(answer.text, 'Noted: Use blue.');
  const roles = await show('steer', session);
  assert.deepEqual(roles, ['user', 'assistant', 'tool', 'user', 'assistant']);
}

// interrupt: what was said so far is kept, and the agent sees it.
{
  const { session, first } = await working();
  const answer = await session.ask('The bathroom instead.', { whileWorking: 'interrupt' });
  assert.ok((await first) instanceof PerduraError);
  assert.equal(answer.turn, 2);
  assert.deepEqual(await show('interrupt', session), ['user', 'assistant', 'user', 'assistant']);
}

// rollback: as if the first message had never been sent. Its cost stays on the bill.
{
  const { session, first } = await working();
  await session.ask('Forget it. Plan the hall.', { whileWorking: 'rollback' });
  const failure = await first;
  assert.ok(failure instanceof PerduraError && failure.type === 'Turn.RolledBack');
  assert.deepEqual(await show('rollback', session), ['user', 'assistant']);
  assert.equal((await session.transcript({ rolledBack: true })).length, 4);
  assert.equal(stack.model.requests.at(-1)!.messages.length, 1);
  const { turns } = await session.timeline();
  assert.equal(turns[0]!.rolledBack, true);
  assert.ok(turns[0]!.steps[0]!.attempts[0]!.inputTokens > 0);
}

// reject: the sender is told, and nothing changes.
{
  const { session, first } = await working();
  const refused = await session
    .send('Are you there?', { whileWorking: 'reject' })
    .catch((error: unknown) => error);
  assert.ok(refused instanceof PerduraError && refused.type === 'Session.Busy');
  await first;
  assert.deepEqual(await show('reject', session), ['user', 'assistant', 'tool', 'assistant']);
}

// enqueue: today's message waits for the next turn.
{
  const { session, first } = await working();
  const answer = await session.ask('And the hall?', { whileWorking: 'enqueue' });
  assert.ok(!((await first) instanceof Error));
  assert.equal(answer.turn, 2);
  assert.equal((await show('enqueue', session)).length, 6);
}

await stack.stop();
