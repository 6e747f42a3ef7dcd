import { Body, Controller, Delete, Get, Header, HttpCode, Inject, Param, Post, Put, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { Gatekeeper, type Access } from '../../auth/index.js';
import { BuildsService } from '../../builds/index.js';
import type { JobId, JsonValue } from '../../model/index.js';
import { PipelinesService, type ByWhom, type JobRef, type Pipeline } from '../../pipelines/index.js';
import { ExplainService, JobsService } from '../../scheduling/index.js';
import { Settings } from '../../platform/index.js';
import { sendPage, ValidPage, type PageQuery } from '../http/pages.js';
import { PipelinePath, TheJob, ThePipeline } from '../http/params.js';
import { OncePipe, reasonBody, ValidJson } from '../http/validate.js';
import { Caller, Who } from '../http/who.js';
import { buildViewsFor, toBuildView } from '../mappers/build.mapper.js';
import { toJobExplanationView } from '../mappers/explanation.mapper.js';
import { toJobSummaries, toJobView, toNextInputView } from '../mappers/job.mapper.js';

type View = Record<string, unknown>;
const JOB = 'teams/:team/pipelines/:pipeline/jobs/:job';

/** Strict: a mistyped key would start a build without its vars. */
const triggerRequest = z.strictObject({
  ...reasonBody.shape,
  vars: z
    .record(z.string(), z.custom<JsonValue>())
    .optional()
    .meta({ description: 'values for the `vars` of the job, of the types that it declares' }),
});

@Controller('api/v1')
export class JobsController {
  constructor(
    @Inject(JobsService) private readonly jobs: JobsService,
    @Inject(ExplainService) private readonly explanations: ExplainService,
    @Inject(BuildsService) private readonly builds: BuildsService,
    @Inject(PipelinesService) private readonly pipelines: PipelinesService,
    @Inject(Gatekeeper) private readonly gatekeeper: Gatekeeper,
    @Inject(Settings) private readonly settings: Settings,
  ) {}

  @Get('jobs')
  @Header('content-type', 'application/json')
  async listAll(@Caller() access: Access): Promise<string> {
    const ids = await this.gatekeeper.visiblePipelineIds(access);
    return toJobSummaries(await this.jobs.listAll(ids));
  }

  @Get('teams/:team/pipelines/:pipeline/jobs')
  @Header('content-type', 'application/json')
  async list(@ThePipeline() { id }: Pipeline): Promise<string> {
    return toJobSummaries(await this.jobs.list(id));
  }

  @Get(JOB)
  async get(@TheJob() id: JobId, @Caller() access: Access): Promise<View> {
    return toJobView(await this.jobs.get(id), access);
  }

  @Get(`${JOB}/inputs`)
  async inputs(@TheJob() id: JobId): Promise<View[]> {
    return (await this.jobs.nextInputs(id)).map(toNextInputView);
  }

  /** Why it runs, or does not. */
  @Get(`${JOB}/explain`)
  async explain(@TheJob() id: JobId): Promise<View> {
    return toJobExplanationView(await this.explanations.job(id));
  }

  @Put(`${JOB}/pause`)
  pause(@PipelinePath() ref: JobRef, @Who() who: ByWhom): Promise<void> {
    return this.pipelines.pauseJob(ref, who);
  }

  @Put(`${JOB}/unpause`)
  unpause(@PipelinePath() ref: JobRef): Promise<void> {
    return this.pipelines.unpauseJob(ref);
  }

  @Put(`${JOB}/schedule`)
  schedule(@TheJob() id: JobId): Promise<void> {
    return this.jobs.requestSchedule(id);
  }

  @Delete(`${JOB}/tasks/:step/cache`)
  async clearTaskCache(
    @TheJob() id: JobId,
    @Param('step') step: string,
    @Query('cache_path', OncePipe) path: string | undefined,
  ): Promise<View> {
    return { caches_removed: await this.jobs.clearTaskCaches(id, step, path || undefined) };
  }

  @Get(`${JOB}/builds`)
  async listBuilds(
    @TheJob() jobId: JobId,
    @Query(ValidPage) query: PageQuery,
    @Caller() access: Access,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<View[]> {
    const page = await this.builds.listBuilds({ jobId }, query);
    return sendPage(reply, this.settings.externalUrl, page, buildViewsFor(access));
  }

  @Post(`${JOB}/builds`)
  @HttpCode(200)
  async trigger(
    @TheJob() id: JobId,
    @Body(new ValidJson(triggerRequest)) { vars }: z.infer<typeof triggerRequest>,
    @Who() { by }: ByWhom,
  ): Promise<View> {
    return toBuildView(await this.builds.triggerJob(id, by, vars));
  }

  @Get(`${JOB}/builds/:build`)
  async getBuild(@TheJob() id: JobId, @Param('build') name: string, @Caller() access: Access): Promise<View> {
    return buildViewsFor(access)(await this.builds.getJobBuild(id, name));
  }

  @Post(`${JOB}/builds/:build`)
  @HttpCode(200)
  async rerun(@TheJob() id: JobId, @Param('build') name: string, @Who() { by }: ByWhom): Promise<View> {
    const original = await this.builds.getJobBuild(id, name);
    return toBuildView(await this.builds.rerunBuild(original.id, by));
  }
}
