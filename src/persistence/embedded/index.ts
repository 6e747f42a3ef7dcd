export { EmbeddedPostgresError } from './binaries.js';
export { startEmbeddedPostgres, type EmbeddedOptions, type EmbeddedPostgres } from './embedded-postgres.js';
