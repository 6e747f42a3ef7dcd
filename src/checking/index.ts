export * from './checking.module.js';
export * from './checks.service.js';
