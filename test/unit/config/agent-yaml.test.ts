import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAgentYaml } from '../../../src/config/agent-yaml.js';

const parse = (text: string) => parseAgentYaml(text, 'agents/a.yaml');
const problemsOf = (text: string) =>
  parse(text).problems.map(({ where, text }) => `${where}: ${text}`);

describe('agent YAML: what is right', () => {
  it('one agent → its declaration', () => {
    const { agents, problems } = parse(
      'name: writer\ninstructions: |\n  Write well.\n  [ and {\ntools: [a, b]\ntemperature: null\nlimits:\n  maxSteps: 5\n',
    );
    expect(problems).toEqual([]);
    expect(agents[0]?.declaration).toEqual({
      name: 'writer',
      instructions: 'Write well.\n[ and {\n',
      tools: ['a', 'b'],
      temperature: null,
      limits: { maxSteps: 5 },
    });
  });

  it('several documents → several agents, empty ones left out', () => {
    const text = 'name: a\ninstructions: x\n---\n---\nname: b\ninstructions: y\n';
    expect(parse(text).agents.map(({ declaration }) => declaration.name)).toEqual(['a', 'b']);
  });

  it('a part of a declaration → its line and column', () => {
    const [agent] = parse('name: a\ninstructions: x\ntools:\n  - one\n  - two\n').agents;
    expect(agent?.where(['tools', 1])).toBe('agents/a.yaml:5:5');
    expect(agent?.where(['mcp', 0])).toBe('agents/a.yaml:1:1');
  });

  it('aliases → the values that they stand for', () => {
    const [agent] = parse('name: a\ninstructions: x\ntools: &t [p]\nmcp: *t\n').agents;
    expect(agent?.declaration.mcp).toEqual(['p']);
  });
});

