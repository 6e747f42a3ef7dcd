export * from './contract.js';
export * from './parse-input.js';
export * from './registry.js';
export * from './resource-view.js';
export * from './resources.module.js';
export * from './resources.service.js';
export * from './resource-config.js';
export * from './server-door.js';
