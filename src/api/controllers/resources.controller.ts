import { Body, Controller, Delete, Get, Header, Inject, Post, Put, Query } from '@nestjs/common';
import { z } from 'zod';
import { Gatekeeper, type Access } from '../../auth/index.js';
import { BuildsService } from '../../builds/index.js';
import { ChecksService } from '../../checking/index.js';
import type { ResourceId } from '../../model/index.js';
import type { ByWhom, Pipeline } from '../../pipelines/index.js';
import { ResourcesService, type ResourceView } from '../../resources/index.js';
import { ThePipeline, TheResource, TheResourceDiscreetly } from '../http/params.js';
import { OncePipe, Valid } from '../http/validate.js';
import { Caller, Who } from '../http/who.js';
import { toBuildView } from '../mappers/build.mapper.js';
import { listWriter } from '../mappers/list-writer.js';

const RESOURCE = 'teams/:team/pipelines/:pipeline/resources/:resource';
/** `shallow` looks for no newer images of the resource's types. */
export const checkRequest = z.object({
  from: z.record(z.string(), z.string()).nullish(),
  shallow: z.boolean().optional(),
});
export type CheckRequest = z.infer<typeof checkRequest>;
const writeResources = listWriter((view: ResourceView) => view);
const cacheRequest = z.object({ version: z.record(z.string(), z.string()).nullish() });
const pinCommentRequest = z.object({ pin_comment: z.string().max(10_000) });

@Controller('api/v1')
export class ResourcesController {
  constructor(
    @Inject(ResourcesService) private readonly resources: ResourcesService,
    @Inject(ChecksService) private readonly checks: ChecksService,
    @Inject(BuildsService) private readonly builds: BuildsService,
    @Inject(Gatekeeper) private readonly gatekeeper: Gatekeeper,
  ) {}

  @Get('resources')
  @Header('content-type', 'application/json')
  async listAll(@Caller() access: Access): Promise<string> {
    const ids = await this.gatekeeper.visiblePipelineIds(access);
    return writeResources(await this.resources.listAll(ids));
  }

  @Get('teams/:team/pipelines/:pipeline/resources')
  list(@ThePipeline() { id }: Pipeline): Promise<ResourceView[]> {
    return this.resources.list(id);
  }

  @Get(RESOURCE)
  get(@TheResource() id: ResourceId): Promise<ResourceView> {
    return this.resources.get(id);
  }

  @Put(`${RESOURCE}/pause`)
  pause(@TheResource() id: ResourceId, @Who() who: ByWhom): Promise<void> {
    return this.resources.pause(id, who);
  }

  @Put(`${RESOURCE}/unpause`)
  unpause(@TheResource() id: ResourceId): Promise<void> {
    return this.resources.unpause(id);
  }

  @Post(`${RESOURCE}/check`)
  async check(
    @TheResource() id: ResourceId,
    @Body(new Valid(checkRequest)) { from, shallow }: CheckRequest,
    @Who() { by }: ByWhom,
  ): Promise<Record<string, unknown>> {
    const build = await this.checks.requestCheck(id, {
      by,
      ...(from ? { from } : {}),
      ...(shallow ? { shallow } : {}),
    });
    return toBuildView(await this.builds.getBuild(build));
  }

  /** Open: the token of the resource's config is the proof. */
  @Post(`${RESOURCE}/check/webhook`)
  async webhook(
    @TheResourceDiscreetly() id: ResourceId,
    @Query('webhook_token', OncePipe) token: string | undefined,
  ): Promise<Record<string, unknown>> {
    const build = await this.checks.requestCheckByWebhook(id, token);
    return toBuildView(await this.builds.getBuild(build));
  }

  /** Every build fetches its versions anew: there is no cache that could be removed. */
  @Delete(`${RESOURCE}/cache`)
  clearCache(
    @TheResource() _id: ResourceId,
    @Body(new Valid(cacheRequest)) _request: z.infer<typeof cacheRequest>,
  ): Record<string, unknown> {
    return { caches_removed: 0 };
  }

  /** Who would lose versions with it: asked before {@link clearVersions}. */
  @Get(`${RESOURCE}/shared`)
  async shared(@TheResource() id: ResourceId): Promise<Record<string, unknown>> {
    const resources = (await this.resources.sharing(id)).map(({ name, pipelineName, teamName }) => ({
      name,
      pipeline_name: pipelineName,
      team_name: teamName,
    }));
    return { resources, resource_types: [] };
  }

  @Delete(`${RESOURCE}/versions`)
  async clearVersions(@TheResource() id: ResourceId): Promise<Record<string, unknown>> {
    return { versions_removed: await this.resources.clearVersions(id) };
  }

  @Put(`${RESOURCE}/unpin`)
  unpin(@TheResource() id: ResourceId): Promise<void> {
    return this.resources.unpin(id);
  }

  @Put(`${RESOURCE}/pin_comment`)
  commentPin(
    @TheResource() id: ResourceId,
    @Body(new Valid(pinCommentRequest)) request: z.infer<typeof pinCommentRequest>,
  ): Promise<void> {
    return this.resources.commentPin(id, request.pin_comment);
  }
}
