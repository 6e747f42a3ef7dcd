import { createHash, timingSafeEqual } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import {
  didYouMean,
  type BuildId,
  type Page,
  type PageRequest,
  type PipelineId,
  type ResourceId,
  type Version,
} from '../model/index.js';
import {
  buildsWithInput,
  buildsWithOutput,
  clearVersions,
  commentPin,
  Db,
  disableVersion,
  enableVersion,
  findCausality,
  markResources,
  notify,
  pauseResource,
  pinVersion,
  resourceById,
  resourceNames,
  resourcesById,
  resourcesOfPipeline,
  resourcesSharingHistory,
  scheduleRequests,
  unpauseResource,
  unpin,
  versionOfResource,
  walkVersions,
  type CausalDirection,
  type Causality,
  type NamedResource,
  type ResourceRow,
  type ResourceVersionRow,
  type Tx,
} from '../persistence/index.js';
import { ConflictError, MarkedCache, NotFoundError, UserError } from '../platform/index.js';
import { toResourceView, toVersionView, type ResourceVersionView, type ResourceView } from './resource-view.js';

/** Larger graphs help nobody and cost the server much. */
const MOST_CAUSAL_BUILDS = 5_000;

/** About 1 kB each. */
const MOST_KEPT_VIEWS = 30_000;

/** Who changes something, and why. */
export interface By {
  readonly by: string;
  readonly reason?: string;
}

/** Resources as people see and steer them: pause, versions, disabled marks and pins. Each change is one transaction. */
@Injectable()
export class ResourcesService {
  private readonly views = new MarkedCache<ResourceId, ResourceView>(MOST_KEPT_VIEWS);

  constructor(@Inject(Db) private readonly db: Db) {}

  /** The resource's id. @throws NotFoundError naming a near name. */
  async find(pipelineId: PipelineId, name: string): Promise<ResourceId> {
    const known = await resourceNames(this.db, pipelineId);
    const found = known.find((resource) => resource.name === name);
    if (found) return found.id;
    const near = didYouMean(
      name,
      known.map((resource) => resource.name),
    );
    throw new NotFoundError(`the pipeline has no resource "${name}"${near}`);
  }

  /** @throws NotFoundError */
  async get(id: ResourceId): Promise<ResourceView> {
    return toResourceView(await this.row(id));
  }

  /** Active resources of the pipeline, by name. */
  async list(pipelineId: PipelineId): Promise<ResourceView[]> {
    return (await resourcesOfPipeline(this.db, pipelineId)).map(toResourceView);
  }

  /** May everybody who sees its pipeline see the metadata of its versions? @throws NotFoundError */
  async isPublic(id: ResourceId): Promise<boolean> {
    return (await this.row(id)).config.public === true;
  }

  /**
   * Active resources of every pipeline that is not archived, or of those among the given ones, by team, pipeline and name. One of
   * which nothing changed is the same object as the last time.
   */
  async listAll(among?: Iterable<PipelineId>): Promise<ResourceView[]> {
    return this.views.get(await markResources(this.db, among && [...among]), async (ids) => {
      const rows = await resourcesById(this.db, ids);
      return new Map(rows.map((row) => [row.id, toResourceView(row)]));
    });
  }

  /** No check brings new versions until it is unpaused; puts, pins and disabled marks still work. Idempotent. */
  async pause(id: ResourceId, { by, reason }: By): Promise<void> {
    await this.change(id, async (tx) => {
      // Builds that wait for a check of it would wait for ever: let the trigger loop look at them again.
      if (await pauseResource(tx, id, by, reason ?? null)) await scheduleRequests.resource(tx, id);
    });
  }

  /** Idempotent. Checks that are due run at once. */
  async unpause(id: ResourceId): Promise<void> {
    await this.change(id, async (tx, { historyId }) => {
      if (!(await unpauseResource(tx, id))) return;
      await scheduleRequests.resource(tx, id);
      await notify(tx, 'checks', [historyId ?? 0]);
    });
  }

  /** One page of the history, by check order, of versions that contain every key and value of `filter`. */
  async versions(
    id: ResourceId,
    { from, to, limit = 100 }: PageRequest,
    filter: Version = {},
  ): Promise<Page<ResourceVersionView>> {
    if (from !== undefined && to === undefined) {
      const newer = await walkVersions(this.db, id, filter, { direction: 'newer', at: from, limit: limit + 1 });
      const items = newer.slice(0, limit).reverse();
      return page(items, await this.neighbour(id, filter, 'older', items.at(-1)), newer[limit]);
    }
    const older = await walkVersions(this.db, id, filter, {
      direction: 'older',
      ...(to === undefined ? {} : { at: to }),
      limit: limit + 1,
    });
    const items = older.slice(0, limit);
    if (from !== undefined) {
      // Both bounds: what lies between them, oldest first as the wire contract wants it.
      const end = items.findIndex((version) => version.id === from);
      return page((end < 0 ? items : items.slice(0, end + 1)).reverse(), undefined, undefined);
    }
    return page(items, older[limit], await this.neighbour(id, filter, 'newer', items[0]));
  }

  /** @throws NotFoundError when the resource's history does not hold it. */
  async version(id: ResourceId, versionId: number): Promise<ResourceVersionView> {
    const row = await versionOfResource(this.db, id, versionId);
    if (!row) throw unknownVersion(versionId);
    return toVersionView(row);
  }

  /** The version is never chosen again until it is enabled. @throws ConflictError when it is disabled already. */
  async disableVersion(id: ResourceId, versionId: number, { by, reason }: By): Promise<void> {
    await this.version(id, versionId);
    await this.change(id, async (tx) => {
      if (!(await disableVersion(tx, id, versionId, by, reason ?? null)))
        throw new ConflictError('already-disabled', `version ${versionId} is disabled already`);
      await scheduleRequests.resource(tx, id);
    });
  }

