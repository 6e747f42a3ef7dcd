export * from './compaction.loop.js';
export * from './retention.loop.js';
export * from './retention.module.js';
