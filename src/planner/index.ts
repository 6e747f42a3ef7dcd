export * from './types.js';
export * from './build-plan.js';
export * from './public-plan.js';
export * from './decide-builds.js';
