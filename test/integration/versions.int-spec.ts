import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { HistoryId } from '../../src/model/index.js';
import { saveCheckedVersions } from '../../src/persistence/index.js';
import { createTestDb, type TestDb } from '../support/test-db.js';

let t: TestDb;
let history: HistoryId;
beforeAll(async () => {
  t = await createTestDb();
});
afterAll(() => t.drop());
beforeEach(async () => {
  const [row] = await t.db.query<{ id: HistoryId }>(`insert into histories (config_digest) values ('x') returning id`);
  history = row!.id;
});

const save = (...refs: string[]): Promise<number> =>
  t.db.tx((tx) =>
    saveCheckedVersions(
      tx,
      history,
      refs.map((ref) => ({ ref })),
    ),
  );
const orders = async (): Promise<string> => {
  const rows = await t.db.query<{ ref: string }>(
    `select version->>'ref' as ref from versions where history_id = $1 order by check_order`,
    [history],
  );
  return rows.map((row) => row.ref).join(' ');
};

describe('saving what a check returned', () => {
  it('moves nothing when no version is new', async () => {
    await save('v1', 'v2');
    expect(await save('v2', 'v1')).toBe(0);
    expect(await orders()).toBe('v1 v2');
  });

  it('moves the whole list to the top when one version is new', async () => {
    await save('v1', 'v3');
    expect(await save('v2', 'v3')).toBe(1);
    expect(await orders()).toBe('v1 v2 v3');
  });

  it('gives a version that stands twice its later place', async () => {
    await save('v1', 'v2', 'v1');
    expect(await orders()).toBe('v2 v1');
  });

  it('gives every version an order of its own when two checks save at once', async () => {
    await Promise.all([save('a', 'b', 'c'), save('c', 'd'), save('e')]);
    const rows = await t.db.query(
      `select check_order, count(*) from versions where history_id = $1 group by 1 having count(*) > 1`,
      [history],
    );
    expect(rows).toEqual([]);
  });
});
