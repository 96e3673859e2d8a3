/**
 * Which room may import which: the allow-lists of scripts/rooms.cjs, which the table in
 * docs/architecture.md shows too, and what no list can say. `reachable` sees what is imported
 * through others. Types count as imports.
 */
const { BUILT_IN, filesOf, ROOMS, roomRules } = require('./scripts/rooms.cjs');

const module_ = (...names) => `(^|/)node_modules/(${names.join('|')})(/|$)`;

/** What may not be reached from a room, over any number of steps. */
const unreachable = (name, from, path, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from },
  to: { path, reachable: true },
});

module.exports = {
  forbidden: [
    ...roomRules(),
    {
      name: 'no-homeless-file',
      comment: 'Every folder of the product is a room of scripts/rooms.cjs.',
      severity: 'error',
      from: {
        path: '^(src|workflows|activities|worker)/',
        pathNot: ROOMS.map(({ room }) => filesOf(room)),
      },
      to: {},
    },
    {
      name: 'no-circular',
      comment: 'A cycle is one module that does not know it. Types may refer to each other.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    unreachable(
      'workflows-reach-no-effects',
      '^workflows/',
      ['^(activities|worker|test|examples|bench)/', '^src/(?!contracts/)'],
      'The sandbox knows contracts only; an activity is called through its interface there.',
    ),
    unreachable(
      'workflows-stay-small',
      '^workflows/',
      [
        BUILT_IN,
        module_(
          'zod',
          'yaml',
          'pg',
          'kysely',
          'openai',
          '@modelcontextprotocol',
          'pino',
          '@cfworker',
        ),
      ],
      'zod alone adds 1 MB to the bundle, and Node is not there.',
    ),
    unreachable(
      'client-runs-nothing',
      '^src/client/',
      [
        '^(activities|worker|workflows|test)/',
        module_('@temporalio/worker', '@temporalio/activity', 'openai'),
      ],
      'Whoever only talks to agents loads no native worker and no model client.',
    ),
    {
      name: 'no-undeclared-packages',
      severity: 'error',
      from: { path: '^(src|workflows|activities|worker)/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'unknown', 'undetermined'] },
    },
    {
      name: 'not-to-unresolvable',
      comment: 'Except what exists after a build.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^perdura(/|$)|/dist/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // A package of its own, whose dependencies are installed only to be measured.
    exclude: { path: '^bench/peers' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    moduleSystems: ['es6'],
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'node', 'default'],
    },
  },
};
