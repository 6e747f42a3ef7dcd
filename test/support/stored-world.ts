import { scheduleRequests, type Queryable, type Tx } from '../../src/persistence/index.js';
import { versionDigest, type BuildId, type Digest, type JobId, type ResourceId } from '../../src/model/index.js';
import {
  isResolved,
  jobsNamed,
  type InputPlan,
  type JobRequest,
  type Passed,
  type WorldBuild,
} from '../../src/planner/index.js';
import type { RandomWorld } from './random-worlds.js';

/**
 * A world written into PostgreSQL, in a pipeline of its own, with ids and digests of its own. Ids keep their order, so
 * every preference stays as it was.
 */
export class StoredWorld {
  private readonly jobIds = new Map<JobId, JobId>();
  private readonly resourceIds = new Map<ResourceId, ResourceId>();
  private readonly buildIds = new Map<BuildId, BuildId>();
  private readonly digests = new Map<string, Digest>();
  private team = 0;
  private pipeline = 0;

  private constructor(private readonly world: RandomWorld) {}

  /** Writes everything but the builds, unless `withBuilds`. */
  static async write(tx: Tx, world: RandomWorld, withBuilds = true): Promise<StoredWorld> {
    const stored = new StoredWorld(world);
    await stored.writeFrame(tx);
    if (withBuilds) for (const build of ascending(world.builds)) await stored.addBuild(tx, build);
    return stored;
  }

  /** The world's request in stored ids. */
  get request(): JobRequest {
    const map = (passed: Passed): Passed => {
      if ('job' in passed) return { job: this.jobIds.get(passed.job)! };
      return 'all' in passed ? { all: passed.all.map(map) } : { any: passed.any.map(map) };
    };
    const inputs = this.world.request.inputs.map((input) => {
      return {
        ...input,
        resourceId: this.resourceIds.get(input.resourceId)!,
        passed: input.passed && map(input.passed),
      };
    });
    return { jobId: this.jobIds.get(this.world.request.jobId)!, inputs };
  }

  /** A plan of the stored world in the world's own ids. */
  inOwnIds(plan: InputPlan): InputPlan {
    const builds = new Map([...this.buildIds].map(([own, stored]) => [stored, own]));
    const inputs = plan.inputs.map((input, i) => {
      const { resourceId } = this.world.request.inputs[i]!;
      if (!isResolved(input)) return { ...input, resourceId };
      const passedBuildIds = input.passedBuildIds.map((id) => builds.get(id)!);
      return { ...input, resourceId, digest: this.ownDigest(resourceId, input.digest), passedBuildIds };
    });
    return { ...plan, inputs };
  }

  /**
   * Lets the planned job ask for its inputs, every one triggering, and asks the trigger loop to look at it. The job is paused,
   * so what it queues stays where it can be seen.
   */
  async askLoop(tx: Tx): Promise<JobId> {
    const { jobId, inputs } = this.request;
    for (const [ordinal, { name, resourceId, passed, version }] of inputs.entries()) {
      await tx.query(
        `insert into job_inputs (job_id, name, ordinal, resource_id, trigger, passed, passed_job_ids, version)
         values ($1, $2, $3, $4, true, $5, $6, $7)`,
        [
          jobId,
          name,
          ordinal,
          resourceId,
          passed && JSON.stringify(passed),
          passed ? jobsNamed(passed) : [],
          version === 'latest' ? null : JSON.stringify(typeof version === 'object' ? version.pinned : version),
        ],
      );
    }
    await tx.query(`update jobs set paused = true where id = $1`, [jobId]);
    await scheduleRequests.jobs(tx, [jobId]);
    return jobId;
  }

