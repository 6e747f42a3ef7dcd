import type { Role } from '../model/index.js';

/**
 * Who may pass:
 * - `free`: whoever, and no token is looked at: pages of logging in, which must answer whoever brings a stale cookie.
 * - `open`: everybody; a token that is there must be good.
 * - `authenticated`: whoever brings a good token.
 * - `any-team`: whoever has the role on some team.
 * - `team`: whoever has the role on the team of the path.
 * - `pipeline`: the same, and everybody if the pipeline is public. Whether it exists is said before who may see it.
 * - `build`: whoever has the role on the build's team, and everybody if its pipeline is public.
 * - `private-build`: the same, but everybody only if the job is public as well.
 * - `build-change`: whoever has the role on the build's team.
 * - `admin`: owners of an admin team.
 * - `worker`, `system`: what workers say of themselves. Ours speak through runtimes, not through these routes, so only
 *   administrators pass `worker`, and nobody passes `system`.
 */
export type Gate =
  | 'free'
  | 'open'
  | 'authenticated'
  | 'any-team'
  | 'team'
  | 'pipeline'
  | 'build'
  | 'private-build'
  | 'build-change'
  | 'admin'
  | 'worker'
  | 'system';

/** One row of the matrix. */
export interface Rule {
  /** Concourse's name of what the route does, or one of ours: role files, limits of tokens and the audit log use it. */
  readonly action: string;
  readonly gate: Gate;
  /** The least role that passes, unless a role file says otherwise. */
  readonly role: Role;
  /** Whether the change is put on record for every request, by the service in its own transaction, or not at all. */
  readonly record: 'request' | 'service' | 'none';
}

const rule =
  (gate: Gate, fallback: Role = 'viewer', record: Rule['record'] = 'request') =>
  (action: string, role: Role = fallback): Rule => ({ action, gate, role, record });

const free = rule('free', 'viewer', 'none');
const open = rule('open');
const authenticated = rule('authenticated');
const anyTeam = rule('any-team');
const team = rule('team');
const pipeline = rule('pipeline');
const build = rule('build');
const privateBuild = rule('private-build');
const buildChange = rule('build-change', 'pipeline-operator');
const admin = rule('admin', 'owner');
const worker = rule('worker', 'member');
const system = rule('system', 'owner', 'none');
const recorded = (by: Rule): Rule => ({ ...by, record: 'service' });

const T = '/api/v1/teams/:team';
const P = `${T}/pipelines/:pipeline`;
const J = `${P}/jobs/:job`;
const R = `${P}/resources/:resource`;
const V = `${R}/versions/:version`;
const B = '/api/v1/builds/:id';

