import type { JobId, PipelineConfig, PipelineId, ResourceId, StepConfig, Version } from '../../src/model/index.js';
import { ensureHistory, saveCheckedVersions, type Db } from '../../src/persistence/index.js';

export interface PipelineRows {
  readonly id: PipelineId;
  readonly jobs: Readonly<Record<string, JobId>>;
  readonly resources: Readonly<Record<string, ResourceId>>;
}

/**
 * Writes the rows of a pipeline as setting it would, without parsing or validation: for tests of the loops, which only meet
 * rows. Resources get an empty history that was checked a moment ago. `passed` takes plain names.
 */
export async function insertPipeline(db: Db, name: string, config: PipelineConfig): Promise<PipelineRows> {
  const [pipeline] = await db.query<{ id: PipelineId }>(
    `insert into pipelines (team_id, name, config_version) select id, $1, 1 from teams where name = 'main' returning id`,
    [name],
  );
  const id = pipeline!.id;
  await db.query(`insert into pipeline_revisions (pipeline_id, version, config) values ($1, 1, $2)`, [
    id,
    JSON.stringify(config),
  ]);
  const resources: Record<string, ResourceId> = {};
  for (const resource of config.resources ?? []) {
    const [row] = await db.query<{ id: ResourceId }>(
      `insert into resources (pipeline_id, name, type, config) values ($1, $2, $3, $4) returning id`,
      [id, resource.name, resource.type, JSON.stringify(resource)],
    );
    resources[resource.name] = row!.id;
    const history = await db.tx((tx) => ensureHistory(tx, row!.id, `digest of ${name}/${resource.name}`));
    await db.query(
      `update histories set check_started_at = now(), check_ended_at = now(), check_succeeded = true,
         next_check_at = now() + interval '1 hour' where id = $1`,
      [history],
    );
    if (resource.version)
      await db.query(`insert into pins (resource_id, version, origin) values ($1, $2, 'config')`, [
        row!.id,
        JSON.stringify(resource.version),
      ]);
  }
  const jobs: Record<string, JobId> = {};
  for (const job of config.jobs) {
    const isSerial = job.serial === true || (job.serial_groups?.length ?? 0) > 0;
    const limit = isSerial ? 1 : (job.max_in_flight ?? null);
    const [row] = await db.query<{ id: JobId }>(
      `insert into jobs (pipeline_id, name, config, max_in_flight, schedule_done) values ($1, $2, $3, $4, 1) returning id`,
      [id, job.name, JSON.stringify(job), limit],
    );
    jobs[job.name] = row!.id;
    for (const group of job.serial_groups ?? [])
      await db.query(`insert into job_serial_groups (job_id, pipeline_id, name) values ($1, $2, $3)`, [
        row!.id,
        id,
        group,
      ]);
  }
  for (const job of config.jobs) {
    for (const [ordinal, step] of flatten(job.plan ?? []).entries()) {
      if ('get' in step) {
        const passed = (step.passed as string[] | undefined)?.map((other) => jobs[other]!) ?? [];
        await db.query(
          `insert into job_inputs (job_id, name, ordinal, resource_id, trigger, passed, passed_job_ids, version)
           values ($1, $2, $3, $4, $5, $6, $7, $8)`,
          [
            jobs[job.name],
            step.get,
            ordinal,
            resources[step.resource ?? step.get],
            step.trigger ?? false,
            passed.length > 0 ? JSON.stringify({ all: passed.map((each) => ({ job: each })) }) : null,
            passed,
            JSON.stringify(step.version ?? 'latest'),
          ],
        );
      }
      if ('put' in step && resources[step.resource ?? step.put] !== undefined)
        await db.query(`insert into job_outputs (job_id, name, ordinal, resource_id) values ($1, $2, $3, $4)`, [
          jobs[job.name],
          step.put,
          ordinal,
          resources[step.resource ?? step.put],
        ]);
    }
  }
  return { id, jobs, resources };
}

/** What a check would record: versions `{ref}`, oldest first. */
export async function recordVersions(db: Db, resource: ResourceId, ...refs: string[]): Promise<void> {
  await db.tx(async (tx) => {
    const [row] = await tx.query<{ history_id: never }>(`select history_id from resources where id = $1`, [resource]);
    const versions: Version[] = refs.map((ref) => ({ ref }));
    await saveCheckedVersions(tx, row!.history_id, versions);
  });
}

function flatten(steps: readonly StepConfig[]): StepConfig[] {
  return steps.flatMap((step) => ('do' in step ? flatten(step.do) : [step]));
}
