import { Controller, Get, Header, Inject, Param, Query, Redirect } from '@nestjs/common';
import { Gatekeeper, TeamsService, type Access } from '../../auth/index.js';
import type { JobId } from '../../model/index.js';
import type { Pipeline } from '../../pipelines/index.js';
import { Settings } from '../../platform/index.js';
import { JobsService } from '../../scheduling/index.js';
import { TheJob, ThePipeline } from '../http/params.js';
import { visibleOf } from '../http/visible.js';
import { Caller } from '../http/who.js';
import { toBadge } from '../mappers/badge.mapper.js';
import { toCcXml } from '../mappers/cc-xml.mapper.js';

const SVG = 'image/svg+xml';
const PIPELINE = 'teams/:team/pipelines/:pipeline';

/** How jobs do, for places outside: pictures in readme files, and menu bars. */
@Controller('api/v1')
export class FeedsController {
  constructor(
    @Inject(JobsService) private readonly jobs: JobsService,
    @Inject(TeamsService) private readonly teams: TeamsService,
    @Inject(Gatekeeper) private readonly gatekeeper: Gatekeeper,
    @Inject(Settings) private readonly settings: Settings,
  ) {}

  @Get(`${PIPELINE}/badge`)
  @Header('content-type', SVG)
  async pipelineBadge(@ThePipeline() { id }: Pipeline, @Query('title') title: unknown): Promise<string> {
    return toBadge(await this.jobs.statuses({ pipelineId: id }), titleOf(title));
  }

  @Get(`${PIPELINE}/jobs/:job/badge`)
  @Header('content-type', SVG)
  async jobBadge(
    @ThePipeline() pipeline: Pipeline,
    @TheJob() id: JobId,
    @Query('title') title: unknown,
  ): Promise<string> {
    const jobs = await this.jobs.statuses({ pipelineId: pipeline.id });
    return toBadge(
      jobs.filter(({ jobId }) => jobId === id),
      titleOf(title),
    );
  }

  /** The address of old readme files, when there was one team. */
  @Get('pipelines/:pipeline/jobs/:job/badge')
  @Redirect('', 301)
  mainBadge(
    @Param('pipeline') pipeline: string,
    @Param('job') job: string,
    @Query('title') title: unknown,
  ): { url: string } {
    const query = typeof title === 'string' ? `?title=${encodeURIComponent(title)}` : '';
    const path = `teams/main/pipelines/${encodeURIComponent(pipeline)}/jobs/${encodeURIComponent(job)}/badge`;
    return { url: `${this.settings.externalUrl}/api/v1/${path}${query}` };
  }

  @Get('teams/:team/cc.xml')
  @Header('content-type', 'application/xml')
  async ccXml(@Param('team') team: string, @Caller() access: Access): Promise<string> {
    const { id, name } = await this.teams.get(team, access);
    const visible = await this.gatekeeper.visiblePipelineIds(access);
    const jobs = visibleOf(await this.jobs.statuses({ teamId: id }), visible, ({ pipelineId }) => pipelineId);
    return toCcXml(jobs, name, this.settings.externalUrl);
  }
}

function titleOf(title: unknown): string {
  return typeof title === 'string' && title !== '' ? title.slice(0, 100) : 'build';
}
