import type {
  BuildId,
  JobListing,
  JobShape,
  JsonObject,
  ListedBuild,
  PauseInfo,
  PipelineId,
} from '../../model/index.js';
import type { Marked } from '../../platform/index.js';
import type { Queryable } from '../db.js';
import { pauseColumn } from './job-shapes.js';

/** Which jobs to list: of one pipeline, or of every one that is not archived and, if ids are given, one of those. */
export type JobsOf = { readonly pipelineId: PipelineId } | { readonly among: readonly PipelineId[] | undefined };

type BuildColumns<Kind extends string> = {
  readonly [Field in keyof ListedBuild as `${Kind}_${Field}`]: ListedBuild[Field] | null;
};

/** What the rows know of a listed job, beside what its pipeline's config tells. */
export type JobListingRow = BuildColumns<'next'> &
  BuildColumns<'finished'> &
  BuildColumns<'transition'> &
  Omit<JobListing, keyof JobShape | 'nextBuild' | 'finishedBuild' | 'transitionBuild' | 'instanceVars' | 'paused'> & {
    readonly configVersion: number;
    readonly instanceVars: JsonObject | null;
    readonly paused: PauseInfo | null;
    readonly transitionId: BuildId | null;
  };

/** `offset 0` keeps the look-up by id: the plan that reads every build in their place is never the better one. */
const build = (kind: string, id: string): string =>
  `left join lateral (select * from builds where id = ${id} offset 0) ${kind} on true`;
const columns = (kind: string): string => `
  ${kind}.id as ${kind}_id, ${kind}.name as ${kind}_name, ${kind}.status as ${kind}_status,
  floor(extract(epoch from ${kind}.started_at))::bigint as "${kind}_startedAt",
  floor(extract(epoch from ${kind}.ended_at))::bigint as "${kind}_endedAt"`;

/**
 * The pipelines that have active jobs, by team and name, each with a mark that is another one as soon as anything is that the list shows of
 * its jobs: a row that was written again has another `xmin`, and of a build that has ended nothing changes any more.
 */
export async function markPipelinesOfJobs(db: Queryable, of: JobsOf): Promise<Marked<PipelineId>[]> {
  const [condition, value] =
    'pipelineId' in of
      ? ['p.id = $1', of.pipelineId]
      : ['not p.archived and ($1::bigint[] is null or p.id = any($1))', of.among ?? null];
  return db.query<Marked<PipelineId>>(
    `select p.id, concat_ws(' ', p.xmin, t.xmin,
       string_agg(j.id || '.' || j.xmin || coalesce(n.status || coalesce(n.started_at::text, ''), ''), ' ' order by j.id)) as mark
     from jobs j join pipelines p on p.id = j.pipeline_id join teams t on t.id = p.team_id
     left join lateral (select status, started_at from builds where id = j.next_build_id offset 0) n on true
     where j.active and ${condition} group by t.name, p.name, p.id, p.xmin, t.xmin order by t.name, p.name, p.id`,
    [value],
  );
}

/** Active jobs of these pipelines, those of each in order of creation. */
export async function listJobs(db: Queryable, pipelines: readonly PipelineId[]): Promise<JobListingRow[]> {
  return db.query<JobListingRow>(
    `select j.id, j.name, t.name as "teamName", p.id as "pipelineId", p.name as "pipelineName", p.config_version as "configVersion",
       p.instance_vars as "instanceVars", ${pauseColumn('j')} as paused, j.has_new_inputs as "hasNewInputs",
       j.disable_manual_trigger as "disablesManualTrigger", j.disable_reruns as "disablesReruns",
       ${columns('next')}, ${columns('finished')}, ${columns('transition')}, j.transition_build_id as "transitionId"
     from jobs j join pipelines p on p.id = j.pipeline_id join teams t on t.id = p.team_id
     ${build('next', 'j.next_build_id')}
     ${build('finished', 'j.latest_completed_build_id')}
     ${build('transition', 'nullif(j.transition_build_id, j.latest_completed_build_id)')}
     where j.active and p.id = any($1::bigint[]) order by j.id`,
    [pipelines],
  );
}

/** The listed job of that row. */
export function toJobListing(row: JobListingRow, shape: JobShape): JobListing {
  const finishedBuild = listed(
    row.finished_id,
    row.finished_name,
    row.finished_status,
    row.finished_startedAt,
    row.finished_endedAt,
  );
  return {
    id: row.id,
    name: row.name,
    teamName: row.teamName,
    pipelineId: row.pipelineId,
    pipelineName: row.pipelineName,
    instanceVars: row.instanceVars ?? undefined,
    paused: row.paused ?? undefined,
    hasNewInputs: row.hasNewInputs,
    groups: shape.groups,
    inputs: shape.inputs,
    outputs: shape.outputs,
    disablesManualTrigger: row.disablesManualTrigger,
    disablesReruns: row.disablesReruns,
    nextBuild: listed(row.next_id, row.next_name, row.next_status, row.next_startedAt, row.next_endedAt),
    finishedBuild,
    transitionBuild:
      row.transitionId !== null && row.transitionId === row.finished_id
        ? finishedBuild
        : listed(
            row.transition_id,
            row.transition_name,
            row.transition_status,
            row.transition_startedAt,
            row.transition_endedAt,
          ),
  };
}

function listed(
  id: BuildId | null,
  name: string | null,
  status: ListedBuild['status'] | null,
  startedAt: number | null,
  endedAt: number | null,
): ListedBuild | undefined {
  return id === null || name === null || status === null ? undefined : { id, name, status, startedAt, endedAt };
}
