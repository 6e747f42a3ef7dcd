import { Module, type DynamicModule, type ModuleMetadata } from '@nestjs/common';
import { PipelinesModule } from '../pipelines/index.js';
import { ResourcesModule } from '../resources/index.js';
import { RuntimeModule } from '../runtime/index.js';
import { BuildTracker } from './build-tracker.js';
import { BuildsService } from './builds.service.js';

@Module({
  imports: [PipelinesModule, ResourcesModule, RuntimeModule],
  providers: [BuildsService, BuildTracker],
  exports: [BuildsService, BuildTracker],
})
export class BuildsModule {
  /**
   * With what other rooms give the engine: providers of `CHECK_RUNNER` and `CREDENTIALS`, and the modules they come from.
   * Rooms do not know each other, so the composition root joins them.
   */
  static with({ imports = [], providers = [] }: Pick<ModuleMetadata, 'imports' | 'providers'>): DynamicModule {
    return { module: BuildsModule, imports, providers };
  }
}
