import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { DatabaseRefusedError, migrateDatabase } from '../../src/persistence/index.js';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/persistence/embedded/index.js';

let dir: string;
const started: EmbeddedPostgres[] = [];
beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-embedded-'));
  fs.chmodSync(dir, 0o711);
});
afterEach(async () => {
  for (const postgres of started.splice(0)) await postgres.stop();
  fs.rmSync(dir, { recursive: true, force: true });
});

async function start(base = dir): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres(base, { isForTests: true });
  started.push(postgres);
  return postgres;
}
const stopAll = async (): Promise<void> => {
  for (const postgres of started.splice(0)) await postgres.stop();
};
async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}
async function eventually<Value>(what: () => Value | Promise<Value>): Promise<Value> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    try {
      return await what();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
const isAlive = (pid: number): boolean => {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`).length > 0;
  } catch {
    return false;
  }
};

describe('embedded PostgreSQL', () => {
  it('keeps its data over a stop, and leaves no process behind', async () => {
    const first = await start();
    await query(first.url, 'create table kept as select 1 as x');
    const { pid } = first;
    await stopAll();
    expect(isAlive(pid)).toBe(false);
    const second = await start();
    expect(second.isAdopted).toBe(false);
    expect(await query(second.url, 'select * from kept')).toEqual([{ x: 1 }]);
  });

  it('has no network address and lets nobody in without the password', async () => {
    const { url } = await start();
    expect(await query(url, 'show listen_addresses')).toEqual([{ listen_addresses: '' }]);
    await expect(query(url.replace(/:[^:@]+@/, ':wrong@'), 'select 1')).rejects.toThrow(
      'password authentication failed',
    );
    expect(fs.statSync(path.join(dir, 'password')).mode & 0o777).toBe(0o600);
  });

  it('is started again by itself when it dies, at the same address', async () => {
    const postgres = await start();
    const { pid } = postgres;
    process.kill(pid, 'SIGKILL');
    await eventually(() => query(postgres.url, 'select 1'));
    expect(postgres.pid).not.toBe(pid);
    process.kill(postgres.pid, 'SIGINT'); // an operator's pg_ctl stop
    await eventually(() => query(postgres.url, 'select 1'));
  });

  it('starts in spite of a pid file whose number now belongs to another program', async () => {
    await start();
    await stopAll();
    const other = spawn('sleep', ['60'], { stdio: 'ignore' });
    fs.writeFileSync(
      path.join(dir, 'data', 'postmaster.pid'),
      `${other.pid}\n${dir}/data\n1\n5432\n${dir}/s\n\n1 1\nready\n`,
    );
    await query((await start()).url, 'select 1');
    other.kill('SIGKILL');
  });

  it('is used by one process at a time', async () => {
    const results = await Promise.allSettled([start(), start(), start()]);
    expect(results.filter((r) => r.status === 'fulfilled')).toHaveLength(1);
    expect(results.filter((r) => r.status === 'rejected').map((r) => String(r.reason))).toEqual(
      Array(2).fill(expect.stringContaining(`in use by process ${process.pid}`)),
    );
  });

  it('puts its socket elsewhere when the folder has a long name', async () => {
    const deep = path.join(dir, 'x'.repeat(100));
    const postgres = await start(deep);
    await query(postgres.url, 'select 1');
    const socketDir = decodeURIComponent(/@([^:]+):/.exec(postgres.url)![1]!);
    expect(socketDir).toContain('weir-socket-');
    await stopAll();
    expect(fs.existsSync(socketDir)).toBe(false);
  });

  it('refuses the cluster of another major version and says the ways out', async () => {
    await start();
    await stopAll();
    fs.writeFileSync(path.join(dir, 'data', 'PG_VERSION'), '17\n');
    await expect(start()).rejects.toThrow(/was made by PostgreSQL 17, and this Weir brings PostgreSQL 18; .*pg_dump/);
  });

  it("says in PostgreSQL's own words why it does not start", async () => {
    await start();
    await stopAll();
    fs.appendFileSync(path.join(dir, 'data', 'postgresql.conf'), 'work_mem = banana\n');
    await expect(start()).rejects.toThrow(/PostgreSQL does not start: .*work_mem/);
  });
});

describe('embedded PostgreSQL of a server that was killed', () => {
  let server: ChildProcess;
  afterEach(() => void server.kill('SIGKILL'));

  /** A process of its own that starts PostgreSQL in `dir` and prints its pid. */
  const serverProcess = (): ChildProcess => {
    const support = path.join(process.cwd(), 'test/support');
    const script = `process.env.SWC_NODE_PROJECT = '${process.cwd()}/src/tsconfig.json';
      await import('@swc-node/register/esm-register');
      const { startEmbeddedPostgres } = await import('${support}/../../src/persistence/embedded/index.ts');
      console.log('starting');
      const postgres = await startEmbeddedPostgres('${dir}', { isForTests: true });
      console.log('pid ' + postgres.pid); setInterval(() => {}, 1000);`;
    server = spawn(process.execPath, ['--input-type=module', '-e', script], {
      cwd: process.cwd(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return server;
  };
  const said = (child: ChildProcess, text: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      let all = '';
      child.stdout!.on('data', (data: Buffer) => {
        all += data.toString();
        const found = text.exec(all);
        if (found) resolve(found[1] ?? '');
      });
      child.once('exit', () => reject(new Error(`ended after saying ${JSON.stringify(all)}`)));
    });
  const kill = async (child: ChildProcess): Promise<void> => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null)
      await new Promise((resolve) => child.once('exit', resolve));
  };

  /** A zombie has no command line. */
  const isRunning = (pid: number): boolean => {
    try {
      return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '';
    } catch {
      return false;
    }
  };

  it('is adopted when it still runs', async () => {
    const child = serverProcess();
    const pid = Number(await said(child, /pid (\d+)/));
    await kill(child);
    const postgres = await start();
    expect(postgres).toMatchObject({ isAdopted: true, pid });
    await query(postgres.url, 'select 1');
  });

  it('recovers when it was killed too', async () => {
    const child = serverProcess();
    const pid = Number(await said(child, /pid (\d+)/));
    await kill(child);
    process.kill(pid, 'SIGKILL');
    while (isRunning(pid)) await new Promise((resolve) => setTimeout(resolve, 5)); // death takes a moment
    const postgres = await start();
    expect(postgres.isAdopted).toBe(false);
    await query(postgres.url, 'select 1');
  });

  it.each([0, 60, 150, 300, 450, 600, 750])(
    'comes up when the kill came %i ms into the first start',
    async (delayMs) => {
      const child = serverProcess();
      await said(child, /starting/);
      await new Promise((resolve) => setTimeout(resolve, delayMs)); // the moment of the kill is what varies here
      await kill(child);
      await query((await start()).url, 'select 1');
    },
  );
});

describe('migrating', () => {
  it('does every migration once when several servers start together', async () => {
    const { url } = await start();
    await Promise.all([migrateDatabase(url), migrateDatabase(url), migrateDatabase(url)]);
    expect(await query(url, 'select count(*)::int as teams from teams')).toEqual([{ teams: 1 }]);
  });

  it('refuses a database that a newer Weir migrated', async () => {
    const { url } = await start();
    await migrateDatabase(url);
    await query(url, `insert into schema_migrations (timestamp, name) values (9999999999999, 'Future9999999999999')`);
    await expect(migrateDatabase(url)).rejects.toThrow(
      /was migrated by a newer Weir \(Future9999999999999 is unknown here\)/,
    );
  });

  it('says when there is no database, without the password', async () => {
    const refusal: unknown = await migrateDatabase('postgresql://u:hunter2@127.0.0.1:1/x').catch(
      (error: unknown) => error,
    );
    expect(refusal).toBeInstanceOf(DatabaseRefusedError);
    expect(String(refusal)).toMatch(/cannot connect to PostgreSQL: .*ECONNREFUSED/);
    expect(String(refusal)).not.toContain('hunter2');
  });
});
