import type { BuildId, BuildStatus, JobId, JsonObject, PipelineId, TeamId } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';

/** What the rows know of a step or check that has or had a process: where it belongs and what it is called. */
export interface ContainerRow {
  readonly handle: string;
  /** Undefined for a container that is kept for the checks of a resource. */
  readonly buildId: BuildId | undefined;
  readonly buildName: string | undefined;
  readonly buildStatus: BuildStatus | undefined;
  /** `task`, `get`, `put`, `check`. */
  readonly kind: string | undefined;
  readonly stepName: string | undefined;
  readonly attempt: string | undefined;
  readonly pipelineId: PipelineId | undefined;
  readonly pipelineName: string | undefined;
  readonly instanceVars: JsonObject | undefined;
  readonly jobId: JobId | undefined;
  readonly jobName: string | undefined;
  readonly resourceName: string | undefined;
}

/** Which containers; what is absent does not matter. */
export interface ContainerFilter {
  readonly kind?: string;
  readonly stepName?: string;
  readonly attempt?: string;
  readonly pipelineName?: string;
  readonly instanceVars?: JsonObject;
  readonly jobName?: string;
  readonly buildName?: string;
  readonly buildId?: number;
  readonly pipelineId?: number;
  readonly jobId?: number;
  readonly resourceName?: string;
}

/**
 * Those of the handles whose build or resource is of one of the teams, in the order of builds and names of steps; those kept for
 * checks of resources come last.
 */
export async function findContainers(
  db: Queryable,
  teamIds: readonly TeamId[],
  handles: readonly string[],
  filter: ContainerFilter = {},
): Promise<ContainerRow[]> {
  const rows = await db.query<{ [Field in keyof ContainerRow]: ContainerRow[Field] | null }>(
    `select s.handle, b.id as "buildId", b.name as "buildName", b.status as "buildStatus", s.kind, s.name as "stepName",
       s.attempt, p.id as "pipelineId", p.name as "pipelineName", p.instance_vars as "instanceVars",
       j.id as "jobId", j.name as "jobName", r.name as "resourceName"
     from build_steps s join builds b on b.id = s.build_id
       left join pipelines p on p.id = b.pipeline_id left join jobs j on j.id = b.job_id
       left join resources r on r.id = b.resource_id
     where s.handle = any($2::text[]) and b.team_id = any($1::bigint[])
       and ($3::text is null or s.kind = $3) and ($4::text is null or s.name = $4) and ($5::text is null or s.attempt = $5)
       and ($6::text is null or p.name = $6) and ($7::jsonb is null or p.instance_vars = $7)
       and ($8::text is null or j.name = $8) and ($9::text is null or b.name = $9)
       and ($10::bigint is null or b.id = $10) and ($11::bigint is null or p.id = $11)
       and ($12::bigint is null or j.id = $12) and ($13::text is null or r.name = $13)
     union all
     select c.handle, null, null, null, 'check', null, null, p.id, p.name, p.instance_vars, null, null, r.name
     from check_containers c join resources r on r.id = c.resource_id join pipelines p on p.id = r.pipeline_id
     where c.handle = any($2) and p.team_id = any($1) and ($3 is null or $3 = 'check') and ($6 is null or p.name = $6)
       and ($7 is null or p.instance_vars = $7) and ($11 is null or p.id = $11) and ($13 is null or r.name = $13)
       and coalesce($4, $5, $8, $9, $10::text, $12::text) is null
     order by "buildId", "stepName", kind, attempt, handle`,
    [
      teamIds,
      handles,
      ...[filter.kind, filter.stepName, filter.attempt, filter.pipelineName].map((text) => text ?? null),
      filter.instanceVars === undefined ? null : JSON.stringify(filter.instanceVars),
      ...[filter.jobName, filter.buildName, filter.buildId].map((value) => value ?? null),
      ...[filter.pipelineId, filter.jobId, filter.resourceName].map((value) => value ?? null),
    ],
  );
  return rows.map(
    (row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value ?? undefined])) as unknown,
  ) as ContainerRow[];
}

/** Somebody is in a container of the build: its containers stay for `keepMs` from now. */
export async function noteInterception(tx: Tx, buildId: BuildId, keepMs: number): Promise<void> {
  await tx.query(
    `insert into interceptions (build_id, until) values ($1, now() + $2 * interval '1 ms')
     on conflict (build_id) do update set until = greatest(interceptions.until, excluded.until)`,
    [buildId, keepMs],
  );
}

/**
 * Which of the builds' containers must stay: of builds that are not over; of those somebody is in; and of a build that did
 * not succeed or is of no job, as nobody runs that one again, until a later one of its job is over or `keepMs` have passed
 * since its end.
 */
export async function buildsWithContainers(
  db: Queryable,
  builds: readonly BuildId[],
  keepMs: number,
): Promise<Set<BuildId>> {
  if (builds.length === 0) return new Set();
  const rows = await db.query<{ id: BuildId }>(
    `select b.id from builds b
     where b.id = any($1::bigint[]) and (
       b.status in ('pending', 'started')
       or exists (select from interceptions i where i.build_id = b.id and i.until > now())
       or (b.status <> 'succeeded' or b.job_id is null) and b.ended_at > now() - $2 * interval '1 ms' and not exists (
         select from builds later where later.job_id = b.job_id and later.id > b.id and later.ended_at is not null))`,
    [builds, keepMs],
  );
  return new Set(rows.map(({ id }) => id));
}
