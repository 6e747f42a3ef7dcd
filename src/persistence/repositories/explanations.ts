import type { BuildRef, JobId, PauseInfo, ResourceId } from '../../model/index.js';
import type { Queryable } from '../db.js';
import { pauseColumn } from './job-shapes.js';

/** What an explanation of a job needs beside its snapshot. */
export interface JobFacts {
  /** Builds of the job that run, oldest first. */
  readonly running: readonly BuildRef[];
  /** The newest build, reruns left out, that was given versions. */
  readonly lastBuild: BuildRef | null;
  /** Of the resources of its inputs. */
  readonly checks: readonly CheckState[];
}

/** How the checks of a resource do. Times are ISO 8601. */
export interface CheckState {
  readonly resourceId: ResourceId;
  readonly resource: string;
  readonly paused: PauseInfo | null;
  /** A check is running that began then. */
  readonly runningSince: string | null;
  /** When the last check ended; null: none ever did. */
  readonly endedAt: string | null;
  /** Why the last check failed; null when it did not. */
  readonly error: string | null;
}

const REF = `jsonb_build_object('id', b.id, 'job', j.name, 'name', b.name)`;

/** One statement, so that everything is of one moment. Undefined when the job is gone. */
export async function readJobFacts(db: Queryable, id: JobId): Promise<JobFacts | undefined> {
  const [row] = await db.query<JobFacts>(
    `select coalesce((
         select jsonb_agg(${REF} order by coalesce(b.rerun_of, b.id), b.id)
         from builds b where b.job_id = j.id and b.status = 'started'), '[]') as running,
       (select ${REF} from builds b where b.job_id = j.id and b.inputs_ready and b.rerun_of is null
        order by coalesce(b.rerun_of, b.id) desc, b.id desc limit 1) as "lastBuild",
       coalesce((
         select jsonb_agg(jsonb_build_object('resourceId', r.id, 'resource', r.name, 'paused', ${pauseColumn('r')},
           'runningSince', case when h.check_claimed_until > now() then h.check_started_at end,
           'endedAt', h.check_ended_at, 'error', h.check_error) order by r.id)
         from resources r left join histories h on h.id = r.history_id
         where r.id in (select i.resource_id from job_inputs i where i.job_id = j.id)), '[]') as checks
     from jobs j where j.id = $1`,
    [id],
  );
  return row;
}
