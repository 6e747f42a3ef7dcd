import { mkdtempSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { Db } from '../../src/persistence/index.js';
import { startEmbeddedPostgres } from '../../src/persistence/embedded-postgres.js';

/** One PostgreSQL for the whole run; every test file clones its database from the migrated template. */
export default async function setup(): Promise<void> {
  const base = mkdtempSync(path.join(os.tmpdir(), 'weir-jest-'));
  const e = await startEmbeddedPostgres(base, { testing: true });
  const client = new pg.Client({ connectionString: e.url });
  await client.connect();
  await client.query('create database tmpl');
  const db = await Db.connect(e.url.replace(/\/postgres$/, '/tmpl'));
  await db.migrate();
  await db.close();
  await client.query('alter database tmpl with is_template true allow_connections false');
  await client.end();
  process.env.TEST_PG_URL = e.url;
  (globalThis as Record<string, unknown>).__pg = { e, base };
}
