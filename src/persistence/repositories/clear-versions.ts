import type { PipelineId, ResourceId } from '../../model/index.js';
import type { Queryable, Tx } from '../db.js';
import { notify } from '../notify.js';
import { scheduleRequests } from './schedule-requests.js';

/** A resource by its names. */
export interface NamedResource {
  readonly name: string;
  readonly pipelineId: PipelineId;
  readonly pipelineName: string;
  readonly teamName: string;
}

/** The resources whose versions are one history with those of this one; itself is always among them. */
export async function resourcesSharingHistory(db: Queryable, id: ResourceId): Promise<NamedResource[]> {
  return db.query<NamedResource>(
    `select o.name, p.id as "pipelineId", p.name as "pipelineName", t.name as "teamName"
     from resources r join resources o on o.id = r.id or o.history_id = r.history_id
     join pipelines p on p.id = o.pipeline_id join teams t on t.id = p.team_id
     where r.id = $1 and o.active order by t.name, p.name, p.id, o.name`,
    [id],
  );
}

/**
 * Forgets every version of the resource's history and makes it due for a check. What builds recorded stays, and so do pins and
 * disabled marks, which name digests.
 * @returns how many there were.
 */
export async function clearVersions(tx: Tx, id: ResourceId): Promise<number> {
  const [history] = await tx.query<{ id: number }>(
    `select h.id from histories h join resources r on r.history_id = h.id where r.id = $1 for update of h`,
    [id],
  );
  if (!history) return 0;
  const rows = await tx.query(`delete from versions where history_id = $1 returning 1`, [history.id]);
  await tx.query(`update histories set next_check_at = now() where id = $1 and next_check_at <> 'infinity'`, [
    history.id,
  ]);
  await scheduleRequests.resource(tx, id);
  await notify(tx, 'checks', [history.id]);
  return rows.length;
}