/** Every route there is and may be. The guard refuses what is not here; tests ask every cell of it. */
const ROWS: Readonly<Record<string, Rule>> = {
  // Pages, and logging in and out.
  'GET /': free('ShowRoot'),
  'GET /login': free('StartLogin'),
  'GET /logout': free('StartLogout'),
  'GET /auth/:provider/callback': free('FinishLogin'),
  'GET /sky/login': free('StartLogin'),
  'POST /sky/login': free('LogIn'),
  'GET /sky/login/:connector': free('StartLogin'),
  'GET /sky/callback': free('FinishLogin'),
  'GET /sky/issuer/callback': free('FinishLogin'),
  'POST /sky/issuer/token': free('LogIn'),
  'GET /sky/logout': free('LogOut'),
  'GET /fly_success': free('ShowToken'),
  'GET /.well-known/openid-configuration': free('GetOpenIdConfiguration'),
  'GET /.well-known/jwks.json': free('GetOpenIdKeys'),
  'GET /metrics': anyTeam('GetMetrics'),
  '* /api/*': authenticated('AskForNothing'),

  // Teams, users, tokens, the record.
  'GET /api/v1/teams': open('ListTeams'),
  [`GET ${T}`]: team('GetTeam'),
  [`PUT ${T}`]: recorded(team('SetTeam', 'owner')),
  [`PUT ${T}/rename`]: recorded(team('RenameTeam', 'owner')),
  [`DELETE ${T}`]: recorded(admin('DestroyTeam')),
  'GET /api/v1/user': authenticated('GetUser'),
  'GET /api/v1/users': admin('ListActiveUsersSince'),
  'GET /api/v1/tokens': authenticated('ListTokens'),
  'POST /api/v1/tokens': recorded(authenticated('CreateToken')),
  'DELETE /api/v1/tokens/:id': recorded(authenticated('RevokeToken')),
  'GET /api/v1/audit': admin('ListAudit'),
  'GET /api/v1/audit/verify': admin('VerifyAudit'),
  [`GET ${T}/audit`]: team('ListTeamAudit', 'owner'),

  // The server.
  'GET /api/v1/info': open('GetInfo'),
  'GET /api/v1/info/creds': admin('GetInfoCreds'),
  'GET /api/v1/health': open('GetHealth'),
  'GET /api/v1/cli': open('DownloadCLI'),
  'GET /api/v1/openapi.json': open('GetOpenApi'),
  'GET /api/v1/docs': open('ShowOpenApi'),
  'GET /api/v1/schema/pipeline.json': authenticated('GetPipelineSchema'),
  'GET /api/v1/wall': open('GetWall'),
  'PUT /api/v1/wall': admin('SetWall'),
  'DELETE /api/v1/wall': admin('ClearWall'),
  'GET /api/v1/log-level': admin('GetLogLevel'),
  'PUT /api/v1/log-level': admin('SetLogLevel'),
  'GET /api/v1/components': admin('ListComponents'),
  'PUT /api/v1/components/pause': admin('PauseAllComponents'),
  'PUT /api/v1/components/unpause': admin('UnpauseAllComponents'),
  'PUT /api/v1/components/:name/pause': admin('PauseComponent'),
  'PUT /api/v1/components/:name/unpause': admin('UnpauseComponent'),

  // Pipelines.
  'GET /api/v1/pipelines': open('ListAllPipelines'),
  [`GET ${T}/pipelines`]: open('ListPipelines'),
  [`PUT ${T}/pipelines/ordering`]: team('OrderPipelines', 'member'),
  [`GET ${P}`]: pipeline('GetPipeline'),
  [`DELETE ${P}`]: team('DeletePipeline', 'member'),
  [`GET ${P}/config`]: team('GetConfig'),
  [`PUT ${P}/config`]: team('SaveConfig', 'member'),
  [`GET ${P}/revisions`]: team('ListRevisions'),
  [`PUT ${P}/ordering`]: team('OrderPipelinesWithinGroup', 'member'),
  [`PUT ${P}/pause`]: team('PausePipeline', 'pipeline-operator'),
  [`PUT ${P}/unpause`]: team('UnpausePipeline', 'pipeline-operator'),
  [`PUT ${P}/archive`]: team('ArchivePipeline', 'member'),
  [`PUT ${P}/expose`]: team('ExposePipeline', 'member'),
  [`PUT ${P}/hide`]: team('HidePipeline', 'member'),
  [`PUT ${P}/rename`]: team('RenamePipeline', 'member'),
  [`GET ${P}/builds`]: pipeline('ListPipelineBuilds'),
  [`POST ${P}/builds`]: team('CreatePipelineBuild', 'member'),
  [`GET ${P}/versions-db`]: team('GetVersionsDB'),
  [`GET ${P}/badge`]: pipeline('PipelineBadge'),
  [`GET ${T}/cc.xml`]: open('GetCC'),

  // Jobs.
  'GET /api/v1/jobs': open('ListAllJobs'),
  'GET /api/v1/pipelines/:pipeline/jobs/:job/badge': open('MainJobBadge'),
  [`GET ${P}/jobs`]: pipeline('ListJobs'),
  [`GET ${J}`]: pipeline('GetJob'),
  [`GET ${J}/builds`]: pipeline('ListJobBuilds'),
  [`POST ${J}/builds`]: team('CreateJobBuild', 'pipeline-operator'),
  [`GET ${J}/builds/:build`]: pipeline('GetJobBuild'),
  [`POST ${J}/builds/:build`]: team('RerunJobBuild', 'pipeline-operator'),
  [`GET ${J}/inputs`]: team('ListJobInputs'),
  [`GET ${J}/explain`]: pipeline('ExplainJob'),
  [`GET ${J}/badge`]: pipeline('JobBadge'),
  [`PUT ${J}/pause`]: team('PauseJob', 'pipeline-operator'),
  [`PUT ${J}/unpause`]: team('UnpauseJob', 'pipeline-operator'),
  [`PUT ${J}/schedule`]: team('ScheduleJob', 'pipeline-operator'),
  [`DELETE ${J}/tasks/:step/cache`]: team('ClearTaskCache', 'pipeline-operator'),

  // Builds.
  'GET /api/v1/builds': open('ListBuilds'),
  [`GET ${T}/builds`]: team('ListTeamBuilds'),
  [`POST ${T}/builds`]: team('CreateBuild', 'member'),
  [`GET ${B}`]: build('GetBuild'),
  [`GET ${B}/plan`]: privateBuild('GetBuildPlan'),
  [`GET ${B}/events`]: privateBuild('BuildEvents'),
  [`GET ${B}/resources`]: build('BuildResources'),
  [`GET ${B}/preparation`]: privateBuild('GetBuildPreparation'),
  [`GET ${B}/explain`]: privateBuild('ExplainBuild'),
  [`GET ${B}/artifacts`]: privateBuild('ListBuildArtifacts'),
  [`PUT ${B}/abort`]: buildChange('AbortBuild'),
  [`PUT ${B}/comment`]: buildChange('SetBuildComment'),
  [`POST ${B}/resume`]: buildChange('ResumeBuild'),

  // Resources, their types and versions.
  'GET /api/v1/resources': open('ListAllResources'),
  [`GET ${P}/resources`]: pipeline('ListResources'),
  [`GET ${P}/resource-types`]: pipeline('ListResourceTypes'),
  [`GET ${R}`]: pipeline('GetResource'),
  [`PUT ${R}/pause`]: team('PauseResource', 'pipeline-operator'),
  [`PUT ${R}/unpause`]: team('UnpauseResource', 'pipeline-operator'),
  [`POST ${R}/check`]: team('CheckResource', 'pipeline-operator'),
  [`POST ${R}/check/webhook`]: open('CheckResourceWebHook'),
  [`POST ${P}/resource-types/:type/check`]: team('CheckResourceType', 'pipeline-operator'),
  [`POST ${P}/prototypes/:type/check`]: team('CheckPrototype', 'pipeline-operator'),
  [`PUT ${R}/unpin`]: team('UnpinResource', 'pipeline-operator'),
  [`PUT ${R}/pin_comment`]: team('SetPinCommentOnResource', 'pipeline-operator'),
  [`DELETE ${R}/cache`]: team('ClearResourceCache', 'pipeline-operator'),
  [`GET ${R}/shared`]: admin('ListSharedForResource'),
  [`GET ${P}/resource-types/:type/shared`]: admin('ListSharedForResourceType'),
  [`DELETE ${R}/versions`]: admin('ClearResourceVersions'),
  [`DELETE ${P}/resource-types/:type/versions`]: admin('ClearResourceTypeVersions'),
  [`GET ${R}/versions`]: pipeline('ListResourceVersions'),
  [`GET ${V}`]: pipeline('GetResourceVersion'),
  [`PUT ${V}/enable`]: team('EnableResourceVersion', 'pipeline-operator'),
  [`PUT ${V}/disable`]: team('DisableResourceVersion', 'pipeline-operator'),
  [`PUT ${V}/pin`]: team('PinResourceVersion', 'pipeline-operator'),
  [`GET ${V}/input_to`]: pipeline('ListBuildsWithVersionAsInput'),
  [`GET ${V}/output_of`]: pipeline('ListBuildsWithVersionAsOutput'),
  [`GET ${V}/downstream`]: pipeline('GetDownstreamResourceCausality'),
  [`GET ${V}/upstream`]: pipeline('GetUpstreamResourceCausality'),

  // Sources of pipelines in git.
  [`GET ${T}/sources`]: team('ListSources'),
  [`POST ${T}/sources`]: team('CreateSource', 'member'),
  [`GET ${T}/sources/:source`]: team('GetSource'),
  [`PUT ${T}/sources/:source`]: team('UpdateSource', 'member'),
  [`DELETE ${T}/sources/:source`]: team('RemoveSource', 'member'),
  [`PUT ${T}/sources/:source/sync`]: team('SyncSource', 'pipeline-operator'),
  [`POST ${T}/sources/:source/webhook`]: open('SourceWebHook'),

  // Containers, volumes, artifacts, workers.
  [`GET ${T}/containers`]: team('ListContainers'),
  [`GET ${T}/containers/:container`]: team('GetContainer'),
  [`GET ${T}/containers/:container/hijack`]: team('HijackContainer', 'member'),
  [`GET ${T}/volumes`]: team('ListVolumes'),
  [`POST ${T}/artifacts`]: team('CreateArtifact', 'member'),
  [`GET ${T}/artifacts/:artifact`]: team('GetArtifact', 'member'),
  'GET /api/v1/workers': anyTeam('ListWorkers'),
  'GET /api/v1/runtimes': anyTeam('ListRuntimes'),
  'POST /api/v1/workers': system('RegisterWorker'),
  'PUT /api/v1/workers/:worker/heartbeat': system('HeartbeatWorker'),
  'DELETE /api/v1/workers/:worker': system('DeleteWorker'),
  'PUT /api/v1/workers/:worker/land': worker('LandWorker'),
  'PUT /api/v1/workers/:worker/retire': worker('RetireWorker'),
  'PUT /api/v1/workers/:worker/prune': worker('PruneWorker'),
  'GET /api/v1/containers/destroying': worker('ListDestroyingContainers'),
  'PUT /api/v1/containers/report': worker('ReportWorkerContainers'),
  'GET /api/v1/volumes/destroying': worker('ListDestroyingVolumes'),
  'PUT /api/v1/volumes/report': worker('ReportWorkerVolumes'),
};

