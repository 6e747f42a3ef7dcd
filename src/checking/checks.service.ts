import { Inject, Injectable } from '@nestjs/common';
import { CredentialsService } from '../credentials/index.js';
import {
  didYouMean,
  type BuildId,
  type PipelineConfig,
  type PipelineId,
  type ResourceId,
  type TeamId,
  type Version,
} from '../model/index.js';
import {
  createCheckBuild,
  createOneOffBuild,
  Db,
  pipelineConfigOf,
  resourceById,
  unfinishedCheckBuild,
  type ResourceRow,
  type Tx,
} from '../persistence/index.js';
import { ConflictError, NotFoundError, UserError } from '../platform/index.js';
import { makeCheckPlan } from '../planner/index.js';
import { ResourcesService } from '../resources/index.js';

/** Checks that people and webhooks ask for. Each is a build of its own, run by the engine. */
@Injectable()
export class ChecksService {
  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(ResourcesService) private readonly resources: ResourcesService,
    @Inject(CredentialsService) private readonly credentials: Pick<CredentialsService, 'fill'>,
  ) {}

  /**
   * Checks the resource now, whatever its interval; `from` starts at that version instead of the newest known one;
   * `shallow` looks for no newer images of its types.
   * @returns the check build, already started.
   * @throws NotFoundError; ConflictError `resource-paused`, `pipeline-paused`, `pipeline-archived`.
   */
  async requestCheck(
    id: ResourceId,
    { by, from, shallow }: { readonly by: string; readonly from?: Version; readonly shallow?: boolean },
  ): Promise<BuildId> {
    return this.db.tx((tx) => this.create(tx, id, by, from, shallow));
  }

  /**
   * Checks the image of a type that the pipeline's config declares, in a build of the pipeline: resources of the type use what it
   * finds from then on.
   * @param kind the list of the config that holds it
   * @throws NotFoundError naming a near name; ConflictError `pipeline-archived`.
   */
  async requestTypeCheck(
    pipeline: { readonly id: PipelineId; readonly teamId: TeamId; readonly archived: boolean },
    kind: 'resource_types' | 'prototypes',
    name: string,
    { by, from }: { readonly by: string; readonly from?: Version },
  ): Promise<BuildId> {
    if (pipeline.archived) throw archived();
    return this.db.tx(async (tx) => {
      const config = await pipelineConfigOf(tx, pipeline.id);
      const types = config[kind] ?? [];
      const type = types.find((each) => each.name === name);
      if (!type) throw unknownType(kind, name, types);
      // Its own image is fetched by the other types: one may bear the name of the type that it is made of.
      const others = { ...config, resource_types: config.resource_types?.filter((each) => each !== type) ?? [] };
      const { type: base, source = {}, tags } = type;
      const plan = makeCheckPlan({ name, type: base, source, ...(tags ? { tags } : {}) }, others, from);
      return createOneOffBuild(tx, { teamId: pipeline.teamId, pipelineId: pipeline.id }, plan, by);
    });
  }

  /**
   * As {@link requestCheck}, for a caller that proves itself by the resource's webhook token. Joins a check build of the
   * resource that is still running.
   * @throws UserError `webhook-token-missing` (400), `webhook-token-wrong` (401)
   */
  async requestCheckByWebhook(id: ResourceId, token: string | undefined): Promise<BuildId> {
    if (token === undefined || token === '')
      throw new UserError('webhook-token-missing', 'the query needs webhook_token', 400);
    // A token whose var has no value fits nothing; strangers do not learn why.
    const fill = (written: string, row: ResourceRow): Promise<unknown> =>
      this.credentials.fill<unknown>(written, row).then(
        ({ value }) => value,
        () => undefined,
      );
    if (!(await this.resources.isWebhookToken(id, token, fill)))
      throw new UserError('webhook-token-wrong', 'the webhook token is not that of the resource', 401);
    return this.db.tx(
      async (tx) => (await unfinishedCheckBuild(tx, id)) ?? (await this.create(tx, id, 'webhook', undefined)),
    );
  }

  private async create(tx: Tx, id: ResourceId, by: string, from?: Version, shallow?: boolean): Promise<BuildId> {
    const row = await resourceById(tx, id);
    if (!row) throw new NotFoundError(`there is no resource ${id}`);
    refuseStopped(row);
    const config: PipelineConfig = await pipelineConfigOf(tx, row.pipelineId);
    return createCheckBuild(tx, id, makeCheckPlan(row.config, config, from, shallow), by);
  }
}

function archived(): ConflictError {
  return new ConflictError('pipeline-archived', 'action not allowed for an archived pipeline');
}

function unknownType(
  kind: 'resource_types' | 'prototypes',
  name: string,
  types: readonly { readonly name: string }[],
): NotFoundError {
  const near = didYouMean(
    name,
    types.map((type) => type.name),
  );
  return new NotFoundError(
    `the pipeline has no ${kind === 'prototypes' ? 'prototype' : 'resource type'} "${name}"${near}`,
  );
}

/** A paused resource gets no new versions by a check; a paused pipeline acts as every resource in it paused. */
export function refuseStopped(row: ResourceRow): void {
  if (row.pipelineArchived) throw archived();
  if (row.pipelinePaused)
    throw new ConflictError(
      'pipeline-paused',
      `pipeline "${row.pipelineName}" is paused, so its resources are not checked; unpause it first`,
    );
  if (!row.paused) return;
  const who = row.pausedBy === null ? '' : ` by ${row.pausedBy}`;
  const why = row.pauseReason === null ? '' : ` (${row.pauseReason})`;
  throw new ConflictError('resource-paused', `resource "${row.name}" is paused${who}${why}; unpause it to check it`);
}
