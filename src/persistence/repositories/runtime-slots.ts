import type { BuildId, SlotKey, SlotWait, TeamId } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';
import { notify } from '../notify.js';
import { touchTaskCaches } from './task-caches.js';

/** Row id of a runtime of one server. */
export type RuntimeId = number;

/** A runtime as its server declares it at its start. */
export interface DeclaredRuntime {
  readonly name: string;
  readonly kind: string;
  readonly tags: readonly string[];
  /** How many steps it runs at once. */
  readonly slots: number;
}

/**
 * Makes the server's runtimes known, under their names, and forgets those that it has no longer.
 * @returns ids by name.
 */
export async function declareRuntimes(
  tx: Tx,
  instance: string,
  runtimes: readonly DeclaredRuntime[],
): Promise<ReadonlyMap<string, RuntimeId>> {
  const names = runtimes.map(({ name }) => name);
  // A step that began there must not begin again elsewhere.
  await tx.query(
    `delete from runtimes r where instance = $1 and name <> all($2::text[])
       and not exists (select from step_slots s where s.runtime_id = r.id and s.slot is not null)`,
    [instance, names],
  );
  const ids = new Map<string, RuntimeId>();
  for (const { name, kind, tags, slots } of runtimes) {
    const [row] = await tx.query<{ id: RuntimeId }>(
      `insert into runtimes (instance, name, kind, tags, slots, capabilities) values ($1, $2, $3, $4, $5, '{}')
       on conflict (instance, name) do update
         set kind = excluded.kind, tags = excluded.tags, slots = excluded.slots, started_at = now(), seen_at = now(),
           landing = false, server_seen_at = now()
       returning id`,
      [instance, name, kind, tags, slots],
    );
    if (row) ids.set(name, row.id);
  }
  return ids;
}

/** Notes what the runtime can do, or why it does not answer. When it answers again, steps that wait for it get its slots. */
export async function noteRuntime(
  tx: Tx,
  id: RuntimeId,
  seen: { readonly capabilities: unknown } | { readonly unreachable: string },
): Promise<void> {
  const reason = 'unreachable' in seen ? seen.unreachable : null;
  const capabilities = 'capabilities' in seen ? JSON.stringify(seen.capabilities) : null;
  await lockRuntime(tx, id);
  await tx.query(
    `update runtimes set reason = $2, capabilities = coalesce($3, capabilities),
       seen_at = case when $2::text is null then now() else seen_at end,
       unreachable_since = case when $2::text is not null then coalesce(unreachable_since, now()) end
     where id = $1`,
    [id, reason, capabilities],
  );
  await giveSlots(tx, id);
}

const IS_ALIVE = `server_seen_at > now() - interval '30 s'`;

/** A sign of life of the server for all its runtimes. */
export async function touchRuntimes(tx: Tx, instance: string): Promise<void> {
  await tx.query(`update runtimes set server_seen_at = now() where instance = $1`, [instance]);
}

/**
 * The runtime gives no more slots until its server starts again; steps that have one go on.
 * @returns the builds of interruptible jobs that have a step there or wait for a slot.
 */
export async function landRuntime(tx: Tx, id: RuntimeId): Promise<readonly BuildId[]> {
  await tx.query(`update runtimes set landing = true where id = $1`, [id]);
  const rows = await tx.query<{ id: BuildId }>(
    `select distinct b.id from step_slots s join builds b on b.id = s.build_id join jobs j on j.id = b.job_id
     where s.runtime_id = $1 and j.config @> '{"interruptible": true}' order by b.id`,
    [id],
  );
  return rows.map((row) => row.id);
}

/** Forgets the runtime of a server that gives no sign of life. @returns false when its server is alive. */
export async function pruneRuntime(tx: Tx, id: RuntimeId): Promise<boolean> {
  const rows = await tx.query(`delete from runtimes where id = $1 and not (${IS_ALIVE}) returning id`, [id]);
  return rows.length > 0;
}

/**
 * Puts the step into the queue of the runtime, or among those that no runtime can take, with the reason; gives it a slot when
 * it is its turn. A step that has a slot keeps it, and one that stands in this queue keeps its place.
 * @returns has it a slot now, and did it ask for the first time?
 */
