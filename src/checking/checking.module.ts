import { Module } from '@nestjs/common';
import { ResourcesModule } from '../resources/index.js';
import { ChecksService } from './checks.service.js';

@Module({ imports: [ResourcesModule], providers: [ChecksService], exports: [ChecksService] })
export class CheckingModule {}
