import type {
  BuildId,
  JobListing,
  JobShape,
  JsonObject,
  ListedBuild,
  PauseInfo,
  PipelineId,
} from '../../model/index.js';
import type { Queryable } from '../db.js';
import { pauseColumn } from './job-shapes.js';

/** Which jobs to list: of one pipeline, or of every one that is not archived and, if ids are given, one of those. */
export type JobsOf = { readonly pipelineId: PipelineId } | { readonly among: readonly PipelineId[] | undefined };

type BuildColumns<Kind extends string> = {
  readonly [Field in keyof ListedBuild as `${Kind}_${Field}`]: ListedBuild[Field] | null;
};

/**
 * What the rows know of a listed job, beside what its pipeline's config tells. Flat, so that two rows can be compared:
 * `instanceVars` and `paused` are JSON texts.
 */
export type JobListingRow = BuildColumns<'next'> &
  BuildColumns<'finished'> &
  BuildColumns<'transition'> &
  Omit<JobListing, keyof JobShape | 'nextBuild' | 'finishedBuild' | 'transitionBuild' | 'instanceVars' | 'paused'> & {
    readonly configVersion: number;
    readonly instanceVars: string | null;
    readonly paused: string | null;
    readonly transitionId: BuildId | null;
  };

/** `offset 0` keeps the look-up by id: the plan that reads every build in their place is never the better one. */
const build = (kind: string, id: string): string =>
  `left join lateral (select * from builds where id = ${id} offset 0) ${kind} on true`;
const columns = (kind: string): string => `
  ${kind}.id as ${kind}_id, ${kind}.name as ${kind}_name, ${kind}.status as ${kind}_status,
  floor(extract(epoch from ${kind}.started_at))::bigint as "${kind}_startedAt",
  floor(extract(epoch from ${kind}.ended_at))::bigint as "${kind}_endedAt"`;

/** Active jobs: of one pipeline in order of creation, of all by team and pipeline. */
export async function listJobs(db: Queryable, of: JobsOf): Promise<JobListingRow[]> {
  const [condition, order, value] =
    'pipelineId' in of
      ? ['p.id = $1', 'j.id', of.pipelineId]
      : ['not p.archived and ($1::bigint[] is null or p.id = any($1))', 't.name, p.name, p.id, j.id', of.among ?? null];
  return db.query<JobListingRow>(
    `select j.id, j.name, t.name as "teamName", p.id as "pipelineId", p.name as "pipelineName", p.config_version as "configVersion",
       p.instance_vars::text as "instanceVars", (${pauseColumn('j')})::text as paused, j.has_new_inputs as "hasNewInputs",
       j.disable_manual_trigger as "disablesManualTrigger", j.disable_reruns as "disablesReruns",
       ${columns('next')}, ${columns('finished')}, ${columns('transition')}, j.transition_build_id as "transitionId"
     from jobs j join pipelines p on p.id = j.pipeline_id join teams t on t.id = p.team_id
     ${build('next', 'j.next_build_id')}
     ${build('finished', 'j.latest_completed_build_id')}
     ${build('transition', 'nullif(j.transition_build_id, j.latest_completed_build_id)')}
     where j.active and ${condition} order by ${order}`,
    [value],
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
    instanceVars: row.instanceVars === null ? undefined : (JSON.parse(row.instanceVars) as JsonObject),
    paused: row.paused === null ? undefined : (JSON.parse(row.paused) as PauseInfo),
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
