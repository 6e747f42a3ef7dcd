/**
 * From a task's output into the store, through the whole server on the host runtime with its embedded PostgreSQL, then the
 * same with watchers over SSE, who sit in a process of their own:
 * `npm run bench:log [-- --lines 1000000 --rounds 3 --watchers 200 --watched-lines 100000]`
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { AuthService } from '../../src/auth/index.js';
import { EventFeed } from '../../src/events/index.js';
import type { BuildId } from '../../src/model/index.js';
import { compactEvents, Db } from '../../src/persistence/index.js';
import { Settings } from '../../src/platform/index.js';
import { removeTree } from '../../src/runtime/files.js';
import { startServer } from '../../src/server.js';

const { values: flags } = parseArgs({
  options: {
    lines: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '3' },
    watchers: { type: 'string', default: '200' },
    'watched-lines': { type: 'string', default: '100000' },
    watch: { type: 'string' }, // the watchers' own process: the address to watch
    token: { type: 'string', default: '' },
  },
});

/** What the watchers get to come before the output begins. */
const DELAY_SECONDS = 5;

if (flags.watch === undefined) await measure();
else await watch(flags.watch, flags.token, Number(flags.watchers));

async function measure(): Promise<void> {
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'weir-bench-'));
  const settings = new Settings({ dataDir, hasExample: false, port: 0, logLevel: 'warn' });
  const server = await startServer(settings, () => undefined);
  try {
    const user = server.firstLogin ?? { name: '', password: '' };
    const { token } = await server.app.get(AuthService).login(user.name, user.password);
    const ask = (method: string, route: string, body?: string): Promise<Answer> =>
      send(server.url + route, method, token, body);
    const db = server.app.get(Db);
    for (let round = 1; round <= Number(flags.rounds); round++) {
      const build = await startBuild(ask, `alone${round}`, Number(flags.lines), 0);
      console.log(`nobody watches: ${await speedOf(db, build, Number(flags.lines))}`);
      if (round === 1) console.log(`its log: ${await compact(db, build as BuildId)}`);
    }
    const watchers = Number(flags.watchers);
    const build = await startBuild(ask, 'watched', Number(flags['watched-lines']), DELAY_SECONDS);
    const clients = watchInOtherProcess(`${server.url}/api/v1/builds/${build}/events`, token, watchers);
    const feed = server.app.get(EventFeed);
    let readers = 0;
    const looking = setInterval(() => (readers = Math.max(readers, feed.readerCount)), 50);
    const speed = await speedOf(db, build, Number(flags['watched-lines']), DELAY_SECONDS);
    console.log(`${watchers} watchers: ${speed}; ${await clients}; most readers at once: ${readers}`);
    clearInterval(looking);
  } finally {
    await server.stop();
    await removeTree(dataDir);
  }
}

/** @returns the build's id. The output begins after `delaySeconds`. */
async function startBuild(
  ask: (method: string, route: string, body?: string) => Promise<Answer>,
  name: string,
  lines: number,
  delaySeconds: number,
): Promise<number> {
  const script = `sleep ${delaySeconds}; seq -f 'line %.0f of a program that has a good deal to say' 1 ${lines}`;
  const config = { platform: 'linux', run: { path: 'sh', args: ['-c', script] } };
  const route = `/api/v1/teams/main/pipelines/${name}`;
  await ask('PUT', `${route}/config`, JSON.stringify({ jobs: [{ name: 'talk', plan: [{ task: 'talk', config }] }] }));
  await ask('PUT', `${route}/unpause`);
  return (await ask('POST', `${route}/jobs/talk/builds`)).id as number;
}