  async addBuild(tx: Tx, build: WorldBuild): Promise<void> {
    const isOver = build.status !== 'pending' && build.status !== 'started';
    const job = this.jobIds.get(build.jobId);
    const rerunOf = build.rerunOf === null ? null : this.buildIds.get(build.rerunOf);
    const id = await one<BuildId>(
      tx,
      `insert into builds (team_id, pipeline_id, job_id, name, status, rerun_of, manually_triggered, ended_at, plan)
       values ($1, $2, $3, $4, $5, $6, true, $7, '{}') returning id`,
      [this.team, this.pipeline, job, `b${build.id}`, build.status, rerunOf, isOver ? new Date() : null],
    );
    this.buildIds.set(build.id, id);
    for (const [ordinal, input] of build.inputs.entries()) {
      await tx.query(
        `insert into build_inputs (build_id, job_id, name, ordinal, resource_id, digest, version, first_occurrence)
         values ($1, $2, $3, $4, $5, $6, '{}', false)`,
        [
          id,
          job,
          input.name,
          ordinal,
          this.resourceIds.get(input.resourceId),
          this.digestOf(input.resourceId, input.digest),
        ],
      );
    }
    for (const pipe of build.pipes) {
      await tx.query(`insert into build_pipes (build_id, from_build_id) values ($1, $2)`, [
        id,
        this.buildIds.get(pipe),
      ]);
    }
    if (build.status !== 'succeeded') return;
    const versions: Record<number, string[]> = {};
    for (const { resourceId, digest } of [...build.outputs, ...build.inputs]) {
      const held = (versions[this.resourceIds.get(resourceId)!] ??= []);
      if (!held.includes(this.digestOf(resourceId, digest))) held.push(this.digestOf(resourceId, digest));
    }
    await tx.query(`insert into effective_sets (build_id, job_id, place, versions) values ($1, $2, $3, $4)`, [
      id,
      job,
      rerunOf ?? id,
      JSON.stringify(versions),
    ]);
  }

  private async writeFrame(tx: Tx): Promise<void> {
    const { world } = this;
    this.team = await one(tx, `select id from teams where name = 'main'`, []);
    const insertPipeline = `insert into pipelines (team_id, name) values ($1, 'w' || gen_random_uuid()) returning id`;
    this.pipeline = await one(tx, insertPipeline, [this.team]);
    const passed = world.request.inputs.flatMap((input) => (input.passed ? jobsNamed(input.passed) : []));
    const jobs = new Set([world.request.jobId, ...world.builds.map((b) => b.jobId), ...passed]);
    for (const id of [...jobs].sort((a, b) => a - b)) {
      const sql = `insert into jobs (pipeline_id, name, config) values ($1, $2, '{}') returning id`;
      this.jobIds.set(id, await one(tx, sql, [this.pipeline, `j${id}`]));
    }
    for (const resource of ascending(world.resources)) {
      const history = await one<number>(tx, `insert into histories (config_digest) values ('x') returning id`, []);
      // An empty history and none at all are the same to the planner.
      const pointer = resource.versions.length === 0 && resource.id % 2 === 0 ? null : history;
      const sql = `insert into resources (pipeline_id, name, type, config, history_id) values ($1, $2, 'mock', '{}', $3) returning id`;
      this.resourceIds.set(resource.id, await one(tx, sql, [this.pipeline, `r${resource.id}`, pointer]));
      for (const { digest, version, checkOrder } of resource.versions) {
        this.digests.set(`${resource.id}:${digest}`, versionDigest(version));
        await tx.query(
          `insert into versions (history_id, digest, version, check_order, origin) values ($1, $2, $3, $4, 'check')`,
          [history, versionDigest(version), JSON.stringify(version), checkOrder],
        );
      }
      for (const digest of resource.disabled) {
        const id = this.resourceIds.get(resource.id);
        await tx.query(`insert into disabled_versions (resource_id, digest) values ($1, $2)`, [
          id,
          this.digestOf(resource.id, digest),
        ]);
      }
    }
  }

  private ownDigest(resourceId: ResourceId, stored: Digest): Digest {
    const { versions } = this.world.resources.find((resource) => resource.id === resourceId)!;
    return versions.find(({ version }) => versionDigest(version) === stored)!.digest;
  }

  private digestOf(resourceId: ResourceId, digest: Digest): Digest {
    return this.digests.get(`${resourceId}:${digest}`) ?? versionDigest({ gone: digest });
  }
}

function ascending<Item extends { readonly id: number }>(items: readonly Item[]): Item[] {
  return [...items].sort((a, b) => a.id - b.id);
}

async function one<Id>(db: Queryable, sql: string, parameters: readonly unknown[]): Promise<Id> {
  const [row] = await db.query<{ id: Id }>(sql, parameters);
  return row!.id;
}
