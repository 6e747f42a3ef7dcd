import { createParamDecorator, Inject, Injectable, type ExecutionContext, type PipeTransform } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { BuildsService } from '../../builds/index.js';
import type { Build, BuildId, JobId, ResourceId } from '../../model/index.js';
import { PipelinesService, type Pipeline, type PipelineRef } from '../../pipelines/index.js';
import { ResourcesService } from '../../resources/index.js';
import { JobsService } from '../../scheduling/index.js';
import { NotFoundError } from '../../platform/index.js';
import { instanceVarsOf } from './instance-vars.js';
import { IdPipe } from './validate.js';

export { instanceVarsOf };

/** The names in a path, and the instance vars of its query. */
interface PathRef extends PipelineRef {
  readonly job?: string;
  readonly resource?: string;
}

const PathRefParam = createParamDecorator((_: unknown, context: ExecutionContext): PathRef => {
  const { params, query } = context.switchToHttp().getRequest<FastifyRequest>();
  const { team = 'main', pipeline = '', job, resource } = params as Record<string, string | undefined>;
  const instanceVars = instanceVarsOf(query as Record<string, string | string[]>);
  return {
    teamName: team,
    name: pipeline,
    ...(instanceVars ? { instanceVars } : {}),
    ...(job === undefined ? {} : { job }),
    ...(resource === undefined ? {} : { resource }),
  };
});

@Injectable()
export class PipelinePipe implements PipeTransform<PipelineRef, Promise<Pipeline>> {
  constructor(@Inject(PipelinesService) private readonly pipelines: PipelinesService) {}

  async transform(ref: PipelineRef): Promise<Pipeline> {
    return this.pipelines.getPipeline(ref);
  }
}

@Injectable()
export class JobPipe implements PipeTransform<PathRef, Promise<JobId>> {
  constructor(
    @Inject(PipelinesService) private readonly pipelines: PipelinesService,
    @Inject(JobsService) private readonly jobs: JobsService,
  ) {}

  async transform(ref: PathRef): Promise<JobId> {
    const { id } = await this.pipelines.getPipeline(ref);
    return this.jobs.find(id, ref.job ?? '');
  }
}

@Injectable()
export class ResourcePipe implements PipeTransform<PathRef, Promise<ResourceId>> {
  constructor(
    @Inject(PipelinesService) private readonly pipelines: PipelinesService,
    @Inject(ResourcesService) private readonly resources: ResourcesService,
  ) {}

  async transform(ref: PathRef): Promise<ResourceId> {
    const { id } = await this.pipelines.getPipeline(ref);
    return this.resources.find(id, ref.resource ?? '');
  }
}

/** As {@link ResourcePipe}, for callers without a login: an unknown name is told without naming what there is. */
@Injectable()
export class DiscreetResourcePipe extends ResourcePipe {
  override async transform(ref: PathRef): Promise<ResourceId> {
    try {
      return await super.transform(ref);
    } catch (error) {
      if (error instanceof NotFoundError) throw new NotFoundError('there is no such resource');
      throw error;
    }
  }
}

@Injectable()
export class BuildPipe implements PipeTransform<string, Promise<Build>> {
  constructor(@Inject(BuildsService) private readonly builds: BuildsService) {}

  async transform(text: string): Promise<Build> {
    return this.builds.getBuild(new IdPipe().transform(text) as BuildId);
  }
}

/** Names of a pipeline that need not exist. */
export const PipelinePath = (): ParameterDecorator => PathRefParam();
/** The pipeline of the path. 404 when it does not exist. */
export const ThePipeline = (): ParameterDecorator => PathRefParam(PipelinePipe);
/** The id of the path's job. 404 when it does not exist in that pipeline. */
export const TheJob = (): ParameterDecorator => PathRefParam(JobPipe);
/** The id of the path's resource. 404 when it does not exist in that pipeline. */
export const TheResource = (): ParameterDecorator => PathRefParam(ResourcePipe);
export const TheResourceDiscreetly = (): ParameterDecorator => PathRefParam(DiscreetResourcePipe);
