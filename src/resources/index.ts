export * from './contract.js';
export * from './resource-view.js';
export * from './resources.module.js';
export * from './resources.service.js';
