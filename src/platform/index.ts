export * from './clock.js';
export * from './errors.js';
export * from './logger.js';
export * from './loop-runner.js';
export * from './platform.module.js';
export * from './settings.js';
export * from './tokens.js';
