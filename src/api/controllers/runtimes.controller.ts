import { Controller, Get, Inject } from '@nestjs/common';
import type { Access } from '../../auth/index.js';
import { RuntimeMonitor } from '../../builds/index.js';
import { ResourceTypeRegistry } from '../../resources/index.js';
import { Caller } from '../http/who.js';
import { toRuntimeView, toWorkerView } from '../mappers/runtime.mapper.js';

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

  @Get('runtimes')
  async list(@Caller() access: Access): Promise<View[]> {
    const all = await this.runtimes.list();
    const { wholeTeamIds } = access;
    return all.map((runtime) => toRuntimeView(runtime, all, (team) => wholeTeamIds.includes(team)));
  }
}
