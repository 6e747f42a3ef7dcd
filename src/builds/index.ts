export * from './artifacts.service.js';
export * from './build-tracker.js';
export * from './builds.module.js';
export * from './builds.service.js';
export * from './containers.service.js';
export * from './ports.js';
export * from './runtime-monitor.js';