export async function askForSlot(
  tx: Tx,
  { buildId, stepId }: SlotKey,
  wanted: { readonly runtime: RuntimeId } | { readonly noRuntimeBecause: string },
): Promise<{ readonly hasSlot: boolean; readonly isNew: boolean }> {
  const runtime = 'runtime' in wanted ? wanted.runtime : null;
  if (runtime !== null) await lockRuntime(tx, runtime);
  const added = await tx.query<{ is_new: boolean }>(
    `insert into step_slots (build_id, step_id, runtime_id, no_runtime_because) values ($1, $2, $3, $4)
     on conflict (build_id, step_id) do update
       set runtime_id = excluded.runtime_id, no_runtime_because = excluded.no_runtime_because
       where step_slots.slot is null
     returning xmax = 0 as is_new`,
    [buildId, stepId, runtime, 'noRuntimeBecause' in wanted ? wanted.noRuntimeBecause : null],
  );
  if (runtime !== null) await giveSlots(tx, runtime);
  return {
    hasSlot: (await runtimeOfSlot(tx, { buildId, stepId })) !== undefined,
    isNew: added[0]?.is_new ?? false,
  };
}

/** The name of the runtime on which the step has a slot; undefined when it has none. */
export async function runtimeOfSlot(db: Queryable, { buildId, stepId }: SlotKey): Promise<string | undefined> {
  const [row] = await db.query<{ name: string }>(
    `select r.name from step_slots s join runtimes r on r.id = s.runtime_id
     where s.build_id = $1 and s.step_id = $2 and s.slot is not null`,
    [buildId, stepId],
  );
  return row?.name;
}

/** Frees the step's slot or place in the queue, and gives it to who is next; its caches are in use no longer. No error when it has none. */
export function freeSlot(tx: Tx, { buildId, stepId }: SlotKey): Promise<void> {
  return freeSlots(tx, buildId, stepId);
}

/** The same for all steps of a build. */
export function freeSlotsOfBuild(tx: Tx, buildId: BuildId): Promise<void> {
  return freeSlots(tx, buildId, null);
}

async function freeSlots(tx: Tx, buildId: BuildId, stepId: string | null): Promise<void> {
  const which = `build_id = $1 and ($2::text is null or step_id = $2)`;
  const used = await tx.query<{ id: RuntimeId | null }>(
    `select distinct runtime_id as id from step_slots where ${which} order by 1`,
    [buildId, stepId],
  );
  if (used.length === 0) return;
  const runtimes = used.flatMap(({ id }) => id ?? []);
  for (const id of runtimes) await lockRuntime(tx, id);
  const freed = await tx.query<{ caches: string[] }>(`delete from step_slots where ${which} returning caches`, [
    buildId,
    stepId,
  ]);
  for (const id of runtimes) await giveSlots(tx, id);
  await touchTaskCaches(tx, freed.flatMap(({ caches }) => caches).map(Number));
}

/** Everybody who gives or frees slots of a runtime does so one after the other, its row being locked before its slots are. */
async function lockRuntime(tx: Tx, id: RuntimeId): Promise<void> {
  await tx.query(`select from runtimes where id = $1 for no key update`, [id]);
}

/**
 * Gives the free slots of the runtime to the steps that wait: builds in the order of their creation, steps of a build in the
 * order in which they asked. Steps of builds that no server runs now let others pass. Wakes who got one. That no slot is taken
 * twice is a constraint; the runtime is locked.
 */
async function giveSlots(tx: Tx, id: RuntimeId): Promise<void> {
  const given = await tx.query<{ build_id: BuildId }>(
    `with free as (
       select n as slot, row_number() over (order by n) as turn from runtimes r, generate_series(1, r.slots) n
       where r.id = $1 and r.reason is null and not r.landing
         and not exists (select from step_slots s where s.runtime_id = r.id and s.slot = n)
     ), next as (
       select s.build_id, s.step_id, row_number() over (order by s.build_id, s.asked_at, s.step_id) as turn
       from step_slots s join builds b on b.id = s.build_id
       where s.runtime_id = $1 and s.slot is null and b.lease_until > now()
     )
     update step_slots s set slot = free.slot, taken_at = now() from next join free using (turn)
     where s.build_id = next.build_id and s.step_id = next.step_id
     returning s.build_id`,
    [id],
  );
  await notify(tx, 'slots', [...new Set(given.map((row) => row.build_id))]);
}

/** A step that waits for a slot, or holds one. */
export interface SlotUse extends SlotKey {
  /** `pipeline/job #7` or `build 12`. */
  readonly build: string;
  readonly teamId: TeamId;
  readonly since: Date;
}

