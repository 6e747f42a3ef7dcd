import { Controller, Get, Inject, Param, Put, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { BuildsService } from '../../builds/index.js';
import type { BuildId, ResourceId, Version } from '../../model/index.js';
import type { ByWhom } from '../../pipelines/index.js';
import { Settings } from '../../platform/index.js';
import { ResourcesService, type ResourceVersionView } from '../../resources/index.js';
import { sendPage, ValidPage, type PageQuery } from '../http/pages.js';
import { TheResource } from '../http/params.js';
import { IdPipe, InvalidRequest } from '../http/validate.js';
import { Who } from '../http/who.js';
import { toBuildView } from '../mappers/build.mapper.js';

const ID = new IdPipe();

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
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ResourceVersionView[]> {
    const page = await this.resources.versions(id, query, versionPart(filter));
    return sendPage(reply, this.settings.externalUrl, page, (version) => version);
  }

  @Get(':version')
  get(@TheResource() id: ResourceId, @Param('version', ID) versionId: number): Promise<ResourceVersionView> {
    return this.resources.version(id, versionId);
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
  ): Promise<Record<string, unknown>[]> {
    return this.views(await this.resources.inputTo(id, versionId));
  }

  @Get(':version/output_of')
  async outputOf(
    @TheResource() id: ResourceId,
    @Param('version', ID) versionId: number,
  ): Promise<Record<string, unknown>[]> {
    return this.views(await this.resources.outputOf(id, versionId));
  }

  private async views(ids: readonly BuildId[]): Promise<Record<string, unknown>[]> {
    return Promise.all(ids.map(async (id) => toBuildView(await this.builds.getBuild(id))));
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
