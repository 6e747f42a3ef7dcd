import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createTestDb, type TestDb } from '../support/test-db.js';

let t: TestDb;
beforeAll(async () => {
  t = await createTestDb();
});
afterAll(() => t.drop());

// TypeORM keeps the expressions of generated columns in a table of its own (typeorm_metadata), which the migrations do not
// make; so it believes that these columns changed.
const GENERATED =
  /previous_seq|have_no_gap|by_the_one_before|typeorm_metadata|"pipeline_revisions" .*"(groups|display|user_data|resource_types|var_sources)"|"jobs" .*"disable_/;

it('has entities that agree with the migrated schema', async () => {
  const { upQueries } = await t.db.dataSource.driver.createSchemaBuilder().log();
  expect(upQueries.map(({ query }) => query).filter((query) => !GENERATED.test(query))).toEqual([]);
});

it('has an entity for every table', async () => {
  const rows = await t.db.query<{ name: string }>(
    `select tablename as name from pg_tables where schemaname = 'public'`,
  );
  const tables = rows
    .map((row) => row.name)
    .filter((name) => !['schema_migrations', 'typeorm_metadata'].includes(name));
  expect(tables.sort()).toEqual(t.db.dataSource.entityMetadatas.map((entity) => entity.tableName).sort());
});
