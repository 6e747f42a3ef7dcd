import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Put } from '@nestjs/common';
import { z } from 'zod';
import { Gatekeeper, TeamsService, type Access } from '../../auth/index.js';
import type { JsonObject } from '../../model/index.js';
import { PipelinesService, type ByWhom, type Pipeline, type PipelineRef } from '../../pipelines/index.js';
import { PipelinePath, ThePipeline } from '../http/params.js';
import { InvalidRequest, Valid } from '../http/validate.js';
import { visibleOf } from '../http/visible.js';
import { Caller, Who } from '../http/who.js';
import { toPipelineView, toRevisionView } from '../mappers/pipeline.mapper.js';

const NO_INSTANCE =
  'instances keep their vars: rename the whole group without vars, or set the pipeline again with other ones';
const renameRequest = z.object({
  name: z.string().min(1, 'must not be empty'),
  instance_vars: z.null(NO_INSTANCE).optional(),
});
const orderingRequest = z.array(z.string());
const instanceOrderingRequest = z.array(z.record(z.string(), z.json())) as z.ZodType<JsonObject[]>;

@Controller('api/v1')
export class PipelinesController {
  constructor(
    @Inject(PipelinesService) private readonly pipelines: PipelinesService,
    @Inject(TeamsService) private readonly teams: TeamsService,
    @Inject(Gatekeeper) private readonly gatekeeper: Gatekeeper,
  ) {}

  @Get('pipelines')
  async listAll(@Caller() access: Access): Promise<Record<string, unknown>[]> {
    return this.visible(await this.pipelines.listPipelines(), access);
  }

  @Get('teams/:team/pipelines')
  async list(@Param('team') team: string, @Caller() access: Access): Promise<Record<string, unknown>[]> {
    const { name } = await this.teams.get(team, access);
    return this.visible(await this.pipelines.listPipelines(name), access);
  }

  @Put('teams/:team/pipelines/ordering')
  order(@Param('team') team: string, @Body(new Valid(orderingRequest)) names: string[]): Promise<void> {
    return this.pipelines.orderPipelines(team, names);
  }

  @Get('teams/:team/pipelines/:pipeline')
  get(@ThePipeline() pipeline: Pipeline): Record<string, unknown> {
    return toPipelineView(pipeline);
  }

  @Delete('teams/:team/pipelines/:pipeline')
  @HttpCode(204)
  destroy(@PipelinePath() ref: PipelineRef): Promise<void> {
    return this.pipelines.destroyPipeline(ref);
  }

  @Put('teams/:team/pipelines/:pipeline/ordering')
  orderInstances(
    @PipelinePath() { teamName, name }: PipelineRef,
    @Body(new Valid(instanceOrderingRequest)) instances: JsonObject[],
  ): Promise<void> {
    return this.pipelines.orderInstances({ teamName, name }, instances);
  }

  @Put('teams/:team/pipelines/:pipeline/pause')
  pause(@PipelinePath() ref: PipelineRef, @Who() who: ByWhom): Promise<void> {
    return this.pipelines.pausePipeline(ref, who);
  }

  @Put('teams/:team/pipelines/:pipeline/unpause')
  unpause(@PipelinePath() ref: PipelineRef): Promise<void> {
    return this.pipelines.unpausePipeline(ref);
  }

  @Put('teams/:team/pipelines/:pipeline/archive')
  archive(@PipelinePath() ref: PipelineRef, @Who() who: ByWhom): Promise<void> {
    return this.pipelines.archivePipeline(ref, who);
  }

  @Put('teams/:team/pipelines/:pipeline/expose')
  expose(@PipelinePath() ref: PipelineRef): Promise<void> {
    return this.pipelines.exposePipeline(ref);
  }

  @Put('teams/:team/pipelines/:pipeline/hide')
  hide(@PipelinePath() ref: PipelineRef): Promise<void> {
    return this.pipelines.hidePipeline(ref);
  }

  @Put('teams/:team/pipelines/:pipeline/rename')
  async rename(
    @PipelinePath() { teamName, name, instanceVars }: PipelineRef,
    @Body(new Valid(renameRequest)) request: z.infer<typeof renameRequest>,
  ): Promise<{ warnings: [] }> {
    if (instanceVars) throw new InvalidRequest('the query', [{ path: 'vars', message: NO_INSTANCE }]);
    await this.pipelines.renamePipeline({ teamName, name }, request.name);
    return { warnings: [] };
  }

  /** Every config that was set, newest first: ours. */
  @Get('teams/:team/pipelines/:pipeline/revisions')
  async revisions(@PipelinePath() ref: PipelineRef): Promise<Record<string, unknown>[]> {
    return (await this.pipelines.listRevisions(ref)).map(toRevisionView);
  }

  private async visible(pipelines: readonly Pipeline[], access: Access): Promise<Record<string, unknown>[]> {
    const ids = await this.gatekeeper.visiblePipelineIds(access);
    return visibleOf(pipelines, ids, ({ id }) => id).map(toPipelineView);
  }
}