/** A row with the names of its path's parameters, by which a request's values are found whatever a controller calls them. */
export interface MatrixRow {
  readonly route: string;
  readonly rule: Rule;
  readonly parameters: readonly string[];
}

/** The matrix as a list, for tests and for whoever shows it. */
export const ROLE_MATRIX: readonly MatrixRow[] = Object.entries(ROWS).map(([route, of]) => ({
  route,
  rule: of,
  parameters: namesIn(route),
}));

const byShape = new Map(ROLE_MATRIX.map((row) => [shapeOf(row.route), row]));

/** The row of a served route such as `GET /api/v1/teams/:team_name`; names of parameters do not matter. */
export function matrixRow(method: string, path: string): MatrixRow | undefined {
  const asked = method === 'HEAD' ? 'GET' : method;
  return byShape.get(shapeOf(`${asked} ${path}`)) ?? byShape.get(shapeOf(`* ${path}`));
}

/** The rule of an action such as `SaveConfig`. @throws when there is none: the name stands in our code. */
export function ruleOf(action: string): Rule {
  const row = ROLE_MATRIX.find(({ rule }) => rule.action === action);
  if (!row) throw new Error(`no row of the role matrix is for ${action}`);
  return row.rule;
}

/** Names of a path's parameters, in order. */
export function namesIn(route: string): string[] {
  return [...route.matchAll(/:(\w+)/g)].map(([, name = '']) => name);
}

function shapeOf(route: string): string {
  return route.replace(/:\w+/g, ':');
}
