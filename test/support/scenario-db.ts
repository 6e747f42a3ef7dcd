import type { Db } from '../../src/persistence/index.js';
import { versionDigest, type BuildId, type Digest, type JobId, type ResourceId } from '../../src/model/index.js';
import type { InputPlan, JobRequest, Passed, Scenario, WorldBuild } from '../../src/planner/index.js';
import { isResolved } from '../../src/planner/index.js';

/** A scenario's world written into PostgreSQL, in a pipeline of its own, with ids of its own. */
export interface StoredScenario {
  readonly request: JobRequest;
  /** A plan of the stored world in the words of the file. */
  describe(plan: InputPlan): unknown;
}

/** Writes what the planner reads. Ids keep their order, so every preference stays as it was. */
export async function storeScenario(db: Db, scenario: Scenario): Promise<StoredScenario> {
  const jobIds = new Map<JobId, JobId>();
  const resourceIds = new Map<ResourceId, ResourceId>();
  const buildIds = new Map<BuildId, BuildId>();
  const digestOf = (name: Digest): Digest => versionDigest({ ver: name });
  await db.tx(async (tx) => {
    const one = async <Id>(sql: string, parameters: readonly unknown[]): Promise<Id> => {
      const [row] = await tx.query<{ id: Id }>(sql, parameters);
      return row!.id;
    };
    const team = await one<number>(`select id from teams where name = 'main'`, []);
    const pipeline = await one<number>(
      `insert into pipelines (team_id, name) values ($1, 's' || gen_random_uuid()) returning id`,
      [team],
    );
    const ascending = <Id extends number>(ids: Iterable<Id>): Id[] => [...ids].sort((a, b) => a - b);
    for (const id of ascending(scenario.jobs.keys())) {
      jobIds.set(
        id,
        await one(`insert into jobs (pipeline_id, name, config) values ($1, $2, '{}') returning id`, [
          pipeline,
          `j${id}`,
        ]),
      );
    }
    for (const id of ascending(scenario.resources.map((r) => r.id))) {
      const resource = scenario.resources.find((r) => r.id === id)!;
      const history = await one<number>(`insert into histories (config_digest) values ('x') returning id`, []);
      const never = resource.versions.length === 0 && id % 2 === 0;
      resourceIds.set(
        id,
        await one(
          `insert into resources (pipeline_id, name, type, config, history_id) values ($1, $2, 'mock', '{}', $3) returning id`,
          [pipeline, `r${id}`, never ? null : history],
        ),
      );
      for (const { digest, version, checkOrder } of resource.versions) {
        await tx.query(
          `insert into versions (history_id, digest, version, check_order, origin) values ($1, $2, $3, $4, 'check')`,
          [history, digestOf(digest), JSON.stringify(version), checkOrder],
        );
      }
      for (const digest of resource.disabled) {
        await tx.query(`insert into disabled_versions (resource_id, digest) values ($1, $2)`, [
          resourceIds.get(id),
          digestOf(digest),
        ]);
      }
    }
    for (const id of ascending(scenario.builds.map((b) => b.id))) {
      const build = scenario.builds.find((b) => b.id === id)!;
      await storeBuild(build);
    }

    async function storeBuild(build: WorldBuild): Promise<void> {
      const isOver = build.status !== 'pending' && build.status !== 'started';
      const job = jobIds.get(build.jobId);
      const rerunOf = build.rerunOf === null ? null : buildIds.get(build.rerunOf);
      const id = await one<BuildId>(
        `insert into builds (team_id, pipeline_id, job_id, name, status, rerun_of, manually_triggered, ended_at, plan)
         values ($1, $2, $3, $4, $5, $6, true, $7, '{}') returning id`,
        [team, pipeline, job, `b${build.id}`, build.status, rerunOf, isOver ? new Date() : null],
      );
      buildIds.set(build.id, id);
      // A name stands once per build here; a scenario may use one twice.
      for (const [ordinal, input] of build.inputs.entries()) {
        await tx.query(
          `insert into build_inputs (build_id, job_id, name, ordinal, resource_id, digest, version, first_occurrence)
           values ($1, $2, $3, $4, $5, $6, '{}', false) on conflict do nothing`,
          [id, job, input.name, ordinal, resourceIds.get(input.resourceId), digestOf(input.digest)],
        );
      }
      for (const pipe of build.pipes) {
        await tx.query(`insert into build_pipes (build_id, from_build_id) values ($1, $2)`, [id, buildIds.get(pipe)]);
      }
      if (build.status !== 'succeeded') return;
      const versions: Record<number, string[]> = {};
      for (const pair of [...build.outputs, ...build.inputs]) {
        const digests = (versions[resourceIds.get(pair.resourceId)!] ??= []);
        if (!digests.includes(digestOf(pair.digest))) digests.push(digestOf(pair.digest));
      }
      await tx.query(`insert into effective_sets (build_id, job_id, place, versions) values ($1, $2, $3, $4)`, [
        id,
        job,
        rerunOf ?? id,
        JSON.stringify(versions),
      ]);
    }
  });

  const mapPassed = (passed: Passed): Passed => {
    if ('job' in passed) return { job: jobIds.get(passed.job)! };
    return 'all' in passed ? { all: passed.all.map(mapPassed) } : { any: passed.any.map(mapPassed) };
  };
  const fileIds = new Map([...buildIds].map(([inFile, stored]) => [stored, inFile]));
  return {
    request: {
      jobId: jobIds.get(scenario.request.jobId)!,
      inputs: scenario.request.inputs.map((input) => ({
        ...input,
        resourceId: resourceIds.get(input.resourceId)!,
        passed: input.passed && mapPassed(input.passed),
      })),
    },
    describe: (plan) => describePlan(plan, scenario, (id) => fileIds.get(id) ?? id),
  };
}

/** A plan in the words of the scenario file. */
export function describePlan(
  plan: InputPlan,
  scenario: Scenario,
  idInFile: (id: BuildId) => BuildId = (id) => id,
): unknown {
  const inputs = plan.inputs.map((input) => {
    if (!isResolved(input)) return [input.name, { error: input.error, text: input.text }];
    const version = scenario.versionAsWritten(input.version);
    return [
      input.name,
      { version, firstOccurrence: input.firstOccurrence, passedBuildIds: input.passedBuildIds.map(idInFile) },
    ];
  });
  return { ok: plan.resolved, hasNext: plan.hasNext, inputs: Object.fromEntries(inputs) };
}
