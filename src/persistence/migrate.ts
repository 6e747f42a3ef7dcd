import pg from 'pg';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { messageOf, UserError } from '../platform/index.js';
import { dataSourceOptions } from './db.js';
import { migrations } from './migrations/index.js';

/** The database cannot be used by this Weir; the message says why and what to do. */
export class DatabaseRefusedError extends UserError {
  constructor(message: string, cause?: unknown) {
    super('database-refused', message, 500);
    this.cause = cause;
  }
}

const OLDEST_SERVER = 15;
/** Any number that is ours: servers that start together migrate one after the other. */
const MIGRATION_LOCK = 7_031_947_001;

/**
 * Brings the database up to this Weir's schema. Safe to call from several servers at once.
 * @throws DatabaseRefusedError when it cannot be reached, is older than PostgreSQL 15, or was migrated by a newer Weir.
 */
export async function migrateDatabase(url: string): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'weir-migrate',
    connectionTimeoutMillis: 10_000,
  });
  client.on('error', () => undefined); // a lost connection shows as the failure of the next statement
  try {
    await client.connect();
  } catch (error) {
    throw new DatabaseRefusedError(`cannot connect to PostgreSQL: ${messageOf(error)}; check DATABASE_URL`, error);
  }
  try {
    await refuseOldServer(client);
    await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await refuseNewerSchema(client);
    // A migration may take longer than any statement of the server may.
    const dataSource = new DataSource({
      ...dataSourceOptions(url),
      poolSize: 1,
      extra: { statement_timeout: 0 },
    } as DataSourceOptions);
    await dataSource.initialize();
    try {
      await dataSource.runMigrations();
    } finally {
      await dataSource.destroy();
    }
  } finally {
    await client.end().catch(() => undefined); // ends the lock too
  }
}

async function refuseOldServer(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ version: string }>(`select current_setting('server_version') as version`);
  const version = rows[0]?.version ?? '0';
  if (Number.parseInt(version, 10) >= OLDEST_SERVER) return;
  throw new DatabaseRefusedError(`the database server is PostgreSQL ${version}; Weir needs ${OLDEST_SERVER} or newer`);
}

async function refuseNewerSchema(client: pg.Client): Promise<void> {
  const { rows: tables } = await client.query(
    `select 1 from pg_tables where schemaname = current_schema() and tablename = 'schema_migrations'`,
  );
  if (tables.length === 0) return;
  const { rows } = await client.query<{ name: string }>('select name from schema_migrations order by timestamp');
  const known = new Set(migrations.map((migration) => migration.name));
  const newer = rows.filter(({ name }) => !known.has(name)).map(({ name }) => name);
  if (newer.length === 0) return;
  throw new DatabaseRefusedError(
    `the database was migrated by a newer Weir (${newer.join(', ')} is unknown here); ` +
      `start that newer Weir, or restore a backup made before the upgrade`,
  );
}
