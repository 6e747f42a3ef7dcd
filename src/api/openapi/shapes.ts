import { z } from 'zod';
import { FINAL_STATUSES, JOB_VAR_TYPES, ROLES } from '../../model/index.js';

/** Every JSON answer of the API by its name in the document. Fields are what the mappers give; an unknown one is a mistake. */

const id = z.int().meta({ description: 'unique on this server' });
const at = z.int().meta({ description: 'unix seconds' });
const time = z.iso.datetime();
const text = z.string();
const version = z.record(z.string(), z.string());
const instanceVars = z.record(z.string(), z.unknown());
const anything = z.record(z.string(), z.unknown());
const buildStatus = z.enum(['pending', 'started', ...FINAL_STATUSES]);

const Build = z.object({
  id,
  team_name: text,
  name: text,
  status: buildStatus,
  api_url: text,
  comment: text.optional(),
  job_name: text.optional(),
  resource_name: text.optional(),
  pipeline_id: id.optional(),
  pipeline_name: text.optional(),
  pipeline_instance_vars: instanceVars.optional(),
  start_time: at.optional(),
  end_time: at.optional(),
  reap_time: at.optional(),
  rerun_number: z.int().optional(),
  rerun_of: z.object({ id, name: text }).optional(),
  created_by: text.optional(),
  aborted_by: text.optional(),
  vars: anything.optional().meta({ description: "values of the job's vars, for members of the team" }),
});

const BuildSummary = Build.pick({
  name: true,
  status: true,
  team_name: true,
  pipeline_id: true,
  pipeline_name: true,
  start_time: true,
  end_time: true,
  pipeline_instance_vars: true,
  job_name: true,
}).extend({ id: z.int().meta({ description: 'of the build; 0 for a check that has no build of its own' }) });

const Pipeline = z.object({
  id,
  name: text,
  instance_vars: instanceVars.optional(),
  paused: z.boolean(),
  paused_by: text.optional(),
  paused_at: at.optional(),
  pause_reason: text.optional(),
  public: z.boolean(),
  archived: z.boolean(),
  groups: z
    .array(z.object({ name: text, jobs: z.array(text).optional(), resources: z.array(text).optional() }))
    .optional(),
  team_name: text,
  display: z.object({ background_image: text.optional(), background_filter: text.optional() }).optional(),
  user_data: z.unknown().optional(),
  parent_job_id: id.optional(),
  parent_build_id: id.optional(),
  last_updated: at.optional(),
  source: z.object({ name: text, path: text }).optional(),
});

const pause = { by: text.nullable(), at: text.nullable(), reason: text.nullable() };
const buildRef = z.object({ id, job: text, name: text });
const queue = { builds: z.array(buildRef), place: z.int() };
const words = { text: text.optional().meta({ description: 'in words; in explanations only' }) };
const Blocker = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('pipeline-paused'), ...pause, ...words }),
  z.object({ kind: z.literal('job-paused'), ...pause, ...words }),
  z.object({ kind: z.literal('max-in-flight'), limit: z.int(), ...queue, ...words }),
  z.object({ kind: z.literal('serial-group'), group: text, ...queue, ...words }),
  z.object({
    kind: z.literal('waiting-for-check'),
    input: text,
    resource: text,
    resourceId: id,
    since: text,
    ...words,
  }),
  z.object({
    kind: z.literal('inputs'),
    inputs: z.array(z.object({ input: text, code: text, text })),
    ...words,
  }),
  z.object({ kind: z.literal('older-build-waits'), build: buildRef, ...words }),
  z.object({ kind: z.literal('starting'), ...words }),
  z.object({ kind: z.literal('nothing-new'), ...words }),
]);

const JobSummary = z.object({
  id,
  name: text,
  team_name: text,
  pipeline_id: id,
  pipeline_name: text,
  pipeline_instance_vars: instanceVars.optional(),
  paused: z.boolean().optional(),
  paused_by: text.optional(),
  paused_at: at.optional(),
  pause_reason: text.optional(),
  has_new_inputs: z.boolean().optional(),
  groups: z.array(text).optional(),
  disable_manual_trigger: z.boolean().optional(),
  disable_reruns: z.boolean().optional(),
  inputs: z
    .array(
      z.object({
        name: text,
        resource: text,
        trigger: z.boolean(),
        passed: z.array(z.unknown()).optional(),
        version: z.union([text, version]).optional(),
      }),
    )
    .optional(),
  outputs: z.array(z.object({ name: text, resource: text })).optional(),
  next_build: BuildSummary.optional(),
  finished_build: BuildSummary.optional(),
  transition_build: BuildSummary.optional(),
});

