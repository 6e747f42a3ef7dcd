import type { Gate } from '../../auth/index.js';
import type { Role } from '../../model/index.js';
import type { Json } from './schemas.js';

export const DESCRIPTION = `The API of Weir. Where Concourse has a route, ours has its path, status, shape and headers, so that \`fly\` works; routes marked
\`x-weir-extension\` are ours alone. This document is made from the code of the server that gives it out.

**Errors** have one shape, \`Error\`, on every route. A client that sends no \`Accept\` header, as \`fly\` does, gets what Concourse
answers instead: the message as plain text. A 404, and a refused config, have both forms at once: Concourse's is in \`errors\`.

**Changes** (whatever is no GET) take \`{"reason": "…"}\` in a JSON body, beside what they take anyway; it is put on record.

**Lists in pages** take \`limit\`, \`from\` and \`to\`, and name the pages beside them in \`Link\`.

**Fields** without a value are left out. Clients ignore fields that they do not know: later versions have more.`;

/** Who may pass, in a sentence. */
export const GATES: Readonly<Record<Gate, (role: Role) => string>> = {
  free: () => 'For everybody; no token is looked at.',
  open: () => 'For everybody; a token that is there must be good.',
  authenticated: () => 'For whoever has a token.',
  'any-team': (role) => `For whoever is at least \`${role}\` in some team.`,
  team: (role) => `For whoever is at least \`${role}\` in the team.`,
  pipeline: (role) => `For whoever is at least \`${role}\` in the team; for everybody if the pipeline is public.`,
  build: (role) =>
    `For whoever is at least \`${role}\` in the team of the build; for everybody if its pipeline is public.`,
  'private-build': (role) =>
    `For whoever is at least \`${role}\` in the team of the build; for everybody if its pipeline and its job are public.`,
  'build-change': (role) => `For whoever is at least \`${role}\` in the team of the build.`,
  admin: () => 'For administrators: owners of the team `main`.',
  worker: () => 'For administrators: owners of the team `main`.',
  system: () => 'For nobody: servers speak to their database, not to each other.',
};

/** By status: a name, and what it means. */
export const REFUSALS: Readonly<Record<number, readonly [name: string, says: string]>> = {
  400: ['Malformed', 'The request does not have the form that is asked for; every problem is named.'],
  401: ['NotAuthorized', 'No token, or one that is unknown, expired or ended.'],
  403: ['Forbidden', 'The caller is known, but has not the role that this takes.'],
  404: ['NotFound', 'There is no such thing. Near names are told to those who may see them.'],
  409: ['Conflict', 'It does not go together with what is there; the message says what to do.'],
  413: ['TooLarge', 'The body is larger than 16 MiB.'],
  415: ['UnsupportedMediaType', 'The body has another media type than those that are asked for.'],
  422: ['TooMuch', 'The answer would be too large, or the Idempotency-Key was sent with another request.'],
  426: ['UpgradeRequired', 'This is a web socket: ask for an upgrade of the connection.'],
  429: ['TooManyRequests', 'Too many requests, or too many failed logins; Retry-After says how long to wait.'],
  500: ['Fault', 'Something failed inside the server; its log has the reason under the request id.'],
  501: ['NotSupported', 'This server does not do that; the message says what it does instead.'],
  502: ['ProviderFailed', 'The provider of the login did not answer as it must.'],
  503: ['Unavailable', 'The database does not answer now, or the server stops; Retry-After says how long to wait.'],
};

const header = (description: string, example: string): Json => ({ description, schema: { type: 'string' }, example });

export const HEADERS: Readonly<Record<string, Json>> = {
  'X-Request-Id': header('On every answer; the log of the server names it.', '0b5f2d1c-5d0e-4a55-9d3a-8f7a5ac7f2a1'),
  Link: header(
    'The older page as `next` and the newer one as `previous`, each in a header of its own, if there are such.',
    '<https://ci.example.com/api/v1/builds?to=4610&limit=100>; rel="next"',
  ),
  'X-Concourse-Config-Version': header('The version of the config, for the PUT that changes it.', '7'),
  'Retry-After': header('Seconds to wait before it is worth asking again.', '2'),
  Location: header('Where to go on.', '/sky/login?redirect_uri=%2F'),
  'Set-Cookie': header(
    'The session begins or ends, or the login is tied to this browser.',
    'weir_login=…; Path=/; HttpOnly',
  ),
};

