export * from './duration.js';
export * from './events.js';
export * from './ids.js';
export * from './pipeline-config.js';
export * from './plan.js';
export * from './status.js';
export * from './version.js';
