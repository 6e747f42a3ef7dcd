export * from './types.js';
export * from './build-plan.js';
export * from './public-plan.js';
