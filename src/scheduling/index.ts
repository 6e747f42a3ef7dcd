export * from './explain-types.js';
export * from './explain.service.js';
export * from './jobs.service.js';
export type { PlanInputs } from './round.js';
export * from './scheduling.loop.js';
export * from './scheduling.module.js';
