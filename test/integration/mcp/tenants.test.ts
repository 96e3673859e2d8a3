/** The tools of an agent, by its definition and its tenant. */
import { describe, expect, it } from 'vitest';
import { completeAgent } from '../../../src/config/agent-schema.js';
import { tool } from '../../../src/contracts/define-tool.js';
import { ToolRegistry } from '../../../src/tools/tool-registry.js';
import { createToolSource } from '../../../worker/tool-source.js';
import { InMemoryPins, KeptLog } from '../../support/mcp.js';
import { manage, oddServer } from '../../support/mcp-manager.js';

const named = (name: string) => tool({ name, description: 'Acts.', execute: () => 'ok' });
const agentWith = (tools: string[], mcp: string[] = []) =>
  completeAgent({ name: 'assistant', instructions: 'Answer.', tools, mcp }, { model: 'm' });
const namesIn = (tools: ReadonlyMap<string, unknown>) => [...tools.keys()];

describe('the tools of an agent', () => {
  it('S2 tools: two agents of one name → each has those of its definition, and the same object each time', async () => {
    const registry = new ToolRegistry([named('read'), named('pay')]);
    const log = new KeptLog();
    const source = createToolSource({ registry, mcp: undefined, always: [], log });
    const [careful, rich] = [agentWith(['read']), agentWith(['read', 'pay'])];
    const first = await source.toolsOf(careful, 'a');
    expect(namesIn(await source.toolsOf(rich, 'b'))).toEqual(['read', 'pay']);
    expect(namesIn(await source.toolsOf(careful, 'a'))).toEqual(['read']);
    expect(await source.toolsOf(careful, 'b')).toBe(first);
    registry.remove('read');
    expect(namesIn(await source.toolsOf(careful, 'a'))).toEqual([]);
  });

  it('S2 S9 tools: a tenant has pinned another version → held back for it alone, until it or the operator accepts', async () => {
    const pins = new InMemoryPins();
    await pins.pin('odd', 'act', 'another digest', 'a');
    await pins.pin('odd', 'act', 'another digest', 'c');
    const { manager } = manage({ odd: oddServer('good') }, pins);
    const log = new KeptLog();
    const registry = new ToolRegistry();
    const source = createToolSource({ registry, mcp: manager, always: [], log });
    const agent = agentWith([], ['odd']);
    const of = async (tenant: string) => namesIn(await source.toolsOf(agent, tenant));
    expect(await of('a')).toEqual(['odd__look']);
    expect(await of('b')).toEqual(['odd__look', 'odd__act']);
    expect(await of('a')).toEqual(['odd__look']);
    const held = await source.withheld(agent, 'odd__act', 'a');
    await expect(async () => held!.execute({} as never, {} as never)).rejects.toMatchObject({
      type: 'Mcp.ToolChanged',
    });
    // What one tenant has seen is no pin of another, nor of the operator.
    expect((await pins.load('odd')).size).toBe(0);
    expect(await manager.accept('odd', ['act'], 'a')).toEqual(['act']);
    expect(await of('a')).toEqual(['odd__look', 'odd__act']);
    expect(await of('c')).toEqual(['odd__look']);
    const digest = (await pins.load('odd', 'b')).get('act')!;
    await pins.accept('odd', 'act', digest);
    expect(await of('c')).toEqual(['odd__look', 'odd__act']);
    // The same pins, the same object: what is made of it is made once.
    expect(await source.toolsOf(agent, 'a')).toBe(await source.toolsOf(agent, 'b'));
  });
});
