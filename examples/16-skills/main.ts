/**
 * 16 · Skills. A folder with a SKILL.md: the model is offered its name and description with every call,
 * and loads instructions, schema and files when it needs them.
 *
 *     npm run example 16
 *
 * A scripted model (`perdura/testing`) makes the calls, so that they can be checked.
 */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { startTestStack } from 'perdura/testing';
import { resolveConfig } from 'perdura/worker';
import { findServers } from '../support.js';

// What `perdura.config.ts` would find by itself in the folder `skills` beside it.
const skills = fileURLToPath(new URL('skills', import.meta.url));
const agents = [
  { name: 'pilot', instructions: 'You bring ships in.', skills: ['tide-tables'] },
  { name: 'clerk', instructions: 'You write letters.' },
];
const checked = await resolveConfig({ skills, agents });
const [skill] = checked.skills ?? [];
assert.ok(skill);
console.log(`${skill.id} · ${skill.files.map(({ path }) => path).join(', ')}`);
assert.equal(skill.id, 'tide-tables@1.1.0');

await using stack = await startTestStack({
  ...(await findServers()),
  config: { agents, skills: checked.skills },
});
const { runtime, model } = stack;
model.enqueue(
  { toolCalls: [{ name: 'load_skill', arguments: { skill: 'tide-tables' } }] },
  {
    toolCalls: [
      { name: 'read_skill_resource', arguments: { skill: 'tide-tables', path: 'harbour.csv' } },
      // A path never leads out of the folder of the skill.
      { name: 'read_skill_resource', arguments: { skill: 'tide-tables', path: '../../main.ts' } },
    ],
  },
  '18:35, 4.6 m.',
);
const session = await runtime.start({ agent: 'pilot' });
const { text } = await session.ask('When can a ship with a draught of 4 m come in?');
console.log(`pilot: ${text}`);

const offered = model.requests[0]!.tools.find(({ name }) => name === 'load_skill')!;
assert.match(offered.description, /tide-tables: Computes when a ship can pass/);
assert.doesNotMatch(offered.description, /harbour\.csv/);
const results = (await session.transcript()).flatMap(({ message }) =>
  message.role === 'tool' ? [message] : [],
);
const said = results.map(({ content }) => JSON.stringify(content));
assert.match(said[0]!, /half a metre more.*draught.*harbour\.csv/s);
assert.match(said[1]!, /18:35,4\.6/);
assert.equal(results[2]!.failure?.type, 'Skill.NotFound');

// An agent without skills is offered neither tool.
model.enqueue('Dear harbour master,');
await (await runtime.start({ agent: 'clerk' })).ask('Write to the harbour master.');
assert.ok(model.requests.at(-1)!.tools.every(({ name }) => !name.includes('skill')));
