import { Controller, Get, Inject, Param } from '@nestjs/common';
import type { ResourceId } from '../../model/index.js';
import type { Causality } from '../../persistence/index.js';
import { ResourcesService } from '../../resources/index.js';
import { TheResource } from '../http/params.js';
import { IdPipe } from '../http/validate.js';

const ID = new IdPipe();
type View = Record<string, unknown>;

/** What a version led to, and what it came of. */
@Controller('api/v1/teams/:team/pipelines/:pipeline/resources/:resource/versions/:version')
export class CausalityController {
  constructor(@Inject(ResourcesService) private readonly resources: ResourcesService) {}

  @Get('downstream')
  async downstream(@TheResource() id: ResourceId, @Param('version', ID) versionId: number): Promise<View> {
    return toCausalityView(await this.resources.causality(id, versionId, 'downstream'));
  }

  @Get('upstream')
  async upstream(@TheResource() id: ResourceId, @Param('version', ID) versionId: number): Promise<View> {
    return toCausalityView(await this.resources.causality(id, versionId, 'upstream'));
  }
}

function toCausalityView({ jobs, builds, resources, versions }: Causality): View {
  return {
    jobs: jobs.map(({ id, name, buildIds }) => ({ id, name, build_ids: buildIds })),
    builds: builds.map(({ id, name, jobId, status, versionIds }) => ({
      id,
      name,
      job_id: jobId,
      status,
      resource_version_ids: versionIds,
    })),
    resources: resources.map(({ id, name, versionIds }) => ({ id, name, version_ids: versionIds })),
    resource_versions: versions.map(({ id, resourceId, version, buildIds }) => ({
      id,
      resource_id: resourceId,
      version,
      build_ids: buildIds,
    })),
  };
}
