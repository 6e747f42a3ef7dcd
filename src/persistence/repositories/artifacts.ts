import type { ArtifactId, BuildId, TeamId } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';

/** Files that a person brought, or that a one-off build left to be fetched. */
export interface StoredArtifact {
  readonly id: ArtifactId;
  readonly teamId: TeamId;
  /** The build that made it; undefined for an upload. */
  readonly buildId: BuildId | undefined;
  readonly name: string;
  /** The server that has the files, and their id in its store. */
  readonly instance: string;
  readonly ref: string;
  readonly createdAt: Date;
}

const COLUMNS = `id, team_id as "teamId", build_id as "buildId", name, instance, ref, created_at as "createdAt"`;

/** Notes that files are about to arrive: {@link completeUpload} makes them known. */
export async function beginUpload(
  tx: Tx,
  upload: {
    readonly teamId: TeamId;
    readonly name: string;
    readonly instance: string;
    readonly ref: string;
    readonly by: string | undefined;
    readonly keepMs: number;
  },
): Promise<ArtifactId> {
  const [row] = await tx.query<{ id: ArtifactId }>(
    `insert into artifacts (team_id, name, instance, ref, created_by, expires_at)
     values ($1, $2, $3, $4, $5, now() + $6 * interval '1 ms') returning id`,
    [upload.teamId, upload.name, upload.instance, upload.ref, upload.by ?? null, upload.keepMs],
  );
  if (!row) throw new Error('the artifact was not noted');
  return row.id;
}

/** All of the upload has arrived; it is kept for `keepMs` from now. @returns undefined when its row is gone. */
export async function completeUpload(tx: Tx, id: ArtifactId, keepMs: number): Promise<StoredArtifact | undefined> {
  const [row] = await tx.query<ArtifactRow>(
    `update artifacts set complete = true, expires_at = now() + $2 * interval '1 ms' where id = $1 returning ${COLUMNS}`,
    [id, keepMs],
  );
  return row && toArtifact(row);
}

export async function forgetArtifact(tx: Tx, id: ArtifactId): Promise<void> {
  await tx.query(`delete from artifacts where id = $1`, [id]);
}

/** Leaves what a build made to be fetched. A second time it gives the same row: steps may run again. */
export async function registerOutput(
  tx: Tx,
  output: {
    readonly teamId: TeamId;
    readonly buildId: BuildId;
    readonly name: string;
    readonly instance: string;
    readonly ref: string;
    readonly keepMs: number;
  },
): Promise<void> {
  await tx.query(
    `insert into artifacts (team_id, build_id, name, instance, ref, complete, expires_at)
     select $1, $2, $3, $4, $5, true, now() + $6 * interval '1 ms'
     where not exists (select from artifacts where build_id = $2 and name = $3)`,
    [output.teamId, output.buildId, output.name, output.instance, output.ref, output.keepMs],
  );
}

/** Whole and not expired, of that team. */
export async function findArtifact(db: Queryable, teamId: TeamId, id: ArtifactId): Promise<StoredArtifact | undefined> {
  const [row] = await db.query<ArtifactRow>(
    `select ${COLUMNS} from artifacts where id = $1 and team_id = $2 and complete and ${KEPT}`,
    [id, teamId],
  );
  return row && toArtifact(row);
}

/** What the build left to be fetched, oldest first. */
export async function artifactsOfBuild(db: Queryable, buildId: BuildId): Promise<StoredArtifact[]> {
  const rows = await db.query<ArtifactRow>(
    `select ${COLUMNS} from artifacts where build_id = $1 and ${KEPT} order by id`,
    [buildId],
  );
  return rows.map(toArtifact);
}

/** Ties the artifacts to a build that will read them. @returns those that the team does not have (any more). */
export async function useArtifacts(
  tx: Tx,
  teamId: TeamId,
  buildId: BuildId,
  ids: readonly ArtifactId[],
): Promise<ArtifactId[]> {
  const rows = await tx.query<{ id: ArtifactId }>(
    `with found as (
       select id from artifacts where id = any($3::bigint[]) and team_id = $1 and complete and ${KEPT} order by id for share
     ), used as (
       insert into artifact_uses (build_id, artifact_id) select $2, id from found on conflict do nothing
     )
     select id from found`,
    [teamId, buildId, ids],
  );
  const found = new Set(rows.map(({ id }) => id));
  return ids.filter((id) => !found.has(id));
}

/** Forgets what expired. Their files are then found by {@link knownRefs} to belong to nobody. */
export async function forgetExpiredArtifacts(tx: Tx): Promise<void> {
  await tx.query(`delete from artifacts where not ${KEPT}`);
}

/** Which ids of a server's store stand in a row. */
export async function knownRefs(db: Queryable, refs: readonly string[]): Promise<Set<string>> {
  if (refs.length === 0) return new Set();
  const rows = await db.query<{ ref: string }>(`select distinct ref from artifacts where ref = any($1::text[])`, [
    refs,
  ]);
  return new Set(rows.map(({ ref }) => ref));
}

/** An artifact that an unfinished build reads does not expire. */
const KEPT = `(expires_at > now() or exists (
  select from artifact_uses u join builds reader on reader.id = u.build_id
  where u.artifact_id = artifacts.id and reader.status in ('pending', 'started')))`;

type ArtifactRow = Omit<StoredArtifact, 'buildId'> & { readonly buildId: BuildId | null };

function toArtifact({ buildId, ...row }: ArtifactRow): StoredArtifact {
  return { ...row, buildId: buildId ?? undefined };
}