const Job = JobSummary.extend({
  next_build: Build.nullable(),
  finished_build: Build.nullable(),
  transition_build: Build.optional(),
  vars: z
    .array(
      z.object({
        name: text,
        type: z.enum(JOB_VAR_TYPES),
        required: z.boolean().optional(),
        default: z.unknown().optional(),
        options: z.array(z.unknown()).optional(),
        description: text.optional(),
      }),
    )
    .optional()
    .meta({ description: 'what whoever starts a build may or must give, for members of the team' }),
  why: z
    .array(
      z.object({
        build_id: id.nullable(),
        build_name: text.optional(),
        reasons: z.array(text),
        blockers: z.array(Blocker),
      }),
    )
    .meta({
      description: 'why nothing runs: for each build that waits, or with `build_id: null` for a job that has none',
    }),
});

const JobInput = z.object({
  name: text,
  resource: text,
  type: text,
  source: anything,
  params: anything.optional(),
  tags: z.array(text).optional(),
  version,
});

const fixes = z.array(
  z.object({
    text,
    fix: z.object({ changes: z.array(z.looseObject({ do: text })) }),
  }),
);
const JobExplanation = z.object({
  job: text,
  runs: z.boolean(),
  summary: text,
  running: z.array(buildRef),
  builds: z.array(z.object({ id: id.nullable(), name: text.nullable(), blockers: z.array(Blocker) })),
  when_nothing_waits: text.nullable(),
  inputs: z.array(
    z.object({
      name: text,
      resource: text,
      trigger: z.boolean(),
      passed: z.array(text),
      chosen: version.optional(),
      error: text.optional(),
      check: z.object({ state: z.enum(['never', 'running', 'paused', 'failed', 'succeeded']), text }),
      candidates: z.array(z.object({ version, verdict: z.looseObject({ kind: text }), text })),
      more: z.int(),
    }),
  ),
  fixes,
});

const buildName = z.object({ id, name: text });
const BuildExplanation = z.object({
  build: Build,
  summary: text,
  cause: z.object({
    kind: z.enum(['automatic', 'manual', 'check', 'rerun']),
    text,
    inputs: z.array(text).optional(),
    by: text.nullable().optional(),
    of: buildName.optional(),
  }),
  blockers: z.array(Blocker),
  waits: z.array(
    z.object({
      step_id: text,
      kind: z.enum(['no-runtime', 'unreachable', 'queue']),
      text,
      runtime: text.optional(),
      position: z.int().optional(),
      waiting: z.int().optional(),
    }),
  ),
  inputs: z.array(
    z.object({
      name: text,
      resource: text,
      version,
      first_occurrence: z.boolean(),
      vouched_by: z.array(buildName),
      text,
    }),
  ),
  fixes,
});

const preparation = z.enum(['unknown', 'blocking', 'not_blocking']);
const BuildPreparation = z.object({
  build_id: id,
  paused_pipeline: preparation,
  paused_job: preparation,
  max_running_builds: preparation,
  inputs: z.record(z.string(), preparation),
  inputs_satisfied: preparation,
  missing_input_reasons: z.record(z.string(), text),
  blockers: z.array(Blocker),
  reasons: z.array(text),
});

const Resource = z.object({
  id,
  name: text,
  team_name: text,
  pipeline_id: id,
  pipeline_name: text,
  pipeline_instance_vars: instanceVars.optional(),
  type: text,
  icon: text.optional(),
  last_checked: at.optional(),
  next_check: at.optional(),
  check_error: text.optional(),
  pinned_version: version.optional(),
  pinned_in_config: z.literal(true).optional(),
  pin_comment: text.optional(),
  pinned_by: text.optional(),
  pinned_at: at.optional(),
  paused: z.literal(true).optional(),
  paused_by: text.optional(),
  paused_at: at.optional(),
  pause_reason: text.optional(),
  build: BuildSummary.optional(),
});

const ResourceVersion = z.object({
  id,
  version,
  metadata: z.array(z.object({ name: text, value: text })).optional(),
  enabled: z.boolean(),
  disabled_by: text.optional(),
  disabled_reason: text.optional(),
});

const causal = z.array(id);
const Causality = z.object({
  jobs: z.array(z.object({ id, name: text, build_ids: causal })),
  builds: z.array(z.object({ id, name: text, job_id: id, status: buildStatus, resource_version_ids: causal })),
  resources: z.array(z.object({ id, name: text, version_ids: causal })),
  resource_versions: z.array(z.object({ id, resource_id: id, version, build_ids: causal })),
});

