export { apiDocument, ApiModule } from './api.module.js';
export { createHttpAdapter } from './http/adapter.js';
