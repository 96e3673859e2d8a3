/**
 * Lint rules. Types first: what typescript-eslint knows about promises is what keeps an agent
 * from losing one. The block on `workflows/` is one of the four guards of the sandbox (with
 * its tsconfig, .dependency-cruiser.cjs, and the bundle test); Temporal itself replaces
 * `Date` and `Math.random` there, so those are allowed.
 */
import tseslint from 'typescript-eslint';

const IGNORED_UNDERSCORE = { argsIgnorePattern: '^_', varsIgnorePattern: '^_' };

/** What the sandbox does not have, or has only to fail later. */
const NOT_IN_SANDBOX = [
  'process',
  'Buffer',
  'require',
  'fetch',
  'WebSocket',
  'performance',
  'setImmediate',
  'structuredClone',
  'queueMicrotask',
  'crypto',
  'WeakRef',
  'FinalizationRegistry',
];

const NO_ENUMS = {
  selector: 'TSEnumDeclaration',
  message: 'Use a union of strings: it is what crosses the wire.',
};

/** All workflows of a worker share these modules: see SHARED_MODULES in worker/bundle.ts. */
const NO_MODULE_STATE = [
  'VariableDeclaration[kind="let"]',
  'VariableDeclaration > VariableDeclarator > NewExpression[callee.name=/^(Map|WeakMap|WeakSet)$/]',
].map((what) => ({
  selector: `:matches(Program, Program > ExportNamedDeclaration) > ${what}`,
  message:
    'A module of the workflows holds no state: one workflow would see that of another. Keep it in the workflow (workflows/session/waiting.ts keeps its own on the global object).',
}));

const DOOR =
  'Only workflows/door.ts does this: it keeps text out that Temporal’s worker would die of.';
const COUNTED =
  'Only workflows/session/waiting.ts makes conditions: handlers wait until none comes true any more.';
const NO_LOCAL_ACTIVITIES =
  'A local activity leaves histories that cannot be replayed, with an update or a second one beside it. Call a regular activity (workflows/session/calls.ts says why).';

/** What workflows may not take from Temporal's SDK, but for the files that are named. */
const withheld = (...allowed) =>
  ['@temporalio/workflow', '@temporalio/common'].flatMap((name) =>
    [
      { name, importNames: ['setHandler', 'ApplicationFailure'], message: DOOR },
      {
        name,
        importNames: ['proxyLocalActivities', 'scheduleLocalActivity'],
        message: NO_LOCAL_ACTIVITIES,
      },
      { name, importNames: ['condition'], message: COUNTED },
    ]
      .map((rule) => ({
        ...rule,
        importNames: rule.importNames.filter((each) => !allowed.includes(each)),
      }))
      .filter(({ importNames }) => importNames.length > 0),
  );

/** What workflows may not import at all. */
const SANDBOX_IMPORTS = [
  {
    group: [
      'node:*',
      '**/activities/*',
      '!**/contracts/activities.js',
      '**/worker/**',
      '**/src/store/**',
      '**/src/client/**',
      '**/src/live/**',
    ],
    message:
      'Workflows see contracts only. Interfaces of activities are in src/contracts/activities.ts.',
  },
  {
    group: [
      'zod',
      'yaml',
      'pg',
      'kysely',
      'openai',
      '@modelcontextprotocol/*',
      '@temporalio/*',
      '!@temporalio/workflow',
      '!@temporalio/common',
    ],
    message: 'Too large for the sandbox, or not made for it.',
  },
];
const sandbox = (...allowed) => [
  'error',
  { paths: withheld(...allowed), patterns: SANDBOX_IMPORTS },
];

export default tseslint.config(
  { ignores: ['dist/', 'coverage/', '.perdura/', 'bench/peers/'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: {
      parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { ...IGNORED_UNDERSCORE, ignoreRestSiblings: true },
      ],
      // What a provider says in its stream is thrown as it came, and classified in one place.
      '@typescript-eslint/only-throw-error': 'off',
      // Most of our objects are closures, whose methods know no `this`; classes are not taken apart.
      '@typescript-eslint/unbound-method': 'off',
      // An `async` method without `await` fulfils an interface and turns a throw into a rejection.
      '@typescript-eslint/require-await': 'off',
      // `Promise<ToolOutput> | ToolOutput` tells a reader more than `unknown`.
      '@typescript-eslint/no-redundant-type-constituents': 'off',
      '@typescript-eslint/prefer-optional-chain': 'error',
      '@typescript-eslint/prefer-includes': 'error',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-restricted-syntax': ['error', NO_ENUMS],
    },
  },
  {
    files: ['workflows/**/*.ts', 'src/contracts/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', NO_ENUMS, ...NO_MODULE_STATE] },
  },
  {
    files: ['**/*.ts'],
    ignores: [
      'src/config/environment.ts',
      'test/**',
      'bench/**',
      'examples/**',
      'scripts/**',
      '*.config.ts',
    ],
    rules: {
      'no-restricted-properties': [
        'error',
        {
          object: 'process',
          property: 'env',
          message: 'Only src/config/environment.ts reads the environment.',
        },
      ],
    },
  },
  {
    files: ['workflows/**/*.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        ...NOT_IN_SANDBOX.map((name) => ({
          name,
          message: 'The workflow sandbox has no such thing: call an activity.',
        })),
      ],
      'no-restricted-imports': sandbox(),
    },
  },
  {
    files: ['workflows/door.ts'],
    rules: { 'no-restricted-imports': sandbox('setHandler', 'ApplicationFailure') },
  },
  {
    // Reads what an activity threw; makes none.
    files: ['workflows/session/failure-of.ts'],
    rules: { 'no-restricted-imports': sandbox('ApplicationFailure') },
  },
  {
    files: ['workflows/session/waiting.ts'],
    rules: { 'no-restricted-imports': sandbox('condition') },
  },
  {
    files: ['workflows/session/legacy-calls.ts'],
    rules: { 'no-restricted-imports': sandbox('proxyLocalActivities') },
  },
  {
    files: ['test/**/*.ts'],
    // vitest's matchers (`expect.any`) are `any`.
    rules: { '@typescript-eslint/no-unsafe-assignment': 'off' },
  },
  {
    files: ['examples/**/*.ts'],
    // A reader of events takes those that it wants.
    rules: { '@typescript-eslint/switch-exhaustiveness-check': 'off' },
  },
);
