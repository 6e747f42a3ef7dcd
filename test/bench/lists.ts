/**
 * How long every list takes in a large installation, for an administrator, a member of one team and somebody who is not
 * logged in: `npm run bench:lists [-- --pipelines 1000 --jobs 10000 --builds 1000000 --requests 100 --only jobs]`.
 * With `--folder` the database is kept there and used again. The server is the whole one, in this process; one request at a
 * time over loopback, from the request to the last byte of the answer. Beside the clock, which shares the machine with
 * others, stands the processor time of this process and of PostgreSQL per request.
 */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createHttpAdapter } from '../../src/api/index.js';
import { AppModule } from '../../src/app.module.js';
import { AuthService } from '../../src/auth/index.js';
import { Db, migrateDatabase, NotificationListener } from '../../src/persistence/index.js';
import { startEmbeddedPostgres } from '../../src/persistence/embedded/index.js';
import { createLogger, Settings, systemClock } from '../../src/platform/index.js';
import { insertWorld } from './lists-world.js';

const { values: flags } = parseArgs({
  options: {
    pipelines: { type: 'string', default: '1000' },
    jobs: { type: 'string', default: '10000' },
    builds: { type: 'string', default: '1000000' },
    requests: { type: 'string', default: '100' },
    only: { type: 'string', default: '' },
    as: { type: 'string', default: '' },
    folder: { type: 'string' },
  },
});
const REQUESTS = Number(flags.requests);
const LIMIT_MS = 300;
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

const log = createLogger('warn');
const base = flags.folder ?? (await mkdtemp(path.join(os.tmpdir(), 'weir-bench-')));
const postgres = await startEmbeddedPostgres(path.join(base, 'pg'));
await migrateDatabase(postgres.url);
const db = await Db.connect(postgres.url);
const listener = new NotificationListener(postgres.url, log);
let app: NestFastifyApplication | undefined;
try {
  await prepareWorld();
  await listener.start();
  app = await serve();
  await measureAll(app);
} finally {
  await app?.close();
  await listener.stop();
  await db.close();
  await postgres.stop();
  if (flags.folder === undefined) await rm(base, { recursive: true, force: true });
}

async function prepareWorld(): Promise<void> {
  const [known] = await db.query<{ builds: number }>(`select count(*)::int as builds from builds`);
  if (known!.builds === 0) {
    const begin = performance.now();
    const [pipelines, jobs, builds] = [Number(flags.pipelines), Number(flags.jobs), Number(flags.builds)];
    await insertWorld(db, { pipelines, jobs, builds });
    console.log(`the world was made in ${((performance.now() - begin) / 1000).toFixed(0)} s`);
  }
  const [size] = await db.query<Record<string, number>>(
    `select (select count(*)::int from pipelines) as pipelines, (select count(*)::int from jobs) as jobs,
       (select count(*)::int from builds) as builds, (select count(*)::int from resources) as resources,
       (select count(*)::int from versions) as versions, (select count(*)::int from teams) as teams`,
  );
  console.log(
    Object.entries(size!)
      .map(([name, count]) => `${count} ${name}`)
      .join(', '),
  );
  console.log(
    `${os.cpus().length} cores, Node ${process.version}, load ${os.loadavg()[0]!.toFixed(1)}, ${REQUESTS} requests each`,
  );
}

async function serve(): Promise<NestFastifyApplication> {
  const settings = new Settings({ dataDir: path.join(base, 'data'), instanceId: 'bench', epoch: 1 });
  const root = AppModule.on({ settings, log, clock: systemClock, db, listener });
  const served = await NestFactory.create<NestFastifyApplication>(root, createHttpAdapter(settings), {
    logger: ['error'],
    abortOnError: false,
    bodyParser: false,
  });
  await served.listen(0, '127.0.0.1');
  return served;
}

