import type { BuildId, ResourceId } from '../../model/index.js';
import type { Queryable } from '../db.js';

/** The newest check build of the resource that has not ended. */
export async function unfinishedCheckBuild(db: Queryable, id: ResourceId): Promise<BuildId | undefined> {
  const [row] = await db.query<{ id: BuildId }>(
    `select id from builds where resource_id = $1 and status in ('pending', 'started') order by id desc limit 1`,
    [id],
  );
  return row?.id;
}
