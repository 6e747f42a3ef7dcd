import { Controller, Get, Inject, Param, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { TeamsService } from '../../auth/index.js';
import { ContainersService } from '../../builds/index.js';
import type { ContainerFilter } from '../../persistence/index.js';
import { LOGGER, messageOf, type Logger } from '../../platform/index.js';
import { serveHijack } from '../http/hijack-session.js';
import { instanceVarsOf } from '../http/instance-vars.js';
import { Valid } from '../http/validate.js';
import { WebSockets } from '../http/web-sockets.js';
import { toContainerView } from '../mappers/container.mapper.js';

type View = Record<string, unknown>;

const id = z
  .string()
  .regex(/^\d{1,15}$/, 'expected a whole number')
  .transform(Number)
  .optional();
const filterQuery = z
  .object({
    type: z.enum(['task', 'get', 'put', 'check', 'run']).optional(),
    step_name: z.string().optional(),
    attempt: z.string().optional(),
    pipeline_name: z.string().optional(),
    job_name: z.string().optional(),
    build_name: z.string().optional(),
    resource_name: z.string().optional(),
    build_id: id,
    pipeline_id: id,
    job_id: id,
  })
  .loose();

/** Steps that people can step into. */
@Controller('api/v1/teams/:team/containers')
export class ContainersController {
  constructor(
    @Inject(ContainersService) private readonly containers: ContainersService,
    @Inject(TeamsService) private readonly teams: TeamsService,
    @Inject(WebSockets) private readonly sockets: WebSockets,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  @Get()
  async list(
    @Param('team') team: string,
    @Query(new Valid(filterQuery, 'the query')) query: z.infer<typeof filterQuery>,
  ): Promise<View[]> {
    const { id: teamId } = await this.teams.get(team);
    return (await this.containers.list([teamId], toFilter(query))).map(toContainerView);
  }

  @Get(':container')
  async get(@Param('team') team: string, @Param('container') handle: string): Promise<View> {
    const { id: teamId } = await this.teams.get(team);
    return toContainerView(await this.containers.get(teamId, handle));
  }

  /** A web socket; see {@link serveHijack}. */
  @Get(':container/hijack')
  async hijack(
    @Param('team') team: string,
    @Param('container') handle: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { id: teamId } = await this.teams.get(team);
    const container = await this.containers.get(teamId, handle);
    const socket = await this.sockets.accept(request, reply);
    await serveHijack(socket, {
      exec: (spec) => this.containers.intercept(container, spec),
      warn: (error) => this.log.warn({ handle, error: messageOf(error) }, 'a session in a container broke'),
    });
  }
}

function toFilter(query: z.infer<typeof filterQuery>): ContainerFilter {
  const instanceVars = instanceVarsOf(query as Record<string, string>);
  const fields: { [Name in keyof ContainerFilter]: ContainerFilter[Name] | undefined } = {
    kind: query.type,
    stepName: query.step_name,
    attempt: query.attempt,
    pipelineName: query.pipeline_name,
    jobName: query.job_name,
    buildName: query.build_name,
    resourceName: query.resource_name,
    buildId: query.build_id,
    pipelineId: query.pipeline_id,
    jobId: query.job_id,
    instanceVars,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
