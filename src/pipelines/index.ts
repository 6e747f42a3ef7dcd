export * from './config/index.js';
export * from './pipelines.module.js';
export * from './pipelines.service.js';
export * from './sync/source-sync.loop.js';
export * from './sync/sources.service.js';
export * from './sync/types.js';
export * from './types.js';
export * from './vars/index.js';
