import {
  versionDigest,
  type BuildId,
  type JobId,
  type PlanNode,
  type ResourceId,
  type Version,
} from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';
import { freeSlot } from './runtime-slots.js';

/** Who runs a build: a server (`instance`) in one of its lives (`epoch`). */
export interface LeaseHolder {
  readonly instance: string;
  readonly epoch: number;
}

export type StepOutcome = 'succeeded' | 'failed' | 'errored' | 'aborted' | 'skipped';

/** What the journal knows of a step that began. `outcome` undefined: it was running when last heard of. */
export interface JournaledStep {
  readonly stepId: string;
  readonly handle: string | undefined;
  /** The server that began it; undefined for a step that ended at once. */
  readonly instance: string | undefined;
  readonly outcome: StepOutcome | undefined;
  /** What the step gave the rest of the build; its shape is the engine's affair. */
  readonly result: unknown;
  readonly logCursor: string | undefined;
  readonly deadlineAt: Date | undefined;
}

/**
 * Takes started builds that nobody runs: without a lease, with one that ran out, held by an earlier life of this very
 * server, or let go by it (not in `except`) when the database could not take the lease back. Two servers never get the same build: rows are skipped while another claims them.
 * @param except builds that this server is still busy with.
 */
export async function claimBuilds(
  tx: Tx,
  holder: LeaseHolder,
  leaseMs: number,
  except: readonly BuildId[],
  limit: number,
): Promise<BuildId[]> {
  const rows = await tx.query<{ id: BuildId }>(
    `with free as (
       select id from builds
       where status = 'started' and id <> all($4::bigint[])
         and (lease_until is null or lease_until < now() or (lease_instance = $1 and lease_epoch <= $2))
       order by id limit $5 for update skip locked
     )
     update builds set lease_instance = $1, lease_epoch = $2, lease_until = now() + $3 * interval '1 ms'
     from free where builds.id = free.id returning builds.id`,
    [holder.instance, holder.epoch, leaseMs, except, limit],
  );
  return rows.map((row) => row.id).sort((a, b) => a - b);
}

export interface HeldLease {
  readonly id: BuildId;
  readonly aborted: boolean;
  /** It runs out in less than `dueMs`. */
  readonly isDue: boolean;
}

/** Which of the builds the holder still has. One missing from the answer is somebody else's, final or gone. */
export async function heldLeases(
  db: Queryable,
  holder: LeaseHolder,
  dueMs: number,
  ids: readonly BuildId[],
): Promise<HeldLease[]> {
  return db.query<HeldLease>(
    `select id, aborted_at is not null as aborted, lease_until < now() + $3 * interval '1 ms' as "isDue" from builds
     where id = any($4::bigint[]) and status = 'started' and lease_instance = $1 and lease_epoch = $2`,
    [holder.instance, holder.epoch, dueMs, ids],
  );
}

/** Prolongs those of the leases that are still held. */
export async function renewLeases(
  tx: Tx,
  holder: LeaseHolder,
  leaseMs: number,
  ids: readonly BuildId[],
): Promise<void> {
  await tx.query(
    `with mine as (
       select id from builds
       where id = any($4::bigint[]) and status = 'started' and lease_instance = $1 and lease_epoch = $2
       order by id for update
     )
     update builds set lease_until = now() + $3 * interval '1 ms' from mine where builds.id = mine.id`,
    [holder.instance, holder.epoch, leaseMs, ids],
  );
}

/** Lets go of builds so that anybody may take them at once. */
export async function releaseLeases(tx: Tx, holder: LeaseHolder, ids: readonly BuildId[]): Promise<void> {
  await tx.query(
    `update builds set lease_instance = null, lease_epoch = null, lease_until = null
     where id = any($3::bigint[]) and lease_instance = $1 and lease_epoch = $2`,
    [holder.instance, holder.epoch, ids],
  );
}

/**
 * True while the build is started and leased to the holder; keeps it so until the transaction ends. Every write of an engine
 * stands behind this fence, so one that lost its lease cannot write.
 */
export async function holdsLease(tx: Tx, buildId: BuildId, holder: LeaseHolder): Promise<boolean> {
  const rows = await tx.query(
    `select 1 from builds where id = $1 and status = 'started' and lease_instance = $2 and lease_epoch = $3 for update`,
    [buildId, holder.instance, holder.epoch],
  );
  return rows.length === 1;
}

/** Ids among the given that are unknown or final: nobody will run their steps again. */
export async function endedBuilds(db: Queryable, ids: readonly BuildId[]): Promise<BuildId[]> {
  const rows = await db.query<{ id: BuildId }>(
    `select wanted.id from unnest($1::bigint[]) as wanted(id)
     left join builds b on b.id = wanted.id where b.id is null or b.status not in ('pending', 'started')`,
    [ids],
  );
  return rows.map((row) => row.id);
}

export async function loadJournal(db: Queryable, buildId: BuildId): Promise<JournaledStep[]> {
  const rows = await db.query<{
    step_id: string;
    handle: string | null;
    instance: string | null;
    outcome: StepOutcome | null;
    result: unknown;
    log_cursor: string | null;
    deadline_at: Date | null;
  }>(
    `select step_id, handle, instance, outcome, result, log_cursor, deadline_at from build_steps where build_id = $1`,
    [buildId],
  );
  return rows.map((row) => ({
    stepId: row.step_id,
    handle: row.handle ?? undefined,
    instance: row.instance ?? undefined,
    outcome: row.outcome ?? undefined,
    result: row.result ?? undefined,
    logCursor: row.log_cursor ?? undefined,
    deadlineAt: row.deadline_at ?? undefined,
  }));
}

