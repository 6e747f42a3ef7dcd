import { didYouMean, type JobId, type JsonObject, type ResourceId } from '../model/index.js';
import {
  endedBuildOf,
  endedBuildsOf,
  findBuild,
  versionsOfBuild,
  visibleJobs,
  watchJob,
  type Db,
} from '../persistence/index.js';
import { localPathRefusal, type Settings } from '../platform/index.js';
import { ResourceFailure, type JobAddress, type ServerDoor } from './contract.js';

/** In whose name a type asks. */
export interface Asker {
  readonly teamName: string;
  /** Set in a check: what it asks for is noted, so that the resource is checked again when the answer changes. */
  readonly resourceId?: ResourceId;
}

/** The door of one check or step. */
export function serverDoor(db: Db, settings: Settings, { teamName, resourceId }: Asker): ServerDoor {
  const find = (job: JobAddress): Promise<JobId> => findJob(db, teamName, job);
  return {
    opensEveryFolder: settings.gitLocalPaths === 'allow',
    refusalOfFolder: (path) => localPathRefusal(settings, path),
    async endedBuilds(job, statuses, from) {
      const jobId = await find(job);
      // Noted first: a build that ends from now on makes the resource due again.
      if (resourceId !== undefined) await db.tx((tx) => watchJob(tx, resourceId, jobId));
      return endedBuildsOf(db, jobId, statuses, from);
    },
    async buildFacts(job, version) {
      const ended = await endedBuildOf(db, await find(job), version);
      const build = ended && (await findBuild(db, ended.id));
      if (!ended || !build?.endedAt)
        throw new ResourceFailure(`job '${job.job}' has no ended build ${JSON.stringify(version)}: was it removed?`);
      return {
        ...ended,
        team: build.teamName,
        pipeline: job.pipeline,
        ...(build.instanceVars && { instanceVars: build.instanceVars }),
        job: job.job,
        ...(build.createdBy !== undefined && { createdBy: build.createdBy }),
        ...(build.startedAt && { startedAt: build.startedAt }),
        endedAt: build.endedAt,
        url: `${settings.externalUrl}/builds/${build.id}`,
        ...(await versionsOfBuild(db, ended.id)),
      };
    },
  };
}

async function findJob(db: Db, asking: string, address: JobAddress): Promise<JobId> {
  const { team = asking, pipeline, job } = address;
  const instanceVars = (address.instanceVars ?? null) as JsonObject | null;
  const jobs = await visibleJobs(db, asking, { team, pipeline, instanceVars });
  const vars = instanceVars === null ? '' : ` with instance vars ${JSON.stringify(instanceVars)}`;
  if (!jobs) {
    const where = team === asking ? `team '${team}' has no pipeline` : `team '${team}' exposes no pipeline`;
    throw new ResourceFailure(`${where} '${pipeline}'${vars}`);
  }
  const id = jobs.get(job);
  if (id !== undefined) return id;
  const hint = didYouMean(job, [...jobs.keys()]) || `; there are ${[...jobs.keys()].toSorted().join(', ') || 'none'}`;
  throw new ResourceFailure(`pipeline '${pipeline}'${vars} has no job '${job}'${hint}`);
}
