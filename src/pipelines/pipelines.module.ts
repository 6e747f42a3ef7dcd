import { Module } from '@nestjs/common';
import { ChildrenLoop } from './children.loop.js';
import { PipelinesService } from './pipelines.service.js';
import { SourceSyncLoop } from './sync/source-sync.loop.js';
import { SourcesService } from './sync/sources.service.js';

@Module({
  providers: [PipelinesService, SourcesService, SourceSyncLoop, ChildrenLoop],
  exports: [PipelinesService, SourcesService, SourceSyncLoop],
})
export class PipelinesModule {}
