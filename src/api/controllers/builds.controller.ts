import { Body, Controller, Get, Headers, HttpCode, Inject, Param, Post, Put, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { ruleOf, TeamsService, type Access } from '../../auth/index.js';
import { BuildsService } from '../../builds/index.js';
import type { Build, BuildPreparation } from '../../model/index.js';
import type { ByWhom, Pipeline } from '../../pipelines/index.js';
import { publicPlan } from '../../planner/index.js';
import { NotFoundError, Settings } from '../../platform/index.js';
import { ExplainService, JobsService } from '../../scheduling/index.js';
import { EventStreams } from '../http/event-streams.js';
import { sendPage, ValidPage, type PageQuery } from '../http/pages.js';
import { BuildPipe, ThePipeline } from '../http/params.js';
import { Valid } from '../http/validate.js';
import { Caller, Who } from '../http/who.js';
import { buildViewsFor, toBuildResourcesView, toBuildView } from '../mappers/build.mapper.js';
import { toBuildExplanationView } from '../mappers/explanation.mapper.js';

type View = Record<string, unknown>;
const commentRequest = z.object({ comment: z.string().max(10_000) });

@Controller('api/v1')
export class BuildsController {
  constructor(
    @Inject(BuildsService) private readonly builds: BuildsService,
    @Inject(JobsService) private readonly jobs: JobsService,
    @Inject(ExplainService) private readonly explanations: ExplainService,
    @Inject(TeamsService) private readonly teams: TeamsService,
    @Inject(EventStreams) private readonly streams: EventStreams,
    @Inject(Settings) private readonly settings: Settings,
  ) {}

  @Get('builds')
  async listAll(
    @Query(ValidPage) query: PageQuery,
    @Caller() access: Access,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<View[]> {
    const visible = { teamIds: access.wholeTeamIds, orPublic: true };
    const page = await this.builds.listBuilds(visible, query);
    return sendPage(reply, this.settings.externalUrl, page, buildViewsFor(access));
  }

  @Get('teams/:team/builds')
  async listOfTeam(
    @Param('team') team: string,
    @Query(ValidPage) query: PageQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<View[]> {
    const { id } = await this.teams.get(team);
    return sendPage(
      reply,
      this.settings.externalUrl,
      await this.builds.listBuilds({ teamIds: [id] }, query),
      toBuildView,
    );
  }

  /** A one-off build: the body is its plan. */
  @Post('teams/:team/builds')
  async runInTeam(
    @Param('team') team: string,
    @Body() plan: unknown,
    @Who() { by }: ByWhom,
    @Caller() access: Access,
  ): Promise<View> {
    const { id: teamId } = await this.teams.get(team);
    return toBuildView(await this.builds.runPlan({ teamId }, plan, posterOf(by, access, team)));
  }

  /** The same in the context of a pipeline: with its vars. */
  @Post('teams/:team/pipelines/:pipeline/builds')
  async runInPipeline(
    @Param('team') team: string,
    @ThePipeline() pipeline: Pipeline,
    @Body() plan: unknown,
    @Who() { by }: ByWhom,
    @Caller() access: Access,
  ): Promise<View> {
    const owner = { teamId: pipeline.teamId, pipelineId: pipeline.id };
    return toBuildView(await this.builds.runPlan(owner, plan, posterOf(by, access, team)));
  }

  @Get('teams/:team/pipelines/:pipeline/builds')
  async listOfPipeline(
    @ThePipeline() { id: pipelineId }: Pipeline,
    @Query(ValidPage) query: PageQuery,
    @Caller() access: Access,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<View[]> {
    const page = await this.builds.listBuilds({ pipelineId }, query);
    return sendPage(reply, this.settings.externalUrl, page, buildViewsFor(access));
  }

  @Get('builds/:id')
  get(@Param('id', BuildPipe) build: Build, @Caller() access: Access): View {
    return buildViewsFor(access)(build);
  }

  @Get('builds/:id/plan')
  async plan(@Param('id', BuildPipe) build: Build): Promise<View> {
    const plan = await this.builds.getPlan(build.id);
    if (!plan) throw new NotFoundError(`build ${build.id} has no plan yet: it has not started`);
    return { schema: 'exec.v2', plan: publicPlan(plan) };
  }

  /** Server-sent events; see {@link EventStreams}. */
  @Get('builds/:id/events')
  events(
    @Param('id', BuildPipe) build: Build,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.streams.send(build, lastEventId, reply);
  }

  @Get('builds/:id/resources')
  async resources(@Param('id', BuildPipe) build: Build): Promise<View> {
    return toBuildResourcesView(await this.builds.buildResources(build.id));
  }

  @Get('builds/:id/preparation')
  preparation(@Param('id', BuildPipe) build: Build): Promise<BuildPreparation> {
    return this.jobs.preparation(build.id);
  }

  /** Why it ran with its versions, or what it waits for. */
  @Get('builds/:id/explain')
  async explain(@Param('id', BuildPipe) { id }: Build, @Caller() access: Access): Promise<View> {
    return toBuildExplanationView(await this.explanations.build(id), access);
  }

  /** Ours: a rerun that takes over the steps which ended well before the first that did not. */
  @Post('builds/:id/resume')
  @HttpCode(200)
  async resume(@Param('id', BuildPipe) { id }: Build, @Who() { by }: ByWhom): Promise<View> {
    return toBuildView(await this.builds.resumeBuild(id, by));
  }

  @Put('builds/:id/abort')
  @HttpCode(204)
  abort(
    @Param('id', BuildPipe) build: Build,
    @Query() query: Readonly<Record<string, unknown>>,
    @Who() { by }: ByWhom,
  ): Promise<void> {
    return this.builds.abortBuild(build.id, by, 'force' in query);
  }

  @Put('builds/:id/comment')
  comment(
    @Param('id', BuildPipe) build: Build,
    @Body(new Valid(commentRequest)) { comment }: z.infer<typeof commentRequest>,
  ): Promise<void> {
    return this.builds.setComment(build.id, comment);
  }
}

/** A plan can set pipelines only for somebody who could do so; a token that is limited to some pipelines could set others by it. */
function posterOf(name: string, access: Access, team: string): { name: string; maySetPipelines: boolean } {
  return { name, maySetPipelines: access.may(ruleOf('SaveConfig'), team) };
}
