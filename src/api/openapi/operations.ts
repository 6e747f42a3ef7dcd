import type { Answer } from './shapes.js';

/** What of a route the code itself does not say. */
export interface Operation {
  /** What it does, in a line. */
  readonly says: string;
  /** The shape of a good answer; without it the body is empty or of the `type`. */
  readonly answers?: Answer;
  /** The media type of a good answer that is no JSON. */
  readonly type?: string;
  /** Statuses of good answers, when there are several or the code does not name the one. */
  readonly statuses?: readonly number[];
  /** Refusals beside those that the gate, the path and the body bring. */
  readonly refuses?: readonly number[];
  /** Answers in other shapes than `Error`. */
  readonly odd?: Readonly<Record<number, Answer>>;
  /** Parameters of the query that are read without a schema. */
  readonly query?: Readonly<Record<string, string>>;
  /** A body that is not checked by a schema of ours: its media types and what it is. */
  readonly body?: { readonly types: readonly string[]; readonly says: string };
  /** Headers of a good answer. */
  readonly headers?: readonly ResponseHeader[];
  /** Concourse has no such route. */
  readonly isOurs?: true;
}

export type ResponseHeader = 'Link' | 'X-Concourse-Config-Version' | 'Location' | 'Set-Cookie';

const PAGE = { headers: ['Link'] } as const;
const BADGE = { type: 'image/svg+xml', query: { title: 'what stands on the left; `build` without it' } } as const;
const WEBHOOK = { refuses: [401, 404, 409] } as const;
const HTML = 'text/html';
const REDIRECT = { headers: ['Location'] } as const;
const PLAN = {
  answers: 'Build',
  body: {
    types: ['application/json'],
    says: 'A plan, as `fly execute` posts it: `{"task": {"name": …, "config": {…}}}`.',
  },
} as const;
const OURS = { isOurs: true } as const;