/** A runtime with its load. */
export interface RuntimeLoad extends DeclaredRuntime {
  readonly id: RuntimeId;
  readonly instance: string;
  /** As the runtime described itself; empty before it first answered. */
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly unreachable: { readonly since: Date; readonly reason: string } | undefined;
  /** Takes no more steps until its server starts again. */
  readonly isLanding: boolean;
  /** Did its server give a sign of life lately? */
  readonly isServerAlive: boolean;
  readonly startedAt: Date;
  readonly seenAt: Date;
  /** By slot. */
  readonly running: readonly SlotUse[];
  /** In the order in which they will get a slot. */
  readonly queue: readonly SlotUse[];
}

interface UseRow {
  runtime_id: RuntimeId | null;
  build_id: BuildId;
  step_id: string;
  build: string;
  team_id: TeamId;
  since: Date;
  slot: number | null;
  reason: string | null;
}

const USES = `
  select s.runtime_id, s.build_id, s.step_id, s.slot, s.no_runtime_because as reason, b.team_id,
    coalesce(s.taken_at, s.asked_at) as since,
    case when j.id is null then 'build ' || b.id else p.name || '/' || j.name || ' #' || b.name end as build
  from step_slots s join builds b on b.id = s.build_id left join jobs j on j.id = b.job_id left join pipelines p on p.id = b.pipeline_id`;

/** Every runtime of every server, by name, with what runs there and what waits. */
export async function listRuntimes(db: Queryable): Promise<RuntimeLoad[]> {
  const rows = await db.query<{
    id: RuntimeId;
    instance: string;
    name: string;
    kind: string;
    tags: string[];
    slots: number;
    capabilities: Record<string, unknown>;
    unreachable_since: Date | null;
    reason: string | null;
    landing: boolean;
    alive: boolean;
    started_at: Date;
    seen_at: Date;
  }>(`select *, ${IS_ALIVE} as alive from runtimes order by name, instance`);
  const uses = await db.query<UseRow>(`${USES} order by s.slot nulls last, s.build_id, s.asked_at, s.step_id`);
  return rows.map((row) => {
    const own = uses.filter((use) => use.runtime_id === row.id);
    return {
      id: row.id,
      instance: row.instance,
      name: row.name,
      kind: row.kind,
      tags: row.tags,
      slots: row.slots,
      capabilities: row.capabilities,
      unreachable:
        row.unreachable_since === null ? undefined : { since: row.unreachable_since, reason: row.reason ?? '' },
      isLanding: row.landing,
      isServerAlive: row.alive,
      startedAt: row.started_at,
      seenAt: row.seen_at,
      running: own.filter(({ slot }) => slot !== null).map(toUse),
      queue: own.filter(({ slot }) => slot === null).map(toUse),
    };
  });
}

/** Steps of the build that wait for a slot, in the order in which they asked. */
export async function slotWaits(db: Queryable, buildId: BuildId): Promise<SlotWait[]> {
  const waiting = await db.query<UseRow>(
    `${USES} where s.build_id = $1 and s.slot is null order by s.asked_at, s.step_id`,
    [buildId],
  );
  if (waiting.length === 0) return [];
  const runtimes = new Map((await listRuntimes(db)).map((runtime) => [runtime.id, runtime]));
  return waiting.map((row): SlotWait => {
    const key = { buildId: row.build_id, stepId: row.step_id };
    const runtime = runtimes.get(row.runtime_id ?? -1);
    if (!runtime) return { ...key, kind: 'no-runtime', reason: row.reason ?? 'its runtime is gone' };
    const { name, unreachable, isLanding, queue, slots, running } = runtime;
    if (isLanding)
      return { ...key, kind: 'no-runtime', reason: `runtime ${name} takes no steps until its server starts again` };
    if (unreachable) return { ...key, kind: 'unreachable', runtime: name, reason: unreachable.reason };
    const position = queue.findIndex((use) => use.buildId === key.buildId && use.stepId === key.stepId) + 1;
    const takenBy = [
      ...new Set(running.map((use) => (use.teamId === row.team_id ? use.build : 'builds of other teams'))),
    ];
    return { ...key, kind: 'queue', runtime: name, position, waiting: queue.length, slots, takenBy };
  });
}

function toUse({ build_id, step_id, build, team_id, since }: UseRow): SlotUse {
  return { buildId: build_id, stepId: step_id, build, teamId: team_id, since };
}
