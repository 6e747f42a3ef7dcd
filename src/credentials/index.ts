export * from './credentials.module.js';
export * from './credentials.service.js';
