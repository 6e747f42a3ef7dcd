export * from './checker.js';
export * from './checking.loop.js';
export * from './checking.module.js';
export * from './checks.service.js';
