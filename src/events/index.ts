export * from './event-feed.js';
export * from './event-writer.js';
export * from './events.module.js';
export * from './redactor.js';
