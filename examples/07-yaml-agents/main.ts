/**
 * 07 · YAML agents. Tools are code, agents can be text: perdura.config.ts has the tools,
 * agents/*.yaml the agents. A mistake in one is told with line, column and remedy.
 *
 *     npm run example 07
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentRuntime, PerduraError } from 'perdura';
import { loadConfig, readSettings } from 'perdura/worker';
import { openStack } from '../support.js';

await using _stack = await openStack({ config: new URL('./perdura.config.ts', import.meta.url) });
const runtime = await AgentRuntime.connect();

const { agents } = await loadConfig(readSettings());
for (const { name, tools, description } of agents) {
  console.log(`${name} · tools: ${tools.join(', ') || 'none'} · ${description}`);
}

const bookkeeper = await runtime.start({ agent: 'bookkeeper' });
const sum = await bookkeeper.ask('What is 17 + 25?');
console.log(`\nbookkeeper: ${sum.text}`);
assert.match(sum.text, /42/);
const { turns } = await bookkeeper.timeline();
assert.equal(turns[0]?.steps[0]?.tools[0]?.name, 'add');

const poet = await runtime.start({ agent: 'poet' });
const verse = await poet.ask('What is 17 + 25?');
console.log(`poet: ${verse.text}`);
assert.equal((await poet.timeline()).turns[0]?.steps.length, 1, 'it has no tool to call');

// What somebody would see who mistypes.
const folder = await mkdtemp(join(tmpdir(), 'perdura-example-'));
const configFile = join(folder, 'perdura.config.mjs');
await writeFile(configFile, 'export default { agentFiles: "wrong.yaml" }');
await writeFile(
  join(folder, 'wrong.yaml'),
  'name: wrong\ninstructions: Be kind.\ntemprature: 0.2\n',
);
const mistake = await loadConfig({ ...readSettings(), configFile }).catch(
  (error: unknown) => error,
);
await rm(folder, { recursive: true });
assert.ok(mistake instanceof PerduraError && mistake.type === 'Agent.Invalid');
console.log(`\n${mistake.message}`);
assert.match(mistake.message, /wrong\.yaml:3:1/);

await bookkeeper.end();
await poet.end();
await runtime.close();
