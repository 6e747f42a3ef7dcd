import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { migrateDatabase } from '../../src/persistence/index.js';
import { startEmbeddedPostgres } from '../../src/persistence/embedded/index.js';

/** One PostgreSQL for the whole run; every test file clones its database from the migrated template. */
export default async function setup(): Promise<void> {
  const base = mkdtempSync(path.join(os.tmpdir(), 'weir-jest-'));
  chmodSync(base, 0o711); // as root, PostgreSQL runs as another user
  const postgres = await startEmbeddedPostgres(base, { isForTests: true });
  watch(postgres.pid, base);
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  await client.query('create database tmpl');
  await migrateDatabase(postgres.url.replace(/\/postgres$/, '/tmpl'));
  await client.query('alter database tmpl with is_template true allow_connections false');
  await client.end();
  process.env.TEST_PG_URL = postgres.url;
  (globalThis as Record<string, unknown>).__stopPostgres = async () => {
    await postgres.stop();
    rmSync(base, { recursive: true, force: true });
  };
}

/** A `process.exit` in a test, or a kill, skips the teardown: whoever outlives us then stops PostgreSQL and cleans up. */
function watch(postgresPid: number, base: string): void {
  const script =
    'while kill -0 $1; do sleep 1; done; kill -INT $2 && while kill -0 $2; do sleep 0.1; done; rm -rf "$3"';
  spawn('sh', ['-c', script, 'weir-jest-watchdog', String(process.pid), String(postgresPid), base], {
    detached: true,
    stdio: 'ignore',
  }).unref();
}
