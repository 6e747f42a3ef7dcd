import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readScenarios } from '../../src/planner/index.js';
import { planOnPostgres } from '../../src/scheduling/plan-on-postgres.js';
import { storeScenario } from '../support/scenario-db.js';
import { createTestDb, type TestDb } from '../support/test-db.js';

let t: TestDb;
beforeAll(async () => {
  t = await createTestDb();
});
afterAll(() => t.drop());

describe('planning on PostgreSQL', () => {
  const file = path.join(import.meta.dirname, '../scenarios/planner/samples.json');
  for (const scenario of readScenarios(JSON.parse(readFileSync(file, 'utf8')))) {
    it(scenario.name, async () => {
      const stored = await storeScenario(t.db, scenario);
      expect(stored.describe(await planOnPostgres(t.db, stored.request))).toMatchObject(scenario.expect as object);
    });
  }
});
