import type {
  BuildBlockers,
  BuildId,
  Job,
  JobConfig,
  JobId,
  JsonObject,
  NextInput,
  PauseInfo,
  PipelineConfig,
  PipelineId,
  ResourceConfig,
  Version,
} from '../../model/index.js';
import type { Queryable } from '../db.js';
import { findBuilds } from './builds.js';
import { groupsOf, INPUTS_AND_OUTPUTS, pauseColumn } from './job-shapes.js';

interface JobRow {
  id: JobId;
  name: string;
  teamName: string;
  pipelineId: PipelineId;
  pipelineName: string;
  instanceVars: JsonObject | null;
  config: JobConfig;
  paused: PauseInfo | null;
  pipelinePaused: PauseInfo | null;
  hasNewInputs: boolean;
  pipelineGroups: PipelineConfig['groups'] | null;
  inputs: Job['inputs'];
  outputs: Job['outputs'];
  nextBuildId: BuildId | null;
  finishedBuildId: BuildId | null;
  transitionBuildId: BuildId | null;
  blockers: readonly BuildBlockers[];
}

/** Jobs that fulfil the condition, with what belongs to them. */
const jobsWhere = (condition: string): string => `
  with picked as materialized (
    select j.id from jobs j join pipelines p on p.id = j.pipeline_id where j.active and ${condition}
  ), ${INPUTS_AND_OUTPUTS}
  select j.id, j.name, t.name as "teamName", p.id as "pipelineId", p.name as "pipelineName", p.instance_vars as "instanceVars",
    j.config, ${pauseColumn('j')} as paused, ${pauseColumn('p')} as "pipelinePaused", j.has_new_inputs as "hasNewInputs",
    v.groups as "pipelineGroups", coalesce(inputs.list, '[]') as inputs, coalesce(outputs.list, '[]') as outputs,
    j.next_build_id as "nextBuildId", j.latest_completed_build_id as "finishedBuildId",
    j.transition_build_id as "transitionBuildId", j.blockers
  from picked join jobs j on j.id = picked.id join pipelines p on p.id = j.pipeline_id join teams t on t.id = p.team_id
  left join pipeline_revisions v on v.pipeline_id = p.id and v.version = p.config_version
  left join inputs on inputs.job_id = j.id
  left join outputs on outputs.job_id = j.id`;

/** The active job with that id. */
export async function jobById(db: Queryable, id: JobId): Promise<Job | undefined> {
  const [job] = await toJobs(db, await db.query<JobRow>(jobsWhere(`j.id = $1`), [id]));
  return job;
}

/** Names of the pipeline's active jobs. */
export async function jobNames(db: Queryable, id: PipelineId): Promise<{ id: JobId; name: string }[]> {
  return db.query(`select id, name from jobs where pipeline_id = $1 and active order by id`, [id]);
}

/** The stored next inputs with a version; undefined when they are not determined. */
export async function nextInputs(db: Queryable, id: JobId): Promise<NextInput[] | undefined> {
  const [job] = await db.query<{ determined: boolean; config: JobConfig }>(
    `select inputs_determined as determined, config from jobs where id = $1 and active`,
    [id],
  );
  if (!job?.determined) return undefined;
  const rows = await db.query<{
    name: string;
    version: Version;
    config: ResourceConfig;
    resourceId: NextInput['resourceId'];
  }>(
    `select i.name, i.version, r.config, r.id as "resourceId" from next_inputs i join resources r on r.id = i.resource_id
     where i.job_id = $1 order by i.ordinal`,
    [id],
  );
  return rows.map(({ name, version, config, resourceId }) => ({
    name,
    resource: config.name,
    resourceId,
    type: config.type,
    source: config.source ?? {},
    version,
  }));
}

async function toJobs(db: Queryable, rows: readonly JobRow[]): Promise<Job[]> {
  const ids = rows
    .flatMap((row) => [row.nextBuildId, row.finishedBuildId, row.transitionBuildId])
    .filter((id) => id !== null);
  const builds = new Map((ids.length === 0 ? [] : await findBuilds(db, ids)).map((build) => [build.id, build]));
  const build = (id: BuildId | null) => (id === null ? undefined : builds.get(id));
  return rows.map(({ nextBuildId, finishedBuildId, transitionBuildId, pipelineGroups, ...row }) => ({
    ...row,
    instanceVars: row.instanceVars ?? undefined,
    paused: row.paused ?? undefined,
    pipelinePaused: row.pipelinePaused ?? undefined,
    inputs: row.inputs.map((input) => ({ ...input, passed: input.passed ?? [] })),
    groups: groupsOf(row.name, pipelineGroups),
    nextBuild: build(nextBuildId),
    finishedBuild: build(finishedBuildId),
    transitionBuild: build(transitionBuildId),
  }));
}
