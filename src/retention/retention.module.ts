import { Module } from '@nestjs/common';
import { CompactionLoop } from './compaction.loop.js';
import { RetentionLoop } from './retention.loop.js';

@Module({ providers: [RetentionLoop, CompactionLoop] })
export class RetentionModule {}
