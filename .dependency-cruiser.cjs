/**
 * Which room may import which: the table in docs/architecture.md as rules. `reachable` sees
 * what is imported through others. Types count as imports.
 */
const NODE =
  '^(node:)?(assert|async_hooks|buffer|child_process|cluster|crypto|dns|events|fs|http|http2|https|module|net|os|path|perf_hooks|process|querystring|readline|stream|string_decoder|timers|tls|url|util|v8|vm|worker_threads|zlib)(/|$)';
const module_ = (...names) => `(^|/)node_modules/(${names.join('|')})(/|$)`;
/** Any package but these. */
const packagesBut = (...names) => `(^|/)node_modules/(?!(${names.join('|')})(/|$))`;

/** Direct imports of a room that are not on its list. */
const room = (name, from, allowed, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from },
  to: { pathNot: allowed },
});

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
      ['^(activities|worker|test|examples|bench)/', '^src/(?!contracts/|definition/)'],
      'The sandbox knows contracts only; an activity is called through its interface there.',
    ),
    unreachable(
      'workflows-stay-small',
      '^workflows/',
      [
        NODE,
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
    room(
      'contracts-know-nothing',
      '^src/contracts/',
      ['^src/contracts/', module_('zod')],
      'Contracts are what all rooms agree on: they import zod and nothing else.',
    ),
    room(
      'store-knows-contracts',
      '^src/store/',
      ['^src/(store|contracts)/', module_('pg', 'kysely', '@types/pg'), NODE],
      'The store serves every room, so it depends on none.',
    ),
    room(
      'live-knows-contracts',
      '^src/live/',
      ['^src/(live|contracts|store)/', module_('pg', 'kysely', '@types/pg'), NODE],
      'The bus goes over a connection of the store.',
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
      name: 'command-line-is-transport',
      comment: 'The CLI speaks to the client, the stack and the configuration. It may name types.',
      severity: 'error',
      from: { path: '^src/(cli|api)/' },
      to: { path: '^(activities|workflows|test)/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'activities-serve-the-worker',
      comment: 'Activities get what they need injected.',
      severity: 'error',
      from: { path: '^activities/' },
      to: { path: ['^(worker|workflows|test)/', '^src/(client|cli|api|stack|testing|config)/'] },
    },
    {
      name: 'product-knows-no-tests',
      severity: 'error',
      from: { path: '^(src|workflows|activities|worker)/' },
      to: { path: '^(test|bench|examples|scripts)/' },
    },
    {
      name: 'testing-is-a-leaf',
      comment: 'What users test with is not what runs. The offline model is started as a process.',
      severity: 'error',
      from: { path: '^(src/(?!testing/)|workflows|activities|worker)' },
      to: { path: '^src/testing/' },
    },
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
