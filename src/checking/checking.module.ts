import { Module } from '@nestjs/common';
import { CustomTypesModule } from '../custom-types/index.js';
import { CredentialsModule } from '../credentials/index.js';
import { ResourcesModule } from '../resources/index.js';
import { Checker } from './checker.js';
import { CheckingLoop } from './checking.loop.js';
import { ChecksService } from './checks.service.js';

@Module({
  imports: [ResourcesModule, CredentialsModule, CustomTypesModule],
  providers: [Checker, CheckingLoop, ChecksService],
  exports: [Checker, ChecksService],
})
export class CheckingModule {}
