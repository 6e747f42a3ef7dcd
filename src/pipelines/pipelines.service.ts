import { Inject, Injectable } from '@nestjs/common';
import {
  canonicalJson,
  didYouMean,
  type JobId,
  type JsonObject,
  type PipelineConfig,
  type PipelineId,
} from '../model/index.js';
import {
  Db,
  deletePipeline,
  findInstances,
  findPipeline,
  findPipelineNames,
  findPipelines,
  findRevision,
  findRevisions,
  historiesToCheck,
  jobNames,
  lockJob,
  lockPipeline,
  markArchived,
  markPaused,
  markUnpaused,
  notify,
  orderInstances,
  orderPipelines,
  renamePipelines,
  scheduleRequests,
  setPublic,
  type PipelineRow,
  type Queryable,
  type RevisionRow,
  type Tx,
} from '../persistence/index.js';
import { ConflictError, NotFoundError, UserError } from '../platform/index.js';
import { checkPipelineName, setPipelineIn } from './set-pipeline.js';
import type {
  ByWhom,
  JobRef,
  Pipeline,
  PipelineRef,
  Revision,
  SetPipelineRequest,
  SetPipelineResult,
} from './types.js';

const MOST_REVISIONS = 100;

/** The life of pipelines: set, pause, archive, destroy. Every change is one transaction. */
@Injectable()
export class PipelinesService {
  constructor(@Inject(Db) private readonly db: Db) {}

  /**
   * Creates the pipeline or changes it to the config; the same config again changes nothing.
   * @throws InvalidPipelineError with all problems; ConflictError `config-version` when the stored version is another than
   * expected; NotFoundError without such a team.
   */
  async setPipeline(request: SetPipelineRequest): Promise<SetPipelineResult> {
    return this.db.tx((tx) => this.setPipelineIn(tx, request));
  }

  /** As {@link setPipeline}, in the caller's transaction, so that several pipelines change together or not at all. */
  async setPipelineIn(tx: Tx, request: SetPipelineRequest): Promise<SetPipelineResult> {
    return setPipelineIn(tx, request);
  }

  /** @throws NotFoundError naming a near name. */
  async getPipeline(ref: PipelineRef): Promise<Pipeline> {
    return toPipeline((await findPipeline(this.db, ref)) ?? (await refuseUnknown(this.db, ref)));
  }

  /** Of one team or of all, archived ones too, in the order people gave them. */
  async listPipelines(teamName?: string): Promise<Pipeline[]> {
    return (await findPipelines(this.db, teamName)).map(toPipeline);
  }

  /**
   * The present config, or that of an earlier version.
   * @throws NotFoundError also when the pipeline is archived and no version is named.
   */
  async getConfig(ref: PipelineRef, version?: number): Promise<Revision & { readonly config: PipelineConfig }> {
    const pipeline = await this.getPipeline(ref);
    const isHidden = pipeline.archived && version === undefined;
    const row = isHidden ? undefined : await findRevision(this.db, pipeline.id, version);
    if (!row) {
      const which = version === undefined ? 'is archived and has no config' : `has no config version ${version}`;
      throw new NotFoundError(`pipeline '${ref.name}' ${which}`);
    }
    return { ...toRevision(row), config: row.config };
  }

  /** Newest first; go on with `before` set to the last version seen. At most 100 at a time. */
  async listRevisions(
    ref: PipelineRef,
    page: { readonly before?: number; readonly limit?: number } = {},
  ): Promise<Revision[]> {
    const { id } = await this.getPipeline(ref);
    const limit = Math.min(page.limit ?? MOST_REVISIONS, MOST_REVISIONS);
    return (await findRevisions(this.db, id, { ...page, limit })).map(toRevision);
  }

  /** Nothing of it starts any more; running builds finish. Pausing again replaces who, when and why. */
  async pausePipeline(ref: PipelineRef, { by, reason }: ByWhom): Promise<void> {
    await this.change(ref, async (tx, pipeline) => {
      refuseArchived(pipeline);
      await markPaused(tx, 'pipelines', pipeline.id, by, reason);
      await scheduleRequests.pipeline(tx, pipeline.id); // what waits now says that it waits for this
    });
  }

  /** Its jobs are scheduled and its resources checked again. */
  async unpausePipeline(ref: PipelineRef): Promise<void> {
    await this.change(ref, async (tx, pipeline) => {
      refuseArchived(pipeline);
      if (!(await markUnpaused(tx, 'pipelines', pipeline.id))) return;
      await scheduleRequests.pipeline(tx, pipeline.id);
      await notify(tx, 'checks', await historiesToCheck(tx, pipeline.id));
    });
  }

  /** Its builds are created and wait. */
  async pauseJob(ref: JobRef, { by, reason }: ByWhom): Promise<void> {
    await this.change(ref, async (tx, pipeline) => {
      const id = await findJob(tx, pipeline, ref.job);
      await markPaused(tx, 'jobs', id, by, reason);
      await scheduleRequests.groupOf(tx, id);
    });
  }

  /** What waited is scheduled. */
  async unpauseJob(ref: JobRef): Promise<void> {
    await this.change(ref, async (tx, pipeline) => {
      const id = await findJob(tx, pipeline, ref.job);
      if (await markUnpaused(tx, 'jobs', id)) await scheduleRequests.jobs(tx, [id]);
    });
  }

  /** Pauses it for good and hides its config; its builds and revisions stay. Setting a config brings it back. */
  async archivePipeline(ref: PipelineRef, who: ByWhom): Promise<void> {
    await this.change(ref, (tx, pipeline) => this.archivePipelineIn(tx, pipeline.id, who));
  }

