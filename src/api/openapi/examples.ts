import type { Json } from './schemas.js';

const BUILD = { id: 4711, job: 'unit', name: '42' };

/** What a field of that name may hold. */
const FIELDS: Readonly<Record<string, unknown>> = {
  access_token: 'q2UX5YzXbCc7mNwUBW2Gk3dF3fBbXSNqAAAAAA',
  action: 'PausePipeline',
  actions: ['CheckResource'],
  addr: '',
  after: null,
  api_url: '/api/v1/builds/4711',
  attempt: '1',
  auth: { owner: { users: ['local:ann'], groups: ['github:acme:ci'] } },
  author: 'Ann <ann@example.com>',
  baggageclaim_url: '',
  before: null,
  blockers: [],
  branch: 'main',
  build: 'shop/unit #42',
  build_ids: [4711],
  cluster_name: 'north',
  code: 'not-found',
  comment: 'looks like the disk was full',
  commit: '3f786850e387550fdab836ed7e6dc881de23001b',
  config: { jobs: [{ name: 'unit', plan: [{ get: 'repo', trigger: true }] }] },
  connector: 'local',
  created_at: 1795305600,
  created_by: 'ann',
  credentials: 'none',
  description: 'host processes',
  details: { retryAfterSeconds: 2 },
  disabled_by: 'ann',
  display_user_id: 'ann',
  email: 'ann@example.com',
  end_time: 1795305660,
  error: 'access_denied',
  error_description: 'wrong user name or password',
  errors: [{ title: 'Not Found', detail: "no pipeline 'food' in team main", status: '404' }],
  expires_in: 86400,
  external_url: 'https://ci.example.com',
  file: 'ci/shop.yml',
  filter: 'ref:3f78685',
  from: '4711',
  group: 'deployments',
  hash: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  icon: 'git',
  id: 4711,
  image: '',
  interval: 1000000000,
  interval_seconds: 60,
  job: 'unit',
  job_name: 'unit',
  kind: 'manual',
  last_commit: '3f786850e387550fdab836ed7e6dc881de23001b',
  last_hash: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  message: "no pipeline 'foo' in team main; did you mean 'food'?",
  name: 'unit',
  original: BUILD,
  pass: 'secret',
  password: 'correct horse battery staple',
  path: 'ci/shop.yml',
  path_glob: 'ci/*.yml',
  pause_reason: 'the certificate is being renewed',
  paused_by: 'ann',
  pin_comment: 'until the next release',
  pipeline_name: 'shop',
  place: 1,
  platform: 'linux',
  prev_hash: '5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9',
  private_key: '-----BEGIN OPENSSH PRIVATE KEY-----\n…\n-----END OPENSSH PRIVATE KEY-----\n',
  reason: 'the certificate is being renewed',
  reasons: ['the job is paused by ann'],
  redirect_uri: '/',
  remote_address: '192.0.2.7',
  requestId: '0b5f2d1c-5d0e-4a55-9d3a-8f7a5ac7f2a1',
  request_id: '0b5f2d1c-5d0e-4a55-9d3a-8f7a5ac7f2a1',
  resource: 'repo',
  resource_name: 'repo',
  resource_types: [],
  server: 'ci-1',
  set_by: 'ann',
  source: { name: 'infra', path: 'ci/shop.yml' },
  start_time: 1795305600,
  state: 'running',
  status: 'succeeded',
  stderr: 'cannot prune running worker host: its server is alive',
  step_id: '2',
  step_name: 'unit',
  sub: 'local:ann',
  summary: 'no input that triggers has a new version',
  tags: ['host'],
  target: 'pipeline/shop',
  team: 'main',
  team_name: 'main',
  teams: { main: ['owner'] },
  text: 'no input that triggers has a new version',
  token: 'q2UX5YzXbCc7mNwUBW2Gk3dF3fBbXSNqAAAAAA',
  type: 'git',
  uri: 'https://git.example.com/infra.git',
  user: 'ann',
  user_id: 'ann',
  user_name: 'ann',
  username: 'ann',
  version: { ref: '3f78685' },
  webhook_token: 'a-token-of-16-chars',
  weir_version: '0.1.0',
  when_nothing_waits: 'no input that triggers has a new version',
  worker_name: 'host',
  worker_version: '',
};

type Fits = (value: unknown, schema: Json) => boolean;
type Find = (reference: string) => Json;

/** An example of the schema, put together from examples of its fields. Optional fields are in it, other ways of a union are not. */
export function exampleOf(schema: Json, find: Find, name = '', depth = 0): unknown {
  const inner = (part: unknown, of: string): unknown => exampleOf(part as Json, find, of, depth + 1);
  if (typeof schema['$ref'] === 'string') return inner(find(schema['$ref']), name);
  const known = FIELDS[name];
  if (known !== undefined && mayBe(known, schema)) return known;
  const ways = (schema['anyOf'] ?? schema['oneOf']) as readonly Json[] | undefined;
  if (ways) return inner(ways[0], name);
  if ('const' in schema) return schema['const'];
  if (Array.isArray(schema['enum'])) return schema['enum'][0];
  switch ([schema['type']].flat()[0]) {
    case 'object':
      return objectExample(schema, depth, inner);
    case 'array':
      return [inner(schema['items'] ?? {}, name.replace(/s$/, ''))];
    case 'integer':
    case 'number':
      return /_at$|_time$|^since$|_sync|_check|_login|_updated/.test(name)
        ? 1_795_305_600
        : Number(schema['minimum'] ?? 1) || 1;
    case 'boolean':
      return true;
    case 'string':
      return schema['format'] === 'date-time' ? '2026-11-21T18:22:00.000Z' : schema['pattern'] ? '100' : 'unit';
    default:
      return null;
  }
}

function objectExample(schema: Json, depth: number, inner: (part: unknown, of: string) => unknown): unknown {
  const properties = Object.entries((schema['properties'] ?? {}) as Readonly<Record<string, Json>>);
  const required = (schema['required'] ?? []) as readonly string[];
  // Deeper down only what must be there, for the reader's sake.
  const shown = depth > 1 ? properties.filter(([key]) => required.includes(key)) : properties;
  return Object.fromEntries(shown.map(([key, part]) => [key, inner(part, key)]));
}

/** Is the value of the schema's type, as far as a look tells? */
const mayBe: Fits = (value, schema) => {
  if (Array.isArray(schema['enum'])) return schema['enum'].includes(value);
  if ('const' in schema) return schema['const'] === value;
  const ways = (schema['anyOf'] ?? schema['oneOf']) as readonly Json[] | undefined;
  if (ways) return ways.some((way) => !('$ref' in way) && mayBe(value, way));
  const types = [schema['type']].flat() as readonly (string | undefined)[];
  if (types[0] === undefined) return true;
  const is = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  const hasFields = typeof schema['properties'] !== 'object' || Object.keys(schema['properties'] ?? {}).length > 0;
  if (is === 'object' && !hasFields) return false;
  return types.includes(is) || (Number.isInteger(value) && types.includes('integer'));
};
