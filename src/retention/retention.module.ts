import { Module } from '@nestjs/common';
import { RetentionLoop } from './retention.loop.js';

@Module({ providers: [RetentionLoop] })
export class RetentionModule {}
