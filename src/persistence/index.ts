export * from './persistence.module.js';
export * from './db.js';
export * from './notify.js';
export * from './repositories/build-events.js';
export * from './repositories/schedule-requests.js';
export * from './repositories/versions.js';
