import { Controller, Get, Inject, Param } from '@nestjs/common';
import { TeamsService, type Access } from '../../auth/index.js';
import { Db, volumesOfTeam, type VolumeRow } from '../../persistence/index.js';
import { Caller } from '../http/who.js';

/** Files that outlive their step. */
@Controller('api/v1/teams/:team/volumes')
export class VolumesController {
  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(TeamsService) private readonly teams: TeamsService,
  ) {}

  @Get()
  async list(@Param('team') team: string, @Caller() access: Access): Promise<Record<string, unknown>[]> {
    const { id } = await this.teams.get(team, access);
    return (await volumesOfTeam(this.db, id)).map(toVolumeView);
  }
}

/** Every field is there: `fly` reads them all. */
function toVolumeView(volume: VolumeRow): Record<string, unknown> {
  return {
    id: volume.handle,
    worker_name: volume.instance ?? '',
    type: volume.kind,
    container_handle: '',
    path: volume.path ?? '',
    parent_handle: '',
    resource_type: null,
    base_resource_type: null,
    pipeline_id: volume.pipelineId ?? 0,
    pipeline_name: volume.pipelineName ?? '',
    pipeline_instance_vars: volume.instanceVars,
    job_name: volume.jobName ?? '',
    step_name: volume.stepName ?? '',
  };
}
