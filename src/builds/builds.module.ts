import { Module } from '@nestjs/common';
import { PipelinesModule } from '../pipelines/index.js';
import { ResourcesModule } from '../resources/index.js';
import { RuntimeModule } from '../runtime/index.js';
import { BuildTracker } from './build-tracker.js';
import { BuildsService } from './builds.service.js';

/** What other rooms give the engine, `CHECK_RUNNER` and `CREDENTIALS`, is joined to it by the composition root. */
@Module({
  imports: [PipelinesModule, ResourcesModule, RuntimeModule],
  providers: [BuildsService, BuildTracker],
  exports: [BuildsService, BuildTracker],
})
export class BuildsModule {}
