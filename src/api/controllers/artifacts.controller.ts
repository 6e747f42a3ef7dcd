import { Readable } from 'node:stream';
import { Body, Controller, Get, Inject, Param, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { TeamsService } from '../../auth/index.js';
import { ArtifactsService } from '../../builds/index.js';
import type { ArtifactId, Build } from '../../model/index.js';
import type { ByWhom } from '../../pipelines/index.js';
import { BuildPipe } from '../http/params.js';
import { IdPipe, InvalidRequest } from '../http/validate.js';
import { Who } from '../http/who.js';
import { toArtifactView } from '../mappers/container.mapper.js';

type View = Record<string, unknown>;

/** Inputs and outputs of one-off builds. Nothing of them is kept in memory. */
@Controller('api/v1')
export class ArtifactsController {
  constructor(
    @Inject(ArtifactsService) private readonly artifacts: ArtifactsService,
    @Inject(TeamsService) private readonly teams: TeamsService,
  ) {}

  /** Any server of ours takes any platform's files, so `platform` and `tags` do not matter. */
  @Post('teams/:team/artifacts')
  async upload(@Param('team') team: string, @Body() body: unknown, @Who() { by }: ByWhom): Promise<View> {
    if (!(body instanceof Readable)) {
      throw new InvalidRequest('the request', [
        { path: '', message: 'expected a tar archive as application/octet-stream' },
      ]);
    }
    const { id } = await this.teams.get(team);
    return toArtifactView(await this.artifacts.upload(id, body, by));
  }

  @Get('teams/:team/artifacts/:artifact')
  async download(
    @Param('team') team: string,
    @Param('artifact', IdPipe) artifact: number,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { id } = await this.teams.get(team);
    const archive = await this.artifacts.download(id, artifact as ArtifactId);
    await reply.type('application/octet-stream').send(archive);
  }

  @Get('builds/:id/artifacts')
  async list(@Param('id', BuildPipe) build: Build): Promise<View[]> {
    return (await this.artifacts.ofBuild(build.id)).map(toArtifactView);
  }
}
