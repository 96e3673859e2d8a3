import { describe, expect, it } from 'vitest';
import { tool } from '../../../src/contracts/define-tool.js';
import { combineTools, ToolRegistry } from '../../../src/tools/tool-registry.js';

const named = (name: string, description = 'A tool.') =>
  tool({ name, description, execute: () => name });

describe('ToolRegistry', () => {
  it('S9 registry: a name that is taken → refused, the first tool stays', () => {
    const first = named('pay');
    const registry = new ToolRegistry([first]);
    expect(() => registry.register(named('pay'))).toThrow(/already a tool named "pay"/);
    expect(registry.get('pay')).toBe(first);
  });

  it('registry: a tool registered or removed while running → listeners hear, lists follow', () => {
    const registry = new ToolRegistry();
    const heard: string[] = [];
    const stop = registry.onChange(({ change, tool }) => heard.push(`${change} ${tool.name}`));
    registry.register(named('a')).register(named('b'));
    expect(registry.remove('a')).toBe(true);
    expect(registry.remove('a')).toBe(false);
    stop();
    registry.register(named('c'));
    expect(heard).toEqual(['registered a', 'registered b', 'removed a']);
    expect(registry.list().map(({ name }) => name)).toEqual(['b', 'c']);
  });

  it('registry: select by names, by *, by unknown names → in order of registration, missing told', () => {
    const registry = new ToolRegistry([named('a'), named('b'), named('c')]);
    const names = (wanted: string[]) => registry.select(wanted).map(({ name }) => name);
    expect(names(['c', 'a', 'a'])).toEqual(['a', 'c']);
    expect(names(['*', 'a'])).toEqual(['a', 'b', 'c']);
    expect(names(['z'])).toEqual([]);
    expect(registry.missing(['a', 'z', '*'])).toEqual(['z']);
  });

  it('registry: discover by words → best first, names before descriptions', () => {
    const registry = new ToolRegistry([
      named('send_mail', 'Sends a letter.'),
      named('getWeather', 'Forecast for a city.'),
      named('letter_box', 'Reads mail.'),
    ]);
    const found = (query: string) => registry.discover(query).map(({ name }) => name);
    expect(found('mail')).toEqual(['send_mail', 'letter_box']);
    expect(found('weather in the city')).toEqual(['getWeather']);
    expect(found('quantum')).toEqual([]);
    expect(found('')).toHaveLength(3);
    expect(registry.discover('', 2)).toHaveLength(2);
  });

  it('S9 tools: two sources with one name → the first is kept, the other is logged', () => {
    const own = named('srv__pay');
    const warnings: object[] = [];
    const all = combineTools([[own], [named('srv__pay'), named('srv__b')]], {
      warn: (fields) => warnings.push(fields),
    });
    expect(all.map(({ name }) => name)).toEqual(['srv__pay', 'srv__b']);
    expect(all[0]).toBe(own);
    expect(warnings).toHaveLength(1);
  });
});