/** Routes that list commands of `fly` and `weir`, dashboards and menu bars ask. */
async function routes(): Promise<string[]> {
  const [sample] = await db.query<{
    pipeline: string;
    job: string;
    since: number;
    until: number;
    middle: number;
    version: number;
  }>(
    `select p.name as pipeline, j.name as job, v.id as version, (select max(id) / 2 from builds) as middle,
       floor(extract(epoch from (select max(created_at) from builds where id < (select max(id) / 2 from builds))))::bigint as until,
       floor(extract(epoch from (select max(created_at) from builds where id < (select max(id) / 2 from builds))))::bigint - 3600 as since
     from pipelines p join teams t on t.id = p.team_id join jobs j on j.pipeline_id = p.id
     join resources r on r.pipeline_id = p.id and r.name = 'repository-1' join versions v on v.history_id = r.history_id
     where t.name = 'team-1' and p.public and p.instance_vars is null and not p.archived order by p.id, j.id, v.id limit 1`,
  );
  const { since, until, middle } = sample!;
  const team = '/api/v1/teams/team-1';
  const pipeline = `${team}/pipelines/${sample!.pipeline}`;
  const job = `${pipeline}/jobs/${sample!.job}`;
  const versions = `${pipeline}/resources/repository-1/versions`;
  const byTime = `timestamps=true&from=${since}&to=${until}`;
  return [
    '/api/v1/pipelines',
    `${team}/pipelines`,
    `${pipeline}/revisions`,
    `${pipeline}/config`,
    '/api/v1/jobs',
    `${pipeline}/jobs`,
    `${job}`,
    `${job}/explain`,
    ...['/api/v1/builds', `${team}/builds`, `${pipeline}/builds`, `${job}/builds`].flatMap((builds) => [
      `${builds}?limit=100`,
      `${builds}?limit=1000`,
      `${builds}?limit=100&to=${middle}`,
      `${builds}?limit=100&from=${middle}`,
      `${builds}?limit=100&timestamps=true&from=${since}`,
      `${builds}?limit=100&timestamps=true&to=${until}`,
      `${builds}?limit=100&${byTime}`,
    ]),
    '/api/v1/resources',
    `${pipeline}/resources`,
    `${pipeline}/resource-types`,
    `${versions}?limit=100`,
    `${versions}?limit=1&filter=ref:1`,
    `${versions}/${sample!.version}/input_to`,
    `${versions}/${sample!.version}/downstream`,
    `${team}/containers`,
    `${team}/volumes`,
    `${team}/sources`,
    '/api/v1/workers',
    '/api/v1/runtimes',
    '/api/v1/teams',
    '/api/v1/user',
    '/api/v1/users',
    '/api/v1/tokens',
    '/api/v1/audit?limit=100',
    '/api/v1/audit?limit=100&user=user-7',
    `${team}/audit?limit=100`,
    '/api/v1/info',
    '/api/v1/wall',
    '/api/v1/components',
    `${team}/cc.xml`,
    `${pipeline}/badge`,
  ].filter((route) => route.includes(flags.only));
}

async function measureAll(served: NestFastifyApplication): Promise<void> {
  const { port } = served.getHttpServer().address() as { port: number };
  const auth = served.get(AuthService);
  const tokenOf = async (name: string): Promise<string> =>
    (await auth.issue({ connector: 'local', subject: name, name, email: '', groups: [] })).token;
  const callers = { admin: await tokenOf('admin'), member: await tokenOf('user-51'), nobody: undefined };
  const slow: string[] = [];
  const all = await routes();
  for (const [caller, token] of Object.entries(callers)) {
    if (!caller.includes(flags.as)) continue;
    for (const route of all)
      if ((await measure(port, route, caller, token)) > LIMIT_MS) slow.push(`${caller} ${route}`);
  }
  console.log(
    slow.length === 0 ? `every p99 is below ${LIMIT_MS} ms` : `p99 above ${LIMIT_MS} ms:\n${slow.join('\n')}`,
  );
}

/** @returns p99 in milliseconds; 0 where the caller is refused. */
async function measure(port: number, route: string, caller: string, token: string | undefined): Promise<number> {
  const ask = (): Promise<Answer> => get(port, route, token);
  for (let n = 0; n < 3; n++) await ask(); // connections, plans of statements, compiled code
  const first = await ask();
  if (first.status !== 200) {
    console.log(`${caller.padEnd(7)} ${String(first.status).padStart(7)} ${route}`);
    return 0;
  }
  const times: number[] = [];
  const pids = await backends();
  const [own, database] = [process.cpuUsage(), cpuMs(pids)];
  for (let n = 0; n < REQUESTS; n++) {
    const begin = performance.now();
    await ask();
    times.push(performance.now() - begin);
  }
  const { user, system } = process.cpuUsage(own);
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))]!;
  const figures = [at(0.5), at(0.99), (user + system) / 1000 / REQUESTS, (cpuMs(pids) - database) / REQUESTS];
  console.log(
    `${caller.padEnd(7)} p50 ${ms(figures[0]!)} p99 ${ms(figures[1]!)} | cpu ${ms(figures[2]!)} + pg ${ms(figures[3]!)} | ${(first.bytes / 1000).toFixed(1).padStart(8)} kB ${route}`,
  );
  return at(0.99);
}

function ms(value: number): string {
  return `${value.toFixed(1).padStart(7)} ms`;
}

interface Answer {
  readonly status: number;
  readonly bytes: number;
}

function get(port: number, route: string, token: string | undefined): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    http
      .get({ host: '127.0.0.1', port, path: route, agent, headers }, (response) => {
        let bytes = 0;
        response.on('data', (part: Buffer) => (bytes += part.length));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, bytes }));
        response.on('error', reject);
      })
      .on('error', reject);
  });
}

/** Processes of PostgreSQL that serve us. */
async function backends(): Promise<number[]> {
  const rows = await db.query<{ pid: number }>(
    `select pid from pg_stat_activity where backend_type = 'client backend'`,
  );
  return [...rows.map(({ pid }) => pid), postgres.pid];
}

/** Processor time of these processes and of their children that ended; 0 where there is no /proc. */
function cpuMs(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    const file = `/proc/${pid}/stat`;
    if (!existsSync(file)) return 0;
    const fields = readFileSync(file, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  });
  return ticks.reduce((sum, n) => sum + n, 0) * 10; // 100 ticks a second
}
