import { Module } from '@nestjs/common';
import { PipelinesService } from './pipelines.service.js';
import { SourceSyncLoop } from './sync/source-sync.loop.js';
import { SourcesService } from './sync/sources.service.js';

@Module({
  providers: [PipelinesService, SourcesService, SourceSyncLoop],
  exports: [PipelinesService, SourcesService, SourceSyncLoop],
})
export class PipelinesModule {}