describe('agent YAML: what is wrong is told with file, line, column and remedy', () => {
  const rows: [title: string, text: string, problem: RegExp][] = [
    [
      'unknown key → nearest name',
      'name: a\ninstruction: x\ninstructions: y\n',
      /a\.yaml:2:1: unknown field "instruction"\. Did you mean "instructions"\?/,
    ],
    [
      'unknown key of limits → its own place',
      'name: a\ninstructions: y\nlimits:\n  maxStep: 3\n',
      /:4:3: limits: .*Did you mean "maxSteps"/,
    ],
    [
      'missing key → what it is',
      'name: a\n',
      /:1:1: instructions: is missing; it must be text: what the agent is to do/,
    ],
    [
      'bound exceeded → the bounds',
      'name: a\ninstructions: y\nlimits: {maxMessageBytes: 2000000}\n',
      /:3:27: limits\.maxMessageBytes: must be a whole number of bytes from 1 to 1,048,576, not 2000000/,
    ],
    [
      'wrong name → the alphabet',
      'name: "a b"\ninstructions: y\n',
      /:1:7: name: "a b" is not a valid name\. Use 1 to 64/,
    ],
    [
      'an MCP command → only names',
      'name: a\ninstructions: y\nmcp:\n  - command: rm\n',
      /:4:5: mcp\[0\]: must be the name of an MCP server/,
    ],
    [
      'MCP servers as an object → a list of names',
      'name: a\ninstructions: y\nmcp: {x: {command: rm}}\n',
      /:3:6: mcp: must be a list of names of MCP servers, not an object/,
    ],
    [
      'duplicate key → both named',
      'name: a\nname: b\ninstructions: y\n',
      /:2:1: duplicate key\. Keep one/,
    ],
    [
      '__proto__ → refused',
      'name: a\ninstructions: y\nmetadata: {__proto__: x}\n',
      /:3:12: the key "__proto__" is not allowed/,
    ],
    [
      'constructor → refused',
      'name: a\ninstructions: y\nmetadata:\n  constructor: x\n',
      /:4:3: the key "constructor" is not allowed/,
    ],
    ['unknown tag → refused', 'name: !!js/function x\ninstructions: y\n', /:1:7: unknown tag/],
    ['not closed → where', 'name: [a\ninstructions: y\n', /a\.yaml:\d+:\d+: /],
    [
      'tab as indentation → says so',
      'name: a\nlimits:\n\tmaxSteps: 3\n',
      /:3:1: this line is indented with a tab/,
    ],
    ['a key that is a list → refused', '? [a]\n: b\n', /:1:3: a key must be plain text/],
    [
      'an alias of its own parent → refused',
      'name: a\ninstructions: y\ntools: &t [*t]\n',
      /:3:12: "\*t" refers to a value that contains it/,
    ],
    ['empty file → says what belongs there', '# nothing\n', /:1:1: the file declares no agent/],
    [
      'no mapping → says what is expected',
      '- a\n',
      /:1:1: must be an object with name, .*, not a list/,
    ],
    [
      'second document wrong → its own line',
      'name: a\ninstructions: x\n---\nname: b\n',
      /:4:1: instructions: is missing/,
    ],
    [
      'number in metadata → quotes',
      'name: a\ninstructions: x\nmetadata: {v: 1}\n',
      /:3:15: metadata\.v: must be text, not 1\. Put it in quotes/,
    ],
    [
      'context window below the answer → why',
      'name: a\ninstructions: x\ncontextWindow: 4000\n',
      /:3:16: contextWindow: must be larger than maxTokens \(4096\)/,
    ],
    [
      'response format with a list at the top → told',
      'name: a\ninstructions: x\nresponseFormat: {name: r, schema: {type: array}}\n',
      /responseFormat\.schema: The schema must describe an object/,
    ],
  ];
  it.each(rows)('%s', (_, text, problem) => {
    const { agents } = parse(text);
    expect(problemsOf(text).join('\n')).toMatch(problem);
    expect(agents.length).toBeLessThanOrEqual(1);
  });

  it('an alias bomb → refused at once', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 12; i++)
      lines.push(
        `a${i}: &a${i} [${Array(9)
          .fill(`*a${i - 1}`)
          .join(', ')}]`,
      );
    expect(problemsOf(lines.join('\n'))[0]).toMatch(/expand to more than 100 values/);
  });

  it.each([
    ['brackets', `name: ${'['.repeat(1000)}${']'.repeat(1000)}`],
    ['brackets behind strings that close them', `name: ${'["]", '.repeat(1000)}`],
    ['braces', `name: ${'{a: '.repeat(1000)}`],
    ['dashes on one line', `${'- '.repeat(1000)}x`],
    ['question marks', `${'? '.repeat(1000)}x`],
    ['indented lines', Array.from({ length: 1000 }, (_, i) => `${' '.repeat(i)}k:`).join('\n')],
    [
      'brackets below indented lines',
      Array.from({ length: 40 }, (_, i) => `${' '.repeat(i)}k:`).join('\n') + ' ' + '['.repeat(40),
    ],
  ])('1,000 nested %s, three times → refused before parsing', (_, text) => {
    for (let i = 0; i < 3; i++) {
      expect(problemsOf(text)).toEqual([
        expect.stringMatching(/^agents\/a\.yaml:\d+:\d+: is nested more than 64 levels deep/),
      ]);
    }
  });

  it('any text → agents or problems, never an exception', () => {
    const piece = fc.oneof(
      fc.string({ maxLength: 10 }),
      fc.constantFrom(
        '\n',
        '  ',
        '- ',
        ': ',
        'name',
        'instructions',
        '[',
        ']',
        '{',
        '}',
        '&a ',
        '*a',
        '---\n',
        '|\n',
        '"',
        "'",
        '!!x ',
        '? ',
        '# ',
        '\t',
        '%YAML 1.2\n',
        '<<: *a',
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const { agents, problems } = parse(pieces.join(''));
        expect(agents.length + problems.length).toBeGreaterThan(0);
        for (const { where } of problems) expect(where).toMatch(/^agents\/a\.yaml(:\d+:\d+)?$/);
      }),
      { numRuns: 500 },
    );
  });
});
