import { Body, Controller, Delete, Get, Inject, Param, Post } from '@nestjs/common';
import { BuildsService } from '../../builds/index.js';
import { ChecksService } from '../../checking/index.js';
import { didYouMean, type ResourceTypeConfig } from '../../model/index.js';
import { PipelinesService, type ByWhom, type Pipeline } from '../../pipelines/index.js';
import { NotFoundError } from '../../platform/index.js';
import { ThePipeline } from '../http/params.js';
import { Valid } from '../http/validate.js';
import { Who } from '../http/who.js';
import { toBuildView } from '../mappers/build.mapper.js';
import { checkRequest, type CheckRequest } from './resources.controller.js';

type View = Record<string, unknown>;
const TYPE = 'resource-types/:type';

/** Types that a pipeline declares itself. Their images are found anew in every build, so they keep no versions. */
@Controller('api/v1/teams/:team/pipelines/:pipeline')
export class ResourceTypesController {
  constructor(
    @Inject(PipelinesService) private readonly pipelines: PipelinesService,
    @Inject(ChecksService) private readonly checks: ChecksService,
    @Inject(BuildsService) private readonly builds: BuildsService,
  ) {}

  /** As the config has them. */
  @Get('resource-types')
  list(@ThePipeline() pipeline: Pipeline): Promise<readonly ResourceTypeConfig[]> {
    return this.typesOf(pipeline);
  }

  @Post(`${TYPE}/check`)
  checkType(
    @ThePipeline() pipeline: Pipeline,
    @Param('type') name: string,
    @Body(new Valid(checkRequest)) request: CheckRequest,
    @Who() who: ByWhom,
  ): Promise<View> {
    return this.check(pipeline, 'resource_types', name, request, who);
  }

  @Post('prototypes/:prototype/check')
  checkPrototype(
    @ThePipeline() pipeline: Pipeline,
    @Param('prototype') name: string,
    @Body(new Valid(checkRequest)) request: CheckRequest,
    @Who() who: ByWhom,
  ): Promise<View> {
    return this.check(pipeline, 'prototypes', name, request, who);
  }

  @Get(`${TYPE}/shared`)
  async shared(@ThePipeline() pipeline: Pipeline, @Param('type') name: string): Promise<View> {
    await this.demandType(pipeline, name);
    const { name: pipelineName, teamName } = pipeline;
    return { resources: [], resource_types: [{ name, pipeline_name: pipelineName, team_name: teamName }] };
  }

  @Delete(`${TYPE}/versions`)
  async clearVersions(@ThePipeline() pipeline: Pipeline, @Param('type') name: string): Promise<View> {
    await this.demandType(pipeline, name);
    return { versions_removed: 0 };
  }

  private async check(
    pipeline: Pipeline,
    kind: 'resource_types' | 'prototypes',
    name: string,
    { from }: CheckRequest,
    { by }: ByWhom,
  ): Promise<View> {
    const build = await this.checks.requestTypeCheck(pipeline, kind, name, { by, ...(from ? { from } : {}) });
    return toBuildView(await this.builds.getBuild(build));
  }

  private async typesOf({ teamName, name, instanceVars, archived }: Pipeline): Promise<readonly ResourceTypeConfig[]> {
    if (archived) return [];
    const { config } = await this.pipelines.getConfig({ teamName, name, ...(instanceVars ? { instanceVars } : {}) });
    return config.resource_types ?? [];
  }

  private async demandType(pipeline: Pipeline, name: string): Promise<void> {
    const names = (await this.typesOf(pipeline)).map((type) => type.name);
    if (!names.includes(name))
      throw new NotFoundError(`the pipeline has no resource type "${name}"${didYouMean(name, names)}`);
  }
}
