import pg from 'pg';
import { DataSource, type DataSourceOptions, type QueryRunner } from 'typeorm';
import { entities } from './entities/index.js';
import { migrations } from './migrations/index.js';

// Ids and counters are bigint in SQL and stay below 2^53; as text they would compare wrongly.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

export function dataSourceOptions(url: string | undefined): DataSourceOptions {
  return {
    type: 'postgres',
    ...(url === undefined ? {} : { url }),
    entities,
    migrations,
    migrationsTableName: 'schema_migrations',
    migrationsTransactionMode: 'each',
    synchronize: false,
    logging: false,
    applicationName: 'weir',
    // Up to 8 scheduling rounds hold one each; engine, checks and API must still find some.
    poolSize: 20,
    extra: { idleTimeoutMillis: 30_000, connectionTimeoutMillis: 5_000, statement_timeout: 30_000 },
  };
}

/** One open transaction. Every writing repository method takes it first, so that none can write outside one by mistake. */
export interface Tx extends Queryable {
  readonly __tx: true;
}

/** Anything that answers SQL: a transaction, or the pool for reads that need no snapshot. */
export interface Queryable {
  query<Row>(sql: string, parameters?: readonly unknown[], name?: StatementName): Promise<Row[]>;
}

/**
 * Names a statement whose text never changes, so that a connection parses and plans it once. Worth it where planning takes
 * as long as running.
 */
export type StatementName = `weir_${string}`;

/** A statement that failed. Carries PostgreSQL's code and constraint, never the parameters, which may be secret. */
export class DatabaseError extends Error {
  constructor(
    message: string,
    readonly code: string | undefined,
    readonly constraint: string | undefined,
    cause: unknown,
  ) {
    super(message, { cause });
    this.name = 'DatabaseError';
  }
}

const SERIALIZATION_FAILURE = '40001';
const DEADLOCK_DETECTED = '40P01';
const MAX_TRIES = 5;

/** The one door to the database. */
export class Db implements Queryable {
  constructor(readonly dataSource: DataSource) {}

  static async connect(url: string, overrides: Partial<DataSourceOptions> = {}): Promise<Db> {
    const dataSource = new DataSource({ ...dataSourceOptions(url), ...overrides } as DataSourceOptions);
    return new Db(await dataSource.initialize());
  }

  async close(): Promise<void> {
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
  }

  async query<Row>(sql: string, parameters: readonly unknown[] = [], name?: StatementName): Promise<Row[]> {
    const runner = this.dataSource.createQueryRunner();
    try {
      return await run<Row>(runner, sql, parameters, name);
    } finally {
      await runner.release();
    }
  }

  /**
   * Runs `work` in one transaction: committed when it returns, rolled back when it throws. Deadlocks and serialization
   * failures run `work` again (at most 5 times), so it must have no effect outside the transaction.
   */
  async tx<Result>(
    work: (tx: Tx) => Promise<Result>,
    isolation: 'READ COMMITTED' | 'REPEATABLE READ' = 'READ COMMITTED',
  ): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.txOnce(work, isolation);
      } catch (error) {
        const again =
          error instanceof DatabaseError && [SERIALIZATION_FAILURE, DEADLOCK_DETECTED].includes(error.code ?? '');
        if (!again || attempt === MAX_TRIES) throw error;
      }
    }
  }

  private async txOnce<Result>(
    work: (tx: Tx) => Promise<Result>,
    isolation: 'READ COMMITTED' | 'REPEATABLE READ',
  ): Promise<Result> {
    const runner = this.dataSource.createQueryRunner();
    try {
      await runner.startTransaction(isolation);
      const result = await work({
        __tx: true,
        query: (sql, parameters = [], name) => run(runner, sql, parameters, name),
      });
      await runner.commitTransaction();
      return result;
    } catch (error) {
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined); // the connection is gone: so is its transaction
      throw error;
    } finally {
      await runner.release();
    }
  }
}

async function run<Row>(
  runner: QueryRunner,
  sql: string,
  parameters: readonly unknown[],
  name?: StatementName,
): Promise<Row[]> {
  try {
    if (name !== undefined) {
      // TypeORM has no words for a named statement; the connection it lends does.
      const client = (await runner.connect()) as pg.PoolClient;
      return (await client.query({ name, text: sql, values: [...parameters] })).rows as Row[];
    }
    const result = await runner.query(sql, parameters as unknown[], true);
    return (result.records ?? []) as Row[];
  } catch (error) {
    const { code, constraint, message } = error as { code?: string; constraint?: string; message: string };
    // Only the driver's own error may travel on as the cause: TypeORM's wrapper holds every parameter.
    const driverError = name === undefined ? (error as { driverError?: unknown }).driverError : error;
    throw new DatabaseError(message, code, constraint, driverError);
  }
}
