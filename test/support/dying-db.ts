import type { Db } from '../../src/persistence/index.js';

/** A connection that dies for good after so many transactions: what a server sees of its own `kill -9`. */
export function dyingDb(db: Db, transactions: number): { db: Db; isDead: () => boolean } {
  let left = transactions;
  let isDead = false;
  const die = (): Promise<never> => {
    isDead = true;
    return Promise.reject(Object.assign(new Error('killed'), { code: 'ECONNRESET' }));
  };
  const dying = {
    query: (sql: string, parameters?: unknown[]) => (left > 0 ? db.query(sql, parameters) : die()),
    tx: (work: never) => (left-- > 0 ? db.tx(work) : die()),
  };
  return { db: dying as unknown as Db, isDead: () => isDead };
}
