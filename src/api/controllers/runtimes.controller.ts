import { Controller, Get, Inject, Param, Put, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Access } from '../../auth/index.js';
import { RuntimeMonitor } from '../../builds/index.js';
import { didYouMean } from '../../model/index.js';
import type { RuntimeLoad } from '../../persistence/index.js';
import type { ByWhom } from '../../pipelines/index.js';
import { NotFoundError } from '../../platform/index.js';
import { ResourceTypeRegistry } from '../../resources/index.js';
import { Caller, Who } from '../http/who.js';
import { toRuntimeView, toWorkerView, workerName } from '../mappers/runtime.mapper.js';

type View = Record<string, unknown>;

/** Where steps run: in the words of Concourse, and in our own. */
@Controller('api/v1')
export class RuntimesController {
  constructor(
    @Inject(RuntimeMonitor) private readonly runtimes: RuntimeMonitor,
    @Inject(ResourceTypeRegistry) private readonly types: ResourceTypeRegistry,
  ) {}

  @Get('workers')
  async workers(): Promise<View[]> {
    const all = await this.runtimes.list();
    return all.map((runtime) => toWorkerView(runtime, all, this.types.names()));
  }

  @Put('workers/:worker/land')
  async land(@Param('worker') name: string, @Who() { by }: ByWhom): Promise<void> {
    await this.runtimes.land((await this.named(name)).id, by);
  }

  /** The answer's `stderr` is what `fly` prints. */
  @Put('workers/:worker/prune')
  async prune(
    @Param('worker') name: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<{ readonly stderr: string } | undefined> {
    if (await this.runtimes.prune((await this.named(name)).id)) return undefined;
    reply.status(400);
    return { stderr: `cannot prune running worker ${name}: its server is alive` };
  }

  private async named(name: string): Promise<RuntimeLoad> {
    const all = await this.runtimes.list();
    const found = all.find((runtime) => workerName(runtime, all) === name);
    if (found) return found;
    const near = didYouMean(
      name,
      all.map((runtime) => workerName(runtime, all)),
    );
    throw new NotFoundError(`there is no worker "${name}"${near}`);
  }

  @Get('runtimes')
  async list(@Caller() access: Access): Promise<View[]> {
    const all = await this.runtimes.list();
    const { wholeTeamIds } = access;
    return all.map((runtime) => toRuntimeView(runtime, all, (team) => wholeTeamIds.includes(team)));
  }
}