/** By the action of the role matrix; by the route where several do the same. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  ShowRoot: { says: 'A page for whoever opens the address in a browser', type: HTML, ...OURS },
  'GET /login': {
    says: 'Begins a login in the browser',
    statuses: [302],
    ...REDIRECT,
    query: { fly_port: 'where the client that waits for the token listens', redirect_uri: 'a path of this server' },
  },
  StartLogout: { says: 'Sends the browser to /sky/logout', statuses: [301], ...REDIRECT },
  'GET /auth/:provider/callback': {
    says: 'Where older servers told providers to send people',
    statuses: [301],
    ...REDIRECT,
  },
  'GET /sky/login': { says: 'The form of the login', type: HTML, statuses: [200, 303], headers: ['Set-Cookie'] },
  'POST /sky/login': {
    says: 'Logs in with a name and a password',
    type: HTML,
    statuses: [303],
    refuses: [401, 403, 429],
    headers: ['Location', 'Set-Cookie'],
  },
  'GET /sky/login/:connector': {
    says: 'Sends the browser to a provider',
    type: HTML,
    statuses: [307],
    refuses: [502],
    headers: ['Location', 'Set-Cookie'],
  },
  'GET /sky/callback': {
    says: 'Where a provider sends people back',
    type: HTML,
    statuses: [303],
    refuses: [400, 401, 403, 404, 429, 502],
    headers: ['Location', 'Set-Cookie'],
  },
  'GET /sky/issuer/callback': {
    says: 'Where a provider sends people back; the older address',
    type: HTML,
    statuses: [303],
    refuses: [400, 401, 403, 404, 429, 502],
    headers: ['Location', 'Set-Cookie'],
  },
  'POST /sky/issuer/token': {
    says: "A token for a name and a password: OAuth's password grant, client `fly`",
    answers: 'AccessToken',
    body: {
      types: ['application/x-www-form-urlencoded'],
      says: '`grant_type=password`, `username`, `password`; `client_id` and `client_secret` here or as HTTP Basic.',
    },
    odd: { 400: 'OAuthError', 401: 'OAuthError', 429: 'OAuthError', 502: 'OAuthError' },
  },
  LogOut: { says: 'Ends the token of the cookie or the header', refuses: [401], headers: ['Set-Cookie'] },
  ShowToken: {
    says: 'Hands the token of the session to the client that waits for it, or shows it',
    type: HTML,
    statuses: [200, 302],
    query: { fly_port: 'where the client listens', noop: '`true`: only says that all is done' },
  },
  GetOpenIdConfiguration: {
    says: 'The discovery document for the ID tokens of `idtoken` var sources',
    answers: 'OpenIdConfiguration',
  },
  GetOpenIdKeys: { says: 'The public keys of those tokens, as a JWK set', answers: 'JwkSet' },
  GetMetrics: { says: 'Figures for Prometheus', type: 'text/plain', ...OURS },

  ListTeams: { says: 'Teams in which the caller has a role; all for administrators', answers: ['Team'] },
  GetTeam: { says: 'A team and who has which role in it', answers: 'Team' },
  SetTeam: { says: 'Makes a team, or sets its roles', answers: 'SavedTeam', statuses: [200, 201], refuses: [409] },
  RenameTeam: { says: 'Gives a team another name', answers: 'Nothing', refuses: [409] },
  DestroyTeam: { says: 'Removes a team with all that it has', refuses: [409] },
  GetUser: { says: 'Who asks', answers: 'UserInfo' },
  ListActiveUsersSince: {
    says: 'Users who logged in since a day, or within 60 days',
    answers: ['User'],
    odd: { 400: 'PlainError' },
  },
  ListTokens: { says: "The caller's tokens, and the robots of teams they own", answers: ['Token'], ...OURS },
  CreateToken: { says: 'Makes a personal or a robot token', answers: 'NewToken', refuses: [404, 409], ...OURS },
  RevokeToken: { says: 'Ends a token at once', ...OURS },
  ListAudit: { says: 'Who changed what, newest first', answers: ['AuditEntry'], ...OURS },
  ListTeamAudit: { says: 'Who changed what in a team, newest first', answers: ['AuditEntry'], ...OURS },
  VerifyAudit: { says: 'Whether the chain of the audit log holds', answers: 'AuditVerdict', ...OURS },

  GetInfo: { says: 'What anyone may know of this server', answers: 'Info' },
  GetInfoCreds: { says: 'Where values of vars come from, and whether they can be read', answers: 'CredentialManagers' },
  GetHealth: {
    says: 'Whether all is well; 503 when the database does not answer',
    answers: 'Health',
    odd: { 503: 'Health' },
  },
  DownloadCLI: { says: 'This server gives out no copies of `fly`', refuses: [404] },
  GetOpenApi: { says: 'This document', answers: 'Schema', ...OURS },
  ShowOpenApi: { says: 'This document as a page', type: HTML, ...OURS },
  GetPipelineSchema: { says: 'The pipeline language as JSON Schema', answers: 'Schema', ...OURS },
  GetWall: { says: 'The message for everybody; `{}` when there is none', answers: 'Wall' },
  SetWall: { says: 'Sets the message for everybody' },
  ClearWall: { says: 'Removes the message for everybody' },
  GetLogLevel: { says: "How much the server's log tells", type: 'text/plain' },
  SetLogLevel: {
    says: 'Sets how much the log of this server tells, until it stops',
    body: { types: ['text/plain'], says: '`debug`, `info`, `error` or `fatal`.' },
  },
  ListComponents: { says: 'The loops of this server', answers: ['Component'] },
  PauseAllComponents: { says: 'Refused: pause pipelines, jobs or resources instead', refuses: [501] },
  UnpauseAllComponents: { says: 'Nothing is ever paused, so there is nothing to do' },
  PauseComponent: { says: 'Refused: pause pipelines, jobs or resources instead', refuses: [501] },
  UnpauseComponent: { says: 'Nothing is ever paused, so there is nothing to do' },

  ListAllPipelines: { says: 'Every pipeline that the caller may see', answers: ['Pipeline'] },
  ListPipelines: { says: 'Pipelines of a team that the caller may see', answers: ['Pipeline'] },
  OrderPipelines: { says: 'Sets the order of pipelines in lists' },
  GetPipeline: { says: 'A pipeline', answers: 'Pipeline' },
  DeletePipeline: { says: 'Removes a pipeline and its builds' },
  GetConfig: {
    says: 'The config as it was set, field for field',
    answers: 'StoredConfig',
    headers: ['X-Concourse-Config-Version'],
  },
  SaveConfig: {
    says: 'Sets the config; a new pipeline begins paused',
    answers: 'SavedConfig',
    statuses: [200, 201],
    refuses: [409, 415],
    query: { check_creds: 'when there, with any value: every var must have a value now' },
    body: {
      types: ['application/x-yaml', 'application/json'],
      says: 'The config. Its schema is at `/api/v1/schema/pipeline.json`.',
    },
  },
  ListRevisions: { says: 'Every config that was set, newest first', answers: ['Revision'], ...OURS },
  OrderPipelinesWithinGroup: { says: 'Sets the order of instances of a pipeline' },
  PausePipeline: { says: 'Starts no more builds of the pipeline', refuses: [409] },
  UnpausePipeline: { says: 'Lets the pipeline go on', refuses: [409] },
  ArchivePipeline: { says: 'Puts the pipeline away: its builds stay, its config goes' },
  ExposePipeline: { says: 'Shows the pipeline to everybody' },
  HidePipeline: { says: 'Shows the pipeline to its team only' },
  RenamePipeline: { says: 'Gives a pipeline with all its instances another name', answers: 'Renamed', refuses: [409] },
  ListPipelineBuilds: { says: 'Builds of a pipeline, newest first', answers: ['Build'], ...PAGE },
  CreatePipelineBuild: { says: 'Runs a one-off build with the vars of a pipeline', ...PLAN },
  PipelineBadge: { says: 'How the pipeline does, as a picture', ...BADGE },
  GetCC: { says: 'How jobs do, for menu bars (CCTray)', type: 'application/xml' },

  ListAllJobs: { says: 'Every job that the caller may see', answers: ['JobSummary'] },
  MainJobBadge: { says: 'The address of old readme files', statuses: [301], ...REDIRECT, query: BADGE.query },
  ListJobs: { says: 'Jobs of a pipeline', answers: ['JobSummary'] },
  GetJob: { says: 'A job, and why nothing of it runs', answers: 'Job' },
  ListJobBuilds: { says: 'Builds of a job, newest first', answers: ['Build'], ...PAGE },
  CreateJobBuild: { says: 'Starts a build of the job, with values for its vars', answers: 'Build', refuses: [409] },
  GetJobBuild: { says: 'A build by its number', answers: 'Build' },
  RerunJobBuild: { says: 'Runs a build again with its versions', answers: 'Build', refuses: [409] },
  ListJobInputs: { says: 'What the next build of the job would get', answers: ['JobInput'] },
  ExplainJob: { says: 'Why the job runs or does not, and what would help', answers: 'JobExplanation', ...OURS },
  JobBadge: { says: 'How the job does, as a picture', ...BADGE },
  PauseJob: { says: 'Starts no more builds of the job', refuses: [409] },
  UnpauseJob: { says: 'Lets the job go on', refuses: [409] },
  ScheduleJob: { says: 'Looks at once whether a build must start', refuses: [409] },
  ClearTaskCache: { says: 'Removes what a task keeps between builds', answers: 'RemovedCaches' },

  ListBuilds: { says: 'Builds that the caller may see, newest first', answers: ['Build'], ...PAGE },
  ListTeamBuilds: { says: 'Builds of a team, newest first', answers: ['Build'], ...PAGE },
  CreateBuild: { says: 'Runs a one-off build', ...PLAN },
  GetBuild: { says: 'A build', answers: 'Build' },
  GetBuildPlan: { says: 'The steps of a build that has started', answers: 'BuildPlan' },
  BuildEvents: {
    says: 'What the build does, as server-sent events; it ends with the event `end` and is held open',
    type: 'text/event-stream',
  },
  BuildResources: { says: 'Versions that a build used and made', answers: 'BuildResources' },
  GetBuildPreparation: { says: 'What a build waits for', answers: 'BuildPreparation' },
  ExplainBuild: {
    says: 'Why a build ran with its versions, or what it waits for',
    answers: 'BuildExplanation',
    ...OURS,
  },
  ListBuildArtifacts: { says: 'Files that a one-off build took and made', answers: ['Artifact'] },
  AbortBuild: { says: 'Aborts a build', query: { force: 'when there, with any value: without waiting for its steps' } },
  SetBuildComment: { says: 'Writes a comment to a build' },
  ResumeBuild: {
    says: 'Runs a build again, taking over the steps which ended well',
    answers: 'Build',
    refuses: [409],
    ...OURS,
  },

  ListAllResources: { says: 'Every resource that the caller may see', answers: ['Resource'] },
  ListResources: { says: 'Resources of a pipeline', answers: ['Resource'] },
  ListResourceTypes: { says: 'Resource types of a pipeline, as its config has them', answers: ['ResourceType'] },
  GetResource: { says: 'A resource and how its checks do', answers: 'Resource' },
  PauseResource: { says: 'Checks the resource no more', refuses: [409], ...OURS },
  UnpauseResource: { says: 'Lets checks of the resource go on', refuses: [409], ...OURS },
  CheckResource: { says: 'Looks for new versions now', answers: 'Build', refuses: [409] },
  CheckResourceWebHook: {
    says: 'The same for programs elsewhere, which know the token of the config',
    answers: 'Build',
    ...WEBHOOK,
  },
  CheckResourceType: { says: 'Looks for the newest version of a type', answers: 'Build', refuses: [409] },
  CheckPrototype: { says: 'Looks for the newest version of a prototype', answers: 'Build', refuses: [409] },
  UnpinResource: { says: 'Lets builds take the newest version again', refuses: [409] },
  SetPinCommentOnResource: { says: 'Says why a resource is pinned', refuses: [409] },
  ClearResourceCache: { says: 'Nothing is kept that could be removed', answers: 'RemovedCaches' },
  ListSharedForResource: { says: 'Who would lose versions as well, were they cleared', answers: 'Sharing' },
  ListSharedForResourceType: { says: 'Who would lose versions as well, were they cleared', answers: 'Sharing' },
  ClearResourceVersions: { says: 'Forgets the versions of a resource', answers: 'RemovedVersions' },
  ClearResourceTypeVersions: { says: 'Types keep no versions: removes 0', answers: 'RemovedVersions' },
  ListResourceVersions: {
    says: 'Versions of a resource, newest first',
    answers: ['ResourceVersion'],
    ...PAGE,
    query: { filter: '`key:value`, as often as needed: all must match' },
  },
  GetResourceVersion: { says: 'A version', answers: 'ResourceVersion' },
  EnableResourceVersion: { says: 'Lets builds take the version', refuses: [409] },
  DisableResourceVersion: { says: 'Lets no build take the version', refuses: [409] },
  PinResourceVersion: { says: 'Lets builds take this version only', refuses: [409] },
  ListBuildsWithVersionAsInput: { says: 'Builds that used the version', answers: ['Build'] },
  ListBuildsWithVersionAsOutput: { says: 'Builds that made the version', answers: ['Build'] },
  GetDownstreamResourceCausality: { says: 'What the version led to', answers: 'Causality', refuses: [422] },
  GetUpstreamResourceCausality: { says: 'What the version came of', answers: 'Causality', refuses: [422] },

  ListSources: { says: 'Git repositories whose files are pipelines', answers: ['Source'], ...OURS },
  CreateSource: {
    says: 'Takes pipelines from a git repository from now on',
    answers: 'Source',
    refuses: [409],
    ...OURS,
  },
  GetSource: { says: 'A source and how its syncs do', answers: 'Source', ...OURS },
  UpdateSource: { says: 'Changes a source; what is not given stays', answers: 'Source', ...OURS },
  RemoveSource: { says: 'Removes a source; its pipelines stay', ...OURS },
  SyncSource: { says: 'Looks into the repository now', ...OURS },
  SourceWebHook: { says: "The same for programs elsewhere, which know the source's token", refuses: [401], ...OURS },

  ListContainers: { says: 'Steps that people can step into', answers: ['Container'] },
  GetContainer: { says: 'A step that people can step into', answers: 'Container' },
  HijackContainer: {
    says: 'Runs a command in a step, over a web socket; 101 to an upgrade',
    statuses: [101],
    refuses: [400, 426],
  },
  ListVolumes: { says: 'Files that outlive their step', answers: ['Volume'] },
  CreateArtifact: {
    says: 'Uploads the files of an input of a one-off build',
    answers: 'Artifact',
    query: { platform: 'of the task; does not matter here', tags: 'does not matter here' },
    body: { types: ['application/octet-stream'], says: 'A tar archive, gzipped or not.' },
  },
  GetArtifact: { says: 'Files as a gzipped tar archive', type: 'application/octet-stream' },
  ListWorkers: { says: 'Where steps run, in the words of Concourse', answers: ['Worker'] },
  ListRuntimes: { says: 'Where steps run, what runs there and who waits', answers: ['Runtime'], ...OURS },
  LandWorker: { says: 'Lets no more steps begin there until the server starts again', refuses: [409] },
  PruneWorker: { says: 'Forgets a worker whose server is gone', odd: { 400: 'Stderr' } },
};