/** What parameters mean, by name. */
export const PARAMETERS: Readonly<Record<string, string>> = {
  team: 'Name of the team.',
  pipeline: 'Name of the pipeline.',
  job: 'Name of the job.',
  build: "Number of the build within its job, such as `42`, or `42.1` for the build's first rerun.",
  resource: 'Name of the resource.',
  version: 'Id of the version.',
  id: 'Its id.',
  type: 'Name of the type.',
  prototype: 'Name of the prototype.',
  step: 'Name of the task.',
  source: 'Name of the source.',
  container: 'Id (handle) of the container.',
  artifact: 'Id of the artifact.',
  worker: 'Name of the worker.',
  name: 'Name of the component.',
  connector: 'Id of the provider.',
  provider: 'Id of the provider.',
  limit: 'At most so many; 100 without it, never more than 1,000.',
  from: 'Lower bound, inclusive: an id, or unix seconds with `timestamps=true`. Gives those just above it.',
  to: 'Upper bound, inclusive: an id, or unix seconds with `timestamps=true`.',
  timestamps: '`true`: the bounds are times.',
  since: 'From this time on.',
  until: 'Up to this time.',
  before: 'Only entries before this number.',
  after: 'Only entries after this number, oldest first.',
  format: '`jsonl`: all that match, oldest first, an entry a line.',
  cache_path: 'Only this path of the caches.',
  webhook_token: 'The token that proves the sender: it is in the config, or was given when the source was made.',
  user: 'Name of the user who did it.',
  action: 'What was done: an action of the role matrix, such as `PausePipeline`.',
  arch: 'Of the machine, such as `amd64`.',
  platform: 'Of the machine, such as `linux`.',
  step_name: 'Of the step.',
  attempt: 'Of the step, such as `1` or `1.2`.',
  pipeline_name: 'Of the pipeline.',
  job_name: 'Of the job.',
  build_name: "The build's number within its job.",
  resource_name: 'Of the resource, with `type=check`.',
  build_id: 'Of the build.',
  pipeline_id: 'Of the pipeline.',
  job_id: 'Of the job.',
  redirect_uri: 'Where to go on: a path of this server.',
  title: 'What stands on the left of the picture.',
};

/** Groups of routes, by controller. */
export const TAGS: readonly Json[] = [
  { name: 'root', description: 'For people with a browser.' },
  { name: 'info', description: 'What anyone may know of this server.' },
  { name: 'open-api', description: 'This document.' },
  { name: 'well-known', description: 'What makes ID tokens of this server believable.' },
  { name: 'login', description: 'Logging in with a browser.' },
  { name: 'sky', description: 'Logging in and out as a program.' },
  { name: 'users', description: 'Who asks, and who was here.' },
  { name: 'teams', description: 'Teams and the roles in them.' },
  { name: 'tokens', description: 'Personal and robot tokens.' },
  { name: 'audit', description: 'Who changed what.' },
  { name: 'pipelines', description: 'Pipelines.' },
  { name: 'configs', description: 'What pipelines are made of.' },
  { name: 'sources', description: 'Git repositories whose files are pipelines.' },
  { name: 'jobs', description: 'Jobs and their builds.' },
  { name: 'builds', description: 'Builds of all kinds.' },
  { name: 'artifacts', description: 'Inputs and outputs of one-off builds.' },
  { name: 'containers', description: 'Steps that people can step into.' },
  { name: 'volumes', description: 'Files that outlive their step.' },
  { name: 'resources', description: 'Resources and their checks.' },
  { name: 'versions', description: 'Versions of resources.' },
  { name: 'causality', description: 'What versions led to and came of.' },
  { name: 'resource-types', description: 'Types that a pipeline declares itself.' },
  { name: 'feeds', description: 'How jobs do, for places outside.' },
  { name: 'runtimes', description: 'Where steps run.' },
  { name: 'operator', description: 'For those who run the server.' },
  { name: 'wall', description: 'A message for everybody.' },
  { name: 'metrics', description: 'Figures for Prometheus.' },
  { name: 'schema', description: 'The pipeline language.' },
];