/** Waits for the end. The time is the database's own, from the begin of the step to its recorded end. */
async function speedOf(db: Db, build: number, lines: number, delaySeconds = 0): Promise<string> {
  for (;;) {
    const [row] = await db.query<{ seconds: number; status: string; stored: number; events: number; bytes: number }>(
      `select b.status, extract(epoch from s.ended_at - s.started_at)::float8 as seconds,
         (select count(*) from build_events e where e.build_id = b.id) as events,
         (select coalesce(sum(length(e.data->>'payload') - length(replace(e.data->>'payload', E'\\n', ''))), 0)
          from build_events e where e.build_id = b.id and e.event = 'log' and b.status <> 'started') as stored,
         (select coalesce(sum(octet_length(e.data->>'payload')), 0)::bigint
          from build_events e where e.build_id = b.id and e.event = 'log' and b.status <> 'started') as bytes
       from builds b join build_steps s on s.build_id = b.id where b.id = $1 and s.ended_at is not null and b.ended_at is not null`,
      [build],
    );
    if (row === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      continue;
    }
    if (row.stored !== lines || row.status !== 'succeeded')
      throw new Error(`${row.stored} of ${lines} lines stored, ${row.status}`);
    const seconds = row.seconds - delaySeconds;
    const perSecond = Math.round(lines / seconds).toLocaleString('en');
    return `${lines} lines (${(row.bytes / 1e6).toFixed(1)} MB, ${row.events} events) in ${seconds.toFixed(2)} s: ${perSecond} lines/s (load ${os.loadavg()[0]?.toFixed(1)})`;
  }
}

/** Sizes are of rows with what they hold outside of the table, without indexes. */
async function compact(db: Db, build: BuildId): Promise<string> {
  const sizeOf = async (table: string): Promise<string> => {
    const sql = `select sum(pg_column_size(t.*))::float8 as bytes from ${table} t where build_id = $1`;
    const [row] = await db.query<{ bytes: number }>(sql, [build]);
    return `${((row?.bytes ?? 0) / 1e6).toFixed(1)} MB`;
  };
  const before = await sizeOf('build_events');
  const begin = performance.now();
  await db.tx((tx) => compactEvents(tx, build));
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  return `${before} as rows, ${await sizeOf('build_event_chunks')} compacted in ${seconds} s`;
}

async function watchInOtherProcess(url: string, token: string, watchers: number): Promise<string> {
  const args = ['--watch', url, '--token', token, '--watchers', String(watchers)];
  const child = fork(fileURLToPath(import.meta.url), args);
  const [message] = (await once(child, 'message')) as [string];
  return message;
}

/** Watches the build that many times and tells the parent what came. */
async function watch(url: string, token: string, watchers: number): Promise<void> {
  let begin: number | undefined;
  const one = (): Promise<{ events: number; bytes: number }> =>
    new Promise((resolve, reject) => {
      const agent = new http.Agent();
      const request = http.get(url, { agent, headers: { authorization: `Bearer ${token}` } }, (answer) => {
        let [events, bytes, tail] = [0, 0, ''];
        answer.setEncoding('latin1').on('data', (text: string) => {
          bytes += text.length;
          if (bytes > 100_000) begin ??= performance.now(); // more than the first events: output
          const all = tail + text;
          events += all.split('\nevent: event\n').length - 1;
          if (all.includes('\nevent: end\n')) resolve({ events, bytes });
          tail = all.slice(-13); // shorter than what is looked for: nothing is counted twice
        });
      });
      request.on('error', reject);
    });
  const seen = await Promise.all(Array.from({ length: watchers }, one));
  const events = new Set(seen.map((each) => each.events));
  const bytes = seen.reduce((sum, each) => sum + each.bytes, 0);
  const seconds = (performance.now() - (begin ?? NaN)) / 1000;
  process.send?.(
    `each saw ${[...events].join(' or ')} events, ${(bytes / 1e6).toFixed(0)} MB in all, the last of it ${seconds.toFixed(2)} s after the first`,
  );
  process.exit(0);
}

interface Answer {
  readonly id?: unknown;
  readonly [key: string]: unknown;
}

async function send(url: string, method: string, token: string, body?: string): Promise<Answer> {
  const headers = { authorization: `Bearer ${token}`, ...(body ? { 'content-type': 'application/json' } : {}) };
  const answer = await fetch(url, { method, headers, ...(body ? { body } : {}) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${text}`);
  return (text === '' ? {} : JSON.parse(text)) as Answer;
}
