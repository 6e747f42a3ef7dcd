import { Module } from '@nestjs/common';
import { CustomTypesModule } from '../custom-types/index.js';
import { PipelinesModule } from '../pipelines/index.js';
import { ResourcesModule } from '../resources/index.js';
import { RuntimeModule } from '../runtime/index.js';
import { ArtifactsService } from './artifacts.service.js';
import { BuildTracker } from './build-tracker.js';
import { BuildsService } from './builds.service.js';
import { ContainersService } from './containers.service.js';
import { RuntimeMonitor } from './runtime-monitor.js';

/** What other rooms give the engine, `CHECK_RUNNER` and `CREDENTIALS`, is joined to it by the composition root. */
@Module({
  imports: [CustomTypesModule, PipelinesModule, ResourcesModule, RuntimeModule],
  providers: [ArtifactsService, BuildsService, ContainersService, BuildTracker, RuntimeMonitor],
  exports: [ArtifactsService, BuildsService, ContainersService, BuildTracker, RuntimeMonitor],
})
export class BuildsModule {}
