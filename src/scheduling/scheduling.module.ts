import { Module } from '@nestjs/common';
import { JobsService } from './jobs.service.js';
import { planOnPostgres } from './plan-on-postgres.js';
import { PLAN_INPUTS, SchedulingLoop } from './scheduling.loop.js';

@Module({
  providers: [JobsService, SchedulingLoop, { provide: PLAN_INPUTS, useValue: planOnPostgres }],
  exports: [JobsService],
})
export class SchedulingModule {}
