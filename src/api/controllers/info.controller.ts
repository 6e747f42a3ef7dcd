import { Controller, Get, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Settings, VERSION } from '../../platform/index.js';
import { HealthService, type Health } from '../health.service.js';

/** What anyone may know of this server. */
@Controller('api/v1')
export class InfoController {
  constructor(
    @Inject(Settings) private readonly settings: Settings,
    @Inject(HealthService) private readonly health: HealthService,
  ) {}

  @Get('info')
  info(): Record<string, unknown> {
    const { concourseVersion, externalUrl, clusterName } = this.settings;
    return {
      version: concourseVersion,
      worker_version: '',
      feature_flags: {
        global_resources: false,
        build_rerun: true,
        cache_streamed_volumes: false,
        resource_causality: true,
      },
      external_url: externalUrl,
      ...(clusterName === '' ? {} : { cluster_name: clusterName }),
      weir_version: VERSION,
    };
  }

  @Get('health')
  async healthOf(@Res({ passthrough: true }) reply: FastifyReply): Promise<Health> {
    const health = await this.health.look();
    reply.status(health.status === 'failing' ? 503 : 200);
    return health;
  }
}