  /** As {@link archivePipeline}, in the caller's transaction, which must hold the pipeline's lock. */
  async archivePipelineIn(tx: Tx, id: PipelineId, { by, reason }: ByWhom): Promise<void> {
    await markArchived(tx, id);
    await markPaused(tx, 'pipelines', id, by, reason ?? 'archived');
    // Pending builds of an archived pipeline end as aborted when their job is looked at.
    await scheduleRequests.pipeline(tx, id);
    await notify(tx, 'pipelines', [id]);
  }

  /** Removes it with all its builds and versions. Running builds are told to stop. */
  async destroyPipeline(ref: PipelineRef): Promise<void> {
    await this.change(ref, async (tx, pipeline) => {
      await notify(tx, 'builds', await deletePipeline(tx, pipeline.id));
      await notify(tx, 'pipelines', [pipeline.id]);
    });
  }

  /**
   * Renames every instance of the name.
   * @throws ConflictError when another pipeline has the new name.
   */
  async renamePipeline(ref: { readonly teamName: string; readonly name: string }, newName: string): Promise<void> {
    checkPipelineName(newName);
    if (newName === ref.name) return;
    await this.db.tx(async (tx) => {
      const taken = await findPipelineNames(tx, ref.teamName);
      if (taken.includes(newName)) throw new ConflictError('name-taken', `a pipeline '${newName}' exists already`);
      if ((await renamePipelines(tx, ref.teamName, ref.name, newName)) === 0) await refuseUnknown(tx, ref);
    });
  }

  /** Anyone may look at it without logging in. */
  async exposePipeline(ref: PipelineRef): Promise<void> {
    await this.change(ref, (tx, pipeline) => setPublic(tx, pipeline.id, true));
  }

  /** Only its team may look at it. */
  async hidePipeline(ref: PipelineRef): Promise<void> {
    await this.change(ref, (tx, pipeline) => setPublic(tx, pipeline.id, false));
  }

  /** Puts the named pipelines first, in that order. @throws UserError `unknown-pipeline`. */
  async orderPipelines(teamName: string, names: readonly string[]): Promise<void> {
    await this.db.tx(async (tx) => {
      const known = await findPipelineNames(tx, teamName);
      const unknown = names.find((name) => !known.includes(name));
      if (unknown !== undefined) {
        throw new UserError('unknown-pipeline', `pipeline '${unknown}' not found${didYouMean(unknown, known)}`);
      }
      await orderPipelines(tx, teamName, names);
    });
  }

  /** Puts the instances with these vars first among the pipelines of the name. @throws UserError `unknown-pipeline`. */
  async orderInstances(
    { teamName, name }: { readonly teamName: string; readonly name: string },
    instances: readonly JsonObject[],
  ): Promise<void> {
    // A pipeline without vars is given as an empty object.
    const wanted = instances.map((vars) => (Object.keys(vars).length === 0 ? null : vars));
    await this.db.tx(async (tx) => {
      const known = new Set((await findInstances(tx, teamName, name)).map((vars) => canonicalJson(vars)));
      if (known.size === 0) await refuseUnknown(tx, { teamName, name });
      const unknown = wanted.find((vars) => !known.has(canonicalJson(vars)));
      if (unknown !== undefined) {
        throw new UserError('unknown-pipeline', `pipeline '${name}' has no instance ${JSON.stringify(unknown ?? {})}`);
      }
      await orderInstances(tx, teamName, name, wanted);
    });
  }

  /** Runs `work` with the pipeline locked. */
  private async change(ref: PipelineRef, work: (tx: Tx, pipeline: PipelineRow) => Promise<void>): Promise<void> {
    await this.db.tx(async (tx) => work(tx, (await lockPipeline(tx, ref)) ?? (await refuseUnknown(tx, ref))));
  }
}

async function refuseUnknown(db: Queryable, ref: { readonly teamName: string; readonly name: string }): Promise<never> {
  const near = didYouMean(ref.name, await findPipelineNames(db, ref.teamName));
  throw new NotFoundError(`team '${ref.teamName}' has no pipeline '${ref.name}'${near}`);
}

async function findJob(tx: Tx, pipeline: PipelineRow, name: string): Promise<JobId> {
  const id = await lockJob(tx, pipeline.id, name);
  if (id !== undefined) return id;
  const known = await jobNames(tx, pipeline.id);
  const near = didYouMean(
    name,
    known.map((job) => job.name),
  );
  throw new NotFoundError(`pipeline '${pipeline.name}' has no job '${name}'${near}`);
}

function refuseArchived(pipeline: PipelineRow): void {
  if (pipeline.archived) {
    throw new ConflictError('pipeline-archived', 'action not allowed for an archived pipeline: set it again first');
  }
}

function toPipeline(row: PipelineRow): Pipeline {
  const { sourceId, sourceName, sourcePath, ...facts } = row;
  const { instanceVars, pausedBy, pausedAt, pauseReason, groups, display, userData, ...others } = facts;
  const { parentJobId, parentBuildId, ...rest } = others;
  const shown = { groups, display, userData, parentJobId, parentBuildId };
  const source = sourceId === null ? undefined : { id: sourceId, name: sourceName ?? '', path: sourcePath ?? '' };
  return { ...rest, ...given({ instanceVars, pausedBy, pausedAt, pauseReason, ...shown, source }) };
}

function toRevision({ version, createdAt, setBy, commit, author, file }: Omit<RevisionRow, 'config'>): Revision {
  return { version, createdAt, ...given({ setBy, commit, author, file }) };
}

/** The fields that have a value. */
function given<Fields extends object>(fields: Fields): { [Key in keyof Fields]?: NonNullable<Fields[Key]> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(entries) as { [Key in keyof Fields]?: NonNullable<Fields[Key]> };
}
