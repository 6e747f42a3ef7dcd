import { Module } from '@nestjs/common';
import type { Queryable } from '../persistence/index.js';
import type { JobRequest } from '../planner/index.js';
import { Settings } from '../platform/index.js';
import { EffectiveSetCache } from './effective-set-cache.js';
import { ExplainService } from './explain.service.js';
import { JobsService } from './jobs.service.js';
import { planOnPostgres } from './plan-on-postgres.js';
import type { PlanInputs } from './round.js';
import { PLAN_INPUTS, SchedulingLoop } from './scheduling.loop.js';

@Module({
  providers: [
    ExplainService,
    JobsService,
    SchedulingLoop,
    { provide: PLAN_INPUTS, inject: [Settings], useFactory: planWithCache },
  ],
  exports: [ExplainService, JobsService, SchedulingLoop],
})
export class SchedulingModule {}

function planWithCache({ plannerCacheMb }: Settings): PlanInputs {
  const cache = new EffectiveSetCache(plannerCacheMb * 1024 * 1024);
  return (db: Queryable, request: JobRequest) => planOnPostgres(db, request, { cache });
}
