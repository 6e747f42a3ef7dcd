import { Module } from '@nestjs/common';
import { BuildsService } from './builds.service.js';

@Module({ providers: [BuildsService], exports: [BuildsService] })
export class BuildsModule {}
