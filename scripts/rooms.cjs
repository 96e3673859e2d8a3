/**
 * The rooms: what lives in each, and what it may import. The one source of the rules in
 * .dependency-cruiser.cjs and of the table in docs/architecture.md
 * (test/unit/boundary/rooms.test.ts compares them). What is not listed is forbidden.
 *
 * @typedef {object} Room
 * @property {string} room a folder, without the rooms inside it; or a file
 * @property {string} holds what lives there, as the table says it
 * @property {string[]} rooms other rooms it may import
 * @property {string[]} [types] rooms of which it may name types only
 * @property {string[]} packages npm packages it may import
 * @property {boolean} node whether it may import what Node has built in
 */

/** @type {Room[]} */
const ROOMS = [
  {
    room: 'src/contracts',
    holds: 'wire types, failures, pure rules (state machine, ids), interfaces of the activities',
    rooms: [],
    packages: ['zod'],
    node: false,
  },
  {
    room: 'workflows',
    holds: 'the session’s loop and handlers, and their parts; runs in Temporal’s sandbox',
    rooms: ['src/contracts'],
    packages: ['@temporalio/workflow', '@temporalio/common'],
    node: false,
  },
  {
    room: 'activities',
    holds: 'what every activity needs: its place in its run, its failures, what is injected',
    rooms: [
      'activities/mail',
      'activities/parts',
      'activities/session',
      'src/contracts',
      'src/live',
      'src/store',
      'src/tools',
    ],
    packages: ['@temporalio/activity', '@temporalio/common'],
    node: true,
  },
  {
    room: 'activities/mail',
    holds: 'delivery of messages, and what a member of a group hands on',
    rooms: ['activities', 'src/contracts'],
    types: ['src/store'],
    packages: ['@temporalio/activity'],
    node: true,
  },
  {
    room: 'activities/session',
    holds: 'the side effects of a session: calls what the libraries do, and records it',
    rooms: [
      'activities',
      'activities/mail',
      'src/contracts',
      'src/store',
      'src/llm',
      'src/tools',
      'src/context',
      'src/planner',
    ],
    types: ['src/live'],
    packages: ['@temporalio/common'],
    node: true,
  },
  {
    room: 'activities/parts',
    holds: 'the same for runs that are no session: a transcript without events, a tool by itself',
    rooms: ['activities', 'activities/session', 'src/contracts', 'src/store', 'src/tools'],
    types: ['src/live'],
    packages: [],
    node: true,
  },
  {
    room: 'src/llm',
    holds: 'library: models of a provider, their errors and prices',
    rooms: ['src/contracts'],
    packages: ['openai', 'undici', '@pydantic/genai-prices', '@cfworker/json-schema'],
    node: true,
  },
  {
    room: 'src/tools',
    holds: 'library: the registry of tools, checks of arguments, running a call',
    rooms: ['src/contracts'],
    packages: ['@cfworker/json-schema', '@marcbachmann/cel-js', 'zod'],
    node: true,
  },
  {
    room: 'src/planner',
    holds: 'library: the capability graph of an agent, and plans on it',
    rooms: ['src/contracts', 'src/tools'],
    packages: [],
    node: false,
  },
  {
    room: 'src/mcp',
    holds: 'library: MCP servers and their tools',
    rooms: ['src/contracts', 'src/tools'],
    packages: ['@modelcontextprotocol/sdk', 'zod'],
    node: true,
  },
  {
    room: 'src/context',
    holds: 'library: what a model is shown of a transcript',
    rooms: ['src/contracts', 'src/llm'],
    packages: [],
    node: false,
  },
  {
    room: 'src/mail',
    holds: 'library: messages between agents and people, groups, and their tools',
    rooms: ['src/contracts'],
    types: ['src/store'],
    packages: ['zod'],
    node: true,
  },
  {
    room: 'src/store',
    holds: 'PostgreSQL: schema, transcripts, events, catalogue, artifacts',
    rooms: ['src/contracts'],
    packages: ['pg', 'kysely'],
    node: true,
  },
  {
    room: 'src/live',
    holds: 'the live bus: in process, or over PostgreSQL',
    rooms: ['src/contracts', 'src/store'],
    packages: ['pg'],
    node: true,
  },
  {
    room: 'worker',
    holds: 'composition: the bundle, the injected activities, the worker process',
    rooms: [
      'activities',
      'activities/mail',
      'src/config',
      'src/context',
      'src/contracts',
      'src/live',
      'src/llm',
      'src/mail',
      'src/mcp',
      'src/planner',
      'src/stack',
      'src/store',
      'src/tools',
    ],
    packages: [
      '@temporalio/worker',
      '@temporalio/client',
      '@temporalio/common',
      '@temporalio/proto',
    ],
    node: true,
  },
  {
    room: 'src/client',
    holds: 'the SDK: start, send, stream, control, read',
    rooms: [
      'src/contracts',
      'src/store',
      'src/live',
      'src/config',
      'src/mail',
      'src/stack',
      'src/tools',
    ],
    packages: ['@temporalio/client', '@temporalio/common'],
    node: true,
  },
  {
    room: 'src/config',
    holds: '`perdura.config.ts`, agents in YAML, and the one file that reads the environment',
    rooms: ['src/contracts', 'src/tools', 'src/index.ts'],
    packages: ['@temporalio/client', '@temporalio/envconfig', 'jiti', 'pino', 'yaml', 'zod'],
    node: true,
  },
  {
    room: 'src/stack',
    holds: 'what `perdura dev` starts: Temporal, PostgreSQL, the offline model, workers',
    rooms: ['src/contracts', 'src/config', 'src/store', 'src/live'],
    packages: ['pg'],
    node: true,
  },
  {
    room: 'src/cli',
    holds: 'the command line: transport and rendering only',
    rooms: ['src/client', 'src/config', 'src/contracts', 'src/stack', 'src/store', 'worker'],
    types: ['src/mail', 'src/mcp'],
    packages: ['commander', '@clack/prompts'],
    node: true,
  },
  {
    room: 'src/testing',
    holds: 'the scripted model, the offline model, the ledger, replay',
    rooms: ['src/client', 'src/config', 'src/contracts', 'src/stack', 'src/store', 'worker'],
    packages: ['@copilotkit/aimock', '@temporalio/worker', '@temporalio/common'],
    node: true,
  },
  {
    room: 'src/index.ts',
    holds: '`perdura`: the composition root, re-exports only',
    rooms: [
      'src/client',
      'src/config',
      'src/context',
      'src/contracts',
      'src/llm',
      'src/mail',
      'src/mcp',
      'src/planner',
      'src/tools',
    ],
    types: ['src/store'],
    packages: [],
    node: false,
  },
];