const place = z.object({ name: text, pipeline_name: text, team_name: text });
const Team = z.object({
  id,
  name: text,
  auth: z.partialRecord(z.enum(ROLES), z.object({ users: z.array(text), groups: z.array(text) })),
});
const warnings = z.array(z.object({ type: text, message: text }));

const slotUse = {
  build: text.optional(),
  build_id: id.optional(),
  step_id: text.optional(),
  since: at,
};

const Token = z.object({
  id,
  name: text,
  kind: z.enum(['personal', 'robot']),
  team: text.optional(),
  role: z.enum(ROLES).optional(),
  pipelines: z.array(text).optional(),
  actions: z.array(text).optional(),
  created_by: text.optional(),
  created_at: time,
  expires_at: time,
  last_used_at: time.optional(),
});

export const SHAPES = {
  Error: z
    .object({
      code: text.meta({ description: 'for programs, such as `not-found`' }),
      message: text.meta({ description: 'for people: what, where, why and what helps' }),
      details: z.unknown().optional().meta({ description: 'facts for programs, by code' }),
      requestId: text.meta({ description: "as in the header X-Request-Id and the server's log" }),
      errors: z
        .array(z.union([text, z.object({ title: text, detail: text, status: text })]))
        .optional()
        .meta({ description: "Concourse's form of the same: of a refused config, and of every 404" }),
    })
    .meta({ description: 'What every refused request is told, on our own routes and on those of Concourse.' }),
  Info: z.object({
    version: text.meta({ description: 'of Concourse, by which fly knows that it may speak to this server' }),
    worker_version: text,
    feature_flags: z.record(z.string(), z.boolean()),
    external_url: text,
    cluster_name: text.optional(),
    weir_version: text,
  }),
  Health: z.object({
    status: z.enum(['ok', 'degraded', 'failing']),
    timestamp: time,
    database: z.object({ status: z.enum(['healthy', 'unhealthy']), error: text.optional() }),
    workers: z.object({ status: z.literal('healthy'), total: z.int(), running: z.int() }),
    components: z.array(
      z.object({ name: text, status: z.enum(['healthy', 'unhealthy']), paused: z.boolean(), last_ran: time }),
    ),
    watchdog: z.object({ pending_without_reason: z.int() }),
  }),
  CredentialManagers: z.record(
    z.string(),
    z
      .object({ health: z.object({ method: text, response: z.unknown().optional(), error: text.optional() }) })
      .catchall(z.unknown())
      .meta({ description: 'settings of the credential manager, without secrets, and how it does' }),
  ),
  OpenIdConfiguration: z.object({
    issuer: text,
    jwks_uri: text,
    response_types_supported: z.array(text),
    subject_types_supported: z.array(text),
    id_token_signing_alg_values_supported: z.array(text),
    claims_supported: z.array(text),
  }),
  JwkSet: z.object({
    keys: z.array(
      z.object({
        kty: text,
        kid: text,
        use: z.literal('sig'),
        alg: text,
        n: text.optional(),
        e: text.optional(),
        crv: text.optional(),
        x: text.optional(),
        y: text.optional(),
      }),
    ),
  }),
  Component: z.object({
    name: text,
    interval: z.int().meta({ description: 'nanoseconds' }),
    last_ran: time,
    paused: z.boolean(),
  }),
  Wall: z.object({
    message: text.optional(),
    TTL: z.number().optional().meta({ description: 'nanoseconds that are left' }),
  }),
  AccessToken: z.object({ access_token: text, token_type: z.literal('bearer'), expires_in: z.int() }),
  OAuthError: z.object({ error: text, error_description: text }),
  PlainError: z.object({ error: text }),
  Stderr: z.object({ stderr: text }),
  UserInfo: z.object({
    sub: text,
    name: text,
    user_id: text,
    user_name: text,
    email: text,
    is_admin: z.boolean(),
    is_system: z.boolean(),
    teams: z.record(z.string(), z.array(z.enum(ROLES))),
    connector: text,
    display_user_id: text,
  }),
  User: z.object({ id, username: text, connector: text, last_login: at.optional(), sub: text }),
  Team,
  SavedTeam: z.object({ team: Team }),
  Nothing: z.object({}),
  Token,
  NewToken: Token.extend({ token: text.meta({ description: 'shown this once' }) }),
  AuditEntry: z.object({
    seq: z.int(),
    at: time,
    user: text.nullable(),
    connector: text.nullable(),
    token_id: id.nullable(),
    token_kind: text.nullable(),
    remote_address: text.nullable(),
    action: text,
    team: text.nullable(),
    target: text.nullable(),
    status: z.int().nullable(),
    before: z.unknown(),
    after: z.unknown(),
    reason: text.nullable(),
    request_id: text.nullable(),
    prev_hash: text,
    hash: text,
  }),
  AuditVerdict: z.object({
    intact: z.boolean(),
    entries: z.int(),
    last_hash: text,
    broken: z.object({ seq: z.int(), why: text }).optional(),
  }),
  Pipeline,
  Revision: z.object({
    version: z.int(),
    created_at: at,
    set_by: text.optional(),
    commit: text.optional(),
    author: text.optional(),
    file: text.optional(),
  }),
  StoredConfig: z.object({
    config: anything.meta({
      description: 'as it was set, field for field; its schema is at /api/v1/schema/pipeline.json',
    }),
  }),
  SavedConfig: z.object({ warnings: warnings.optional() }),
  Renamed: z.object({ warnings }),
  Schema: anything,
  Job,
  JobSummary,
  JobInput,
  JobExplanation,
  Blocker,
  Build,
  BuildSummary,
  BuildExplanation,
  BuildPreparation,
  BuildPlan: z.object({
    schema: z.literal('exec.v2'),
    plan: z
      .looseObject({ id: text })
      .meta({ description: '`{id, <kind>: {…}}`, without sources, params and credentials' }),
  }),
  BuildResources: z.object({
    inputs: z.array(z.object({ name: text, version, pipeline_id: id, first_occurrence: z.boolean() })),
    outputs: z.array(z.object({ name: text, version })),
  }),
  RemovedCaches: z.object({ caches_removed: z.int() }),
  RemovedVersions: z.object({ versions_removed: z.int() }),
  Resource,
  ResourceVersion,
  ResourceType: z.looseObject({ name: text, type: text }),
  Sharing: z.object({ resources: z.array(place), resource_types: z.array(place) }),
  Causality,
  Source: z.object({
    id,
    name: text,
    team_name: text,
    uri: text,
    branch: text.optional(),
    path_glob: text,
    credentials: z.enum(['none', 'private_key', 'password']),
    vars: anything,
    interval_seconds: z.int(),
    has_webhook: z.boolean(),
    syncing: z.boolean(),
    created_at: at,
    next_sync_at: at,
    last_synced_at: at.optional(),
    last_commit: text.optional(),
    last_error: z
      .object({ kind: text, message: text, at: text, commit: text.optional(), problems: z.array(text) })
      .optional(),
    pipelines: z.array(text),
  }),
  Container: z.object({
    id: text,
    worker_name: text,
    state: z.enum(['created', 'failed']),
    type: z.enum(['task', 'get', 'put', 'check', 'run']).optional(),
    step_name: text.optional(),
    attempt: text.optional(),
    pipeline_id: id.optional(),
    pipeline_name: text.optional(),
    pipeline_instance_vars: instanceVars.optional(),
    job_id: id.optional(),
    job_name: text.optional(),
    build_id: id.optional(),
    build_name: text.optional(),
    resource_name: text.optional(),
  }),
  Volume: z.object({
    id: text,
    worker_name: text,
    type: text,
    container_handle: text,
    path: text,
    parent_handle: text,
    resource_type: z.null(),
    base_resource_type: z.null(),
    pipeline_id: z.int(),
    pipeline_name: text,
    pipeline_instance_vars: instanceVars.nullable(),
    job_name: text,
    step_name: text,
  }),
  Artifact: z.object({ id, name: text, build_id: z.int(), created_at: at }),
  Worker: z.object({
    name: text,
    addr: text,
    baggageclaim_url: text,
    active_containers: z.int(),
    active_volumes: z.int(),
    active_tasks: z.int(),
    max_active_tasks: z.int(),
    resource_types: z.array(
      z.object({
        type: text,
        image: text,
        version: text,
        privileged: z.boolean(),
        unique_version_history: z.boolean(),
      }),
    ),
    platform: text,
    tags: z.array(text).nullable(),
    team: text,
    version: text,
    start_time: at,
    ephemeral: z.boolean(),
    state: z.enum(['running', 'stalled', 'landing', 'landed']),
  }),
  Runtime: z.object({
    name: text,
    kind: text,
    server: text,
    tags: z.array(text),
    takes_untagged_steps: z.boolean(),
    state: z.enum(['running', 'stalled', 'landing', 'landed', 'unreachable']),
    reason: text.optional(),
    unreachable_since: at.optional(),
    started_at: at,
    capabilities: anything,
    slots: z.int(),
    free_slots: z.int(),
    running: z.array(z.object(slotUse)),
    queue: z.array(z.object({ position: z.int(), ...slotUse })),
  }),
} as const satisfies Readonly<Record<string, z.ZodType>>;

/** A shape, or a list of them. */
export type Answer = keyof typeof SHAPES | readonly [keyof typeof SHAPES];
