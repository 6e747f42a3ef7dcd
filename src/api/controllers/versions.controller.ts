import { Controller, Get, Inject, Param, Put, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Access } from '../../auth/index.js';
import { BuildsService } from '../../builds/index.js';
import type { BuildId, ResourceId, Version } from '../../model/index.js';
import type { ByWhom } from '../../pipelines/index.js';
import { Settings } from '../../platform/index.js';
import { ResourcesService, type ResourceVersionView } from '../../resources/index.js';
import { sendPage, ValidPage, type PageQuery } from '../http/pages.js';
import { TheResource } from '../http/params.js';
import { IdPipe, InvalidRequest } from '../http/validate.js';
import { Caller, Who } from '../http/who.js';
import { buildViewsFor } from '../mappers/build.mapper.js';

const ID = new IdPipe();

/** Names in the path. */
interface Place {
  readonly team: string;
  readonly pipeline: string;
}

/** Versions of a resource. An id of another resource's version is unknown here. */
@Controller('api/v1/teams/:team/pipelines/:pipeline/resources/:resource/versions')
export class VersionsController {
  constructor(
    @Inject(ResourcesService) private readonly resources: ResourcesService,
    @Inject(BuildsService) private readonly builds: BuildsService,
    @Inject(Settings) private readonly settings: Settings,
  ) {}

  @Get()
  async list(
    @TheResource() id: ResourceId,
    @Query(ValidPage) query: PageQuery,
    @Query('filter') filter: string | string[] | undefined,
    @Param() place: Place,
    @Caller() access: Access,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ResourceVersionView[]> {
    const page = await this.resources.versions(id, query, versionPart(filter));
    return sendPage(reply, this.settings.externalUrl, page, await this.viewsFor(access, place, id));
  }

  @Get(':version')
  async get(
    @TheResource() id: ResourceId,
    @Param('version', ID) versionId: number,
    @Param() place: Place,
    @Caller() access: Access,
  ): Promise<ResourceVersionView> {
    return (await this.viewsFor(access, place, id))(await this.resources.version(id, versionId));
  }

  @Put(':version/enable')
  enable(@TheResource() id: ResourceId, @Param('version', ID) versionId: number): Promise<void> {
    return this.resources.enableVersion(id, versionId);
  }

  @Put(':version/disable')
  disable(@TheResource() id: ResourceId, @Param('version', ID) versionId: number, @Who() who: ByWhom): Promise<void> {
    return this.resources.disableVersion(id, versionId, who);
  }

  @Put(':version/pin')
  pin(@TheResource() id: ResourceId, @Param('version', ID) versionId: number, @Who() who: ByWhom): Promise<void> {
    return this.resources.pin(id, versionId, who);
  }

  @Get(':version/input_to')
  async inputTo(
    @TheResource() id: ResourceId,
    @Param('version', ID) versionId: number,
    @Caller() access: Access,
  ): Promise<Record<string, unknown>[]> {
    return this.views(await this.resources.inputTo(id, versionId), access);
  }

  @Get(':version/output_of')
  async outputOf(
    @TheResource() id: ResourceId,
    @Param('version', ID) versionId: number,
    @Caller() access: Access,
  ): Promise<Record<string, unknown>[]> {
    return this.views(await this.resources.outputOf(id, versionId), access);
  }

  private async views(ids: readonly BuildId[], access: Access): Promise<Record<string, unknown>[]> {
    return Promise.all(ids.map(async (id) => buildViewsFor(access)(await this.builds.getBuild(id))));
  }

  /** Metadata is for the team, and for everybody if the resource is public as its pipeline is. */
  private async viewsFor(
    access: Access,
    { team, pipeline }: Place,
    id: ResourceId,
  ): Promise<(version: ResourceVersionView) => ResourceVersionView> {
    if (access.sees(team, pipeline) || (await this.resources.isPublic(id))) return (version) => version;
    return ({ metadata: _, ...version }) => version;
  }
}

/** Keys and values of repeated `filter=key:value`; values may hold colons. @throws InvalidRequest */
function versionPart(filter: string | string[] | undefined): Version {
  const pairs = filter === undefined ? [] : [filter].flat();
  return Object.fromEntries(
    pairs.map((pair) => {
      const colon = pair.indexOf(':');
      if (colon > 0) return [pair.slice(0, colon), pair.slice(colon + 1)];
      throw new InvalidRequest('the query', [{ path: 'filter', message: `"${pair}" is not key:value` }]);
    }),
  );
}
