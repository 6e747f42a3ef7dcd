export * from './jobs.service.js';
export * from './scheduling.module.js';
