/**
 * The rooms of the house and who may import whom: docs/development/architecture.md is the same table in prose.
 * A room is entered through its index.ts; every room may use model.
 */
const rooms = {
  model: [],
  planner: [],
  platform: [],
  persistence: ['planner', 'platform'],
  events: ['persistence', 'platform'],
  runtime: ['platform'],
  resources: ['persistence', 'platform'],
  'custom-types': ['resources', 'runtime', 'persistence', 'platform'],
  pipelines: ['planner', 'persistence', 'events', 'platform'],
  credentials: ['pipelines', 'persistence', 'events', 'platform'],
  checking: ['credentials', 'custom-types', 'resources', 'pipelines', 'planner', 'persistence', 'events', 'platform'],
  scheduling: ['planner', 'persistence', 'events', 'platform'],
  builds: ['custom-types', 'resources', 'runtime', 'pipelines', 'planner', 'persistence', 'events', 'platform'],
  auth: ['persistence', 'platform'],
  retention: ['persistence', 'platform'],
  api: [
    'auth',
    'builds',
    'checking',
    'credentials',
    'events',
    'pipelines',
    'planner',
    'resources',
    'runtime',
    'scheduling',
    'persistence',
    'platform',
  ],
  cli: ['pipelines', 'planner', 'platform'],
};

/** Packages that only some places may use. */
const packages = [
  { name: 'database-only-in-persistence', package: '^(typeorm|pg)$', allowed: '^(src/persistence/|ormconfig\\.ts)' },
  { name: 'docker-only-in-runtime', package: '^dockerode$', allowed: '^src/runtime/' },
  {
    name: 'git-only-in-sync-and-git-type',
    package: '^simple-git$',
    allowed: '^(src/pipelines/sync/|resource-types/git/)',
  },
  { name: 'cron-only-in-platform-and-time-type', package: '^cron$', allowed: '^(src/platform/|resource-types/time/)' },
];

const specs = '\\.spec\\.ts$';

const roomRules = Object.entries(rooms).map(([room, others]) => ({
  name: `${room}-imports-only-its-neighbours`,
  comment: `${room} may import ${['model', ...others].join(', ')}`,
  severity: 'error',
  from: { path: `^src/${room}/`, pathNot: specs },
  to: { path: '^(src|resource-types)/', pathNot: `^src/(${[room, 'model', ...others].join('|')})/` },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...roomRules.map((rule) =>
      // The registry of resource types lives in resources and knows every shipped type.
      rule.name.startsWith('resources-')
        ? { ...rule, to: { ...rule.to, path: '^src/' } }
        : // `weir serve` starts the composition root.
          rule.name.startsWith('cli-')
          ? { ...rule, to: { ...rule.to, path: '^(src/[^/]+/|resource-types/)' } }
          : rule,
    ),
    {
      name: 'no-cycles',
      comment: 'entities refer to each other through Relation<>, which is what it is for',
      severity: 'error',
      from: { pathNot: '^src/persistence/entities/' },
      to: { circular: true },
    },
    {
      name: 'rooms-are-entered-by-the-door',
      comment:
        'import from the index.ts of another room; cli enters by the pure side doors, to start without the server',
      severity: 'error',
      from: { path: '^src/([^/]+)/', pathNot: `^src/(cli/|resources/protocol-main\\.ts$)|${specs}` },
      to: { path: '^src/([^/]+)/.+', pathNot: '^src/($1/|[^/]+/index\\.ts$)' },
    },
    {
      name: 'cli-enters-by-light-doors',
      comment: 'what loads Nest or TypeORM would slow every command',
      severity: 'error',
      from: { path: '^src/cli/', pathNot: specs },
      to: {
        path: '^src/[^/]+/.+',
        pathNot:
          '^src/(cli/|(model|planner)/index\\.ts$|pipelines/config/index\\.ts$|platform/(version|unpack-tar)\\.ts$)',
      },
    },
    {
      name: 'composition-root-uses-doors-too',
      severity: 'error',
      from: { path: '^src/[^/]+\\.ts$' },
      to: { path: '^src/[^/]+/.+', pathNot: '^src/([^/]+/index|persistence/embedded/index)\\.ts$' },
    },
    {
      name: 'nobody-imports-the-composition-root',
      comment: 'the command line starts it with `weir serve`',
      severity: 'error',
      from: { path: '^(src/[^/]+/|resource-types/)', pathNot: '^src/cli/' },
      to: { path: '^src/(main|server|app\\.module)\\.ts$' },
    },
    {
      name: 'model-and-planner-are-pure',
      comment: 'no package and no input or output; hashing is arithmetic',
      severity: 'error',
      from: { path: '^src/(model|planner)/', pathNot: specs },
      to: { dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'core'], pathNot: '^(node:)?crypto$' },
    },
    {
      name: 'pipeline-language-is-pure',
      comment: 'config and vars know texts, not rows',
      severity: 'error',
      from: { path: '^src/pipelines/(config|vars)/', pathNot: specs },
      to: { path: '^src/', pathNot: '^src/(model|platform|pipelines/(config|vars))/' },
    },
    {
      name: 'resource-types-know-only-their-contract',
      comment: 'and the shared.ts of another type, which is made for that',
      severity: 'error',
      from: { path: '^resource-types/([^/]+)/', pathNot: specs },
      to: {
        path: '^(src|resource-types)/',
        pathNot: '^(src/resources/contract\\.ts$|resource-types/($1/|[^/]+/shared\\.ts$))',
      },
    },
    {
      name: 'processes-only-in-runtime',
      comment:
        'PostgreSQL is the other thing that is run; the command line asks git which files are its own, and shows a page in the browser',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: `^src/(runtime|persistence/embedded)/|^src/cli/(git-files|open-browser)\\.ts$|${specs}`,
      },
      to: { path: '^(node:)?child_process$' },
    },
    ...packages.map(({ name, package: pattern, allowed }) => ({
      name,
      severity: 'error',
      from: { path: '^(src|resource-types)/', pathNot: `${allowed}|${specs}` },
      to: {
        dependencyTypes: ['npm', 'npm-dev'],
        path: pattern.replace('^', '(^|node_modules/)').replace('$', '(/|$)'),
      },
    })),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|src/web|src/prepare\\.mjs)' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
    combinedDependencies: false,
  },
};
