/** `perdura capabilities`: all that a worker would give the agent, without a worker and a database. */
import { expect, it } from 'vitest';
import { resolveConfig } from '../../../src/config/load-config.js';
import { readSettings } from '../../../src/config/environment.js';
import { capabilitiesOf } from '../../../worker/capabilities.js';

const log = { debug() {}, info() {}, warn() {}, error() {} };

it('capabilities: memory, messages and sub-agents → the tools that the agent is given are among them', async () => {
  const config = await resolveConfig(
    {
      agents: [
        { name: 'lead', instructions: 'x', memory: true, messages: true, agents: ['helper'] },
        { name: 'helper', instructions: 'x' },
      ],
    },
    readSettings({}, process.cwd()),
  );
  const graph = await capabilitiesOf({ config, tenant: 'default', log }, 'lead');
  expect(graph.capabilities.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['remember', 'recall', 'send_message', 'broadcast', 'helper']),
  );
});