  /** @throws ConflictError when it is not disabled. */
  async enableVersion(id: ResourceId, versionId: number): Promise<void> {
    await this.version(id, versionId);
    await this.change(id, async (tx) => {
      if (!(await enableVersion(tx, id, versionId)))
        throw new ConflictError('already-enabled', `version ${versionId} is enabled already`);
      await scheduleRequests.resource(tx, id);
    });
  }

  /**
   * Every input on the resource that does not pin a version itself uses this one. Replaces an earlier API pin.
   * @throws NotFoundError unknown version; ConflictError `pinned-in-config`.
   */
  async pin(id: ResourceId, versionId: number, { by, reason }: By): Promise<void> {
    await this.change(id, async (tx, { name }) => {
      const outcome = await pinVersion(tx, id, versionId, by);
      if (outcome === 'unknown') throw unknownVersion(versionId);
      if (outcome === 'config') throw pinnedInConfig(name);
      if (reason !== undefined) await commentPin(tx, id, reason);
      await scheduleRequests.resource(tx, id);
    });
  }

  /** @throws ConflictError when it is pinned in the config or not pinned. */
  async unpin(id: ResourceId): Promise<void> {
    await this.change(id, async (tx, { name, pin }) => {
      if (pin?.origin === 'config') throw pinnedInConfig(name);
      if (!(await unpin(tx, id))) throw new ConflictError('not-pinned', `resource "${name}" is not pinned`);
      await scheduleRequests.resource(tx, id);
    });
  }

  /** @throws ConflictError when the resource is not pinned. */
  async commentPin(id: ResourceId, comment: string): Promise<void> {
    await this.change(id, async (tx, { name }) => {
      if (!(await commentPin(tx, id, comment)))
        throw new ConflictError('not-pinned', `resource "${name}" is not pinned`);
    });
  }

  /** Builds that used the version, newest first, at most 100. @throws NotFoundError when it is of another resource. */
  async inputTo(id: ResourceId, versionId: number): Promise<BuildId[]> {
    const builds = await buildsWithInput(this.db, id, versionId);
    if (builds.length === 0) await this.version(id, versionId);
    return builds;
  }

  /** Builds that produced the version, newest first, at most 100. @throws NotFoundError when it is of another resource. */
  async outputOf(id: ResourceId, versionId: number): Promise<BuildId[]> {
    const builds = await buildsWithOutput(this.db, id, versionId);
    if (builds.length === 0) await this.version(id, versionId);
    return builds;
  }

  /**
   * The builds and versions that the version led to, or came of.
   * @throws NotFoundError; UserError `too-large` (422).
   */
  async causality(id: ResourceId, versionId: number, direction: CausalDirection): Promise<Causality> {
    await this.version(id, versionId);
    const found = await findCausality(this.db, { resourceId: id, versionId }, direction, MOST_CAUSAL_BUILDS);
    if (found) return found;
    throw new UserError('too-large', `more than ${MOST_CAUSAL_BUILDS} builds belong to the answer`, 422);
  }

  /** The resources whose version history is one with this one's; itself is among them. */
  async sharing(id: ResourceId): Promise<NamedResource[]> {
    return resourcesSharingHistory(this.db, id);
  }

  /** Forgets every version of its history; the next check finds them anew. @returns how many there were. */
  async clearVersions(id: ResourceId): Promise<number> {
    let removed = 0;
    await this.change(id, async (tx) => void (removed = await clearVersions(tx, id)));
    return removed;
  }

  /**
   * Compares in constant time; false when the resource has no webhook token.
   * @param fill gives the token as it is meant: a var may stand for it in the config.
   */
  async isWebhookToken(
    id: ResourceId,
    token: string,
    fill: (written: string, resource: ResourceRow) => Promise<unknown>,
  ): Promise<boolean> {
    const row = await this.row(id);
    const meant = await fill(row.config.webhook_token ?? '', row);
    if (typeof meant !== 'string' || meant === '') return false;
    return timingSafeEqual(sha256(meant), sha256(token));
  }

  private async row(id: ResourceId, db: Db | Tx = this.db): Promise<ResourceRow> {
    const row = await resourceById(db, id);
    if (!row) throw new NotFoundError(`there is no resource ${id}`);
    return row;
  }

  private async change(id: ResourceId, work: (tx: Tx, row: ResourceRow) => Promise<void>): Promise<void> {
    await this.db.tx(async (tx) => {
      const row = await this.row(id, tx);
      if (row.pipelineArchived)
        throw new ConflictError('pipeline-archived', 'action not allowed for an archived pipeline');
      await work(tx, row);
    });
  }

  /** The version next to an end of a page, if there is one. */
  private async neighbour(
    id: ResourceId,
    filter: Version,
    direction: 'older' | 'newer',
    end: ResourceVersionRow | undefined,
  ): Promise<ResourceVersionRow | undefined> {
    if (!end) return undefined;
    const [, next] = await walkVersions(this.db, id, filter, { direction, at: end.id, limit: 2 });
    return next;
  }
}

function page(
  rows: readonly ResourceVersionRow[],
  older: ResourceVersionRow | undefined,
  newer: ResourceVersionRow | undefined,
): Page<ResourceVersionView> {
  return {
    items: rows.map(toVersionView),
    ...(older ? { older: older.id } : {}),
    ...(newer ? { newer: newer.id } : {}),
  };
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function unknownVersion(versionId: number): NotFoundError {
  return new NotFoundError(`the resource has no version with id ${versionId}`);
}

function pinnedInConfig(name: string): ConflictError {
  return new ConflictError(
    'pinned-in-config',
    `resource "${name}" is pinned in the pipeline's config; change its "version" there`,
  );
}