/** Notes that the step begins. The primary key refuses a second beginning. */
export async function beginStep(
  tx: Tx,
  buildId: BuildId,
  stepId: string,
  begin: {
    readonly handle?: string;
    readonly instance: string;
    readonly deadlineAt?: Date;
    readonly result?: unknown;
    /** What people know a step with a process by. */
    readonly container?: { readonly kind: string; readonly name?: string; readonly attempt?: string };
  },
): Promise<void> {
  await tx.query(
    `insert into build_steps (build_id, step_id, handle, instance, deadline_at, result, kind, name, attempt)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      ...[buildId, stepId, begin.handle ?? null, begin.instance, begin.deadlineAt ?? null, json(begin.result)],
      ...[begin.container?.kind ?? null, begin.container?.name ?? null, begin.container?.attempt ?? null],
    ],
  );
}

/** How far the step's output is stored as events. */
export async function moveLogCursor(tx: Tx, buildId: BuildId, stepId: string, cursor: string): Promise<void> {
  await tx.query(`update build_steps set log_cursor = $3 where build_id = $1 and step_id = $2`, [
    buildId,
    stepId,
    cursor,
  ]);
}

/** Notes how the step ended, once, and frees its slot. @throws when it had ended before: the walk above is wrong, nothing may be written. */
export async function endStep(
  tx: Tx,
  buildId: BuildId,
  stepId: string,
  outcome: StepOutcome,
  result: unknown,
): Promise<void> {
  const rows = await tx.query(
    `insert into build_steps (build_id, step_id, outcome, result, ended_at) values ($1, $2, $3, $4, now())
     on conflict (build_id, step_id) do update
       set outcome = excluded.outcome, result = excluded.result, ended_at = excluded.ended_at
       where build_steps.outcome is null
     returning 1`,
    [buildId, stepId, outcome, json(result)],
  );
  if (rows.length === 0) throw new Error(`step ${stepId} of build ${buildId} had ended already`);
  await freeSlot(tx, { buildId, stepId });
}

/** Records what a put made. It stays recorded even if the build fails later. */
export async function saveBuildOutput(
  tx: Tx,
  buildId: BuildId,
  output: { readonly name: string; readonly resourceId: ResourceId; readonly version: Version },
): Promise<void> {
  await tx.query(
    `insert into build_outputs (build_id, name, resource_id, digest, version) values ($1, $2, $3, $4, $5)`,
    [buildId, output.name, output.resourceId, versionDigest(output.version), JSON.stringify(output.version)],
  );
}

/**
 * Gives the build the ends of steps of an earlier one with the same plan, and what its puts of those names made. For a build
 * that has not begun.
 */
export async function takeOverSteps(
  tx: Tx,
  buildId: BuildId,
  from: BuildId,
  stepIds: readonly string[],
  putNames: readonly string[],
): Promise<void> {
  await tx.query(
    `insert into build_steps (build_id, step_id, instance, outcome, result, started_at, ended_at)
     select $1, step_id, instance, outcome, result, started_at, ended_at from build_steps
     where build_id = $2 and step_id = any($3) and outcome is not null`,
    [buildId, from, stepIds],
  );
  await tx.query(
    `insert into build_outputs (build_id, name, resource_id, digest, version)
     select $1, name, resource_id, digest, version from build_outputs where build_id = $2 and name = any($3) order by id`,
    [buildId, from, putNames],
  );
}

/**
 * Artifacts of the builds that somebody may still need: a build that runs, one that did not succeed and ended less than
 * `keepMs` ago, or one that an unfinished build resumes. A build that resumed another one needs the artifacts of both.
 */
export async function artifactsInUse(db: Queryable, builds: readonly BuildId[], keepMs: number): Promise<Set<string>> {
  const rows = await db.query<{ id: string }>(
    `select distinct artifact->>'id' as id
     from builds b join build_steps s on s.build_id = b.id, jsonb_path_query(s.result, '$.artifacts.*') artifact
     where (b.id = any($1::bigint[]) or b.resume_of is not null)
       and (b.status in ('pending', 'started')
         or b.status <> 'succeeded' and b.ended_at > now() - $2 * interval '1 ms'
         or exists (select from builds r where r.resume_of = b.id and r.status in ('pending', 'started')))`,
    [builds, keepMs],
  );
  return new Set(rows.map(({ id }) => id));
}

/** What the engine reads once when it takes a build. */
export interface ClaimedBuild {
  readonly plan: PlanNode;
  readonly jobId: JobId | undefined;
  readonly aborted: boolean;
  /** The build whose finished steps it takes over. */
  readonly resumeOf: BuildId | undefined;
}

export async function loadClaimedBuild(db: Queryable, buildId: BuildId): Promise<ClaimedBuild | undefined> {
  const [row] = await db.query<{
    plan: PlanNode;
    job_id: JobId | null;
    aborted: boolean;
    resume_of: BuildId | null;
  }>(
    `select plan, job_id, aborted_at is not null as aborted, resume_of from builds where id = $1 and plan is not null`,
    [buildId],
  );
  return (
    row && {
      plan: row.plan,
      jobId: row.job_id ?? undefined,
      aborted: row.aborted,
      resumeOf: row.resume_of ?? undefined,
    }
  );
}

function json(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}
