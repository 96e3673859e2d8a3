/**
 * 06 · Structured output. The answer has to be JSON of a schema. It is validated; a wrong one
 * goes back to the model with what is wrong about it, and only a right one is an answer.
 *
 *     npm run example 06
 *
 * A scripted model gets it wrong first, so that the repair can be seen.
 */
import assert from 'node:assert/strict';
import { defineAgent } from 'perdura';
import { startTestStack } from 'perdura/testing';
import { z } from 'zod';
import { findServers } from '../support.js';

const Ticket = z.object({
  title: z.string(),
  urgency: z.enum(['low', 'high']),
  hours: z.number().min(0),
});

const clerk = defineAgent({
  name: 'clerk',
  instructions: 'Turn what people report into a ticket.',
  // Also in YAML: it is plain JSON Schema.
  responseFormat: { name: 'ticket', schema: z.toJSONSchema(Ticket) },
});

const stack = await startTestStack({ ...(await findServers()), config: { agents: [clerk] } });
stack.model.enqueue(
  '{"title":"Crane 2 leaks","urgency":"very"}',
  '{"title":"Crane 2 leaks","urgency":"high","hours":1.5}',
);

const session = await stack.runtime.start({ agent: 'clerk' });
const { text } = await session.ask('crane 2 leaks oil!! somebody should look, an hour or two');
const ticket = Ticket.parse(JSON.parse(text));
console.log('ticket:', ticket);
assert.deepEqual(ticket, { title: 'Crane 2 leaks', urgency: 'high', hours: 1.5 });

const [asked, repaired] = stack.model.requests;
console.log(`the model was asked for: ${asked?.responseFormat?.name}`);
console.log(`then it was told:        ${repaired?.lastUserText}`);
assert.match(repaired?.lastUserText ?? '', /urgency/);

// Both attempts were paid for, and both are counted; the transcript has only the answer.
const [turn] = (await session.timeline()).turns;
for (const { attempt, outcome, failure } of turn!.steps[0]!.attempts) {
  console.log(`attempt ${attempt}: ${outcome} ${failure?.type ?? ''}`);
}
assert.equal(turn!.steps[0]!.attempts.length, 2);
assert.equal((await session.transcript()).length, 2);
stack.model.assertDone();
await stack.stop();