const BUILT_IN =
  '^(node:)?(assert|async_hooks|buffer|child_process|cluster|crypto|dns|events|fs|http|http2|https|module|net|os|path|perf_hooks|process|querystring|readline|stream|string_decoder|timers|tls|url|util|v8|vm|worker_threads|zlib)(/|$)';

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** A pattern for the files of a room: those of rooms inside it are not its own. */
function filesOf(room) {
  if (room.endsWith('.ts')) return `^${escaped(room)}$`;
  const inside = ROOMS.filter((other) => other.room.startsWith(`${room}/`));
  const but = inside.map((other) => `(?!${escaped(other.room.slice(room.length + 1))}/)`).join('');
  return `^${escaped(room)}/${but}`;
}

const ofPackage = (name) =>
  `(^|/)node_modules/(${escaped(name)}|@types/${escaped(name.replace(/^@(.*)\/(.*)$/, '$1__$2'))})(/|$)`;

/** The rules of dependency-cruiser that hold the table: one for each room, by its name. */
function roomRules() {
  return ROOMS.flatMap(({ room, rooms, types = [], packages, node }) => {
    const from = { path: filesOf(room) };
    const allowed = [...rooms, ...types, room].map(filesOf);
    return [
      {
        name: `room ${room}`,
        comment: 'Not on the list of this room in scripts/rooms.cjs.',
        severity: 'error',
        from,
        to: { pathNot: [...allowed, ...packages.map(ofPackage), ...(node ? [BUILT_IN] : [])] },
      },
      ...(types.length === 0
        ? []
        : [
            {
              name: `room ${room}`,
              comment: 'May be imported as a type only: scripts/rooms.cjs.',
              severity: 'error',
              from,
              to: { path: types.map(filesOf), dependencyTypesNot: ['type-only'] },
            },
          ]),
    ];
  });
}

/** The table of docs/architecture.md. */
function roomTable() {
  const quoted = (names) => names.map((name) => `\`${name}\``);
  const rows = ROOMS.map(({ room, holds, rooms, types = [], packages, node }) => {
    const own = [...quoted(rooms), ...quoted(types).map((name) => `${name} (types)`)];
    const foreign = [...quoted(packages), ...(node ? ['Node'] : [])];
    const cells = [`\`${room}\``, holds, own.join(', ') || '–', foreign.join(', ') || '–'];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    '| room | what lives there | rooms it may import | packages it may import |',
    '| --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

module.exports = { ROOMS, BUILT_IN, filesOf, roomRules, roomTable };
