/**
 * Kills the server with SIGKILL at random moments while five pipelines run, then checks what must hold afterwards.
 * `npm run test:torture -- --kills 50 --seed 7`. The seed fixes the moments; what the server does in between is real.
 * With `--runtime docker` steps run on a daemon of our own, and containers and the daemon are killed as well.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { startEmbeddedPostgres } from '../../src/persistence/embedded/index.js';
import { GitRepository } from '../support/git-repository.js';
import { ServerProcess } from '../support/server-process.js';
import { seededRandom } from '../support/seeded-random.js';
import { DockerVictim } from './docker-victim.js';
import { checkInvariants, installWitnesses, leftOverProcesses, neverWithoutReason } from './invariants.js';
import { LINES_PER_TASK, PIPELINES, withImage } from './pipelines.js';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    runtime: { type: 'string', default: 'host' },
  },
});
const kills = Number(values.kills);
const seed = Number(values.seed);
const random = seededRandom(seed);
const between = (low: number, high: number): number => Math.round(low + random() * (high - low));
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const base = mkdtempSync(path.join(os.tmpdir(), 'weir-torture-'));
chmodSync(base, 0o711); // as root, PostgreSQL runs as another user, and is to be removed with the rest
const ledger = path.join(base, 'ledger');
const postgres = await startEmbeddedPostgres(path.join(base, 'pg'));
const repository = await GitRepository.create(path.join(base, 'app'));
await repository.commit('first');
const docker = values.runtime === 'docker' ? await DockerVictim.start(base, ledger) : undefined;
const server = new ServerProcess({
  dataDir: path.join(base, 'data'),
  // Tasks write what they do into a ledger of the host, which a sandbox would hide from them.
  args: [
    '--runtime',
    values.runtime,
    '--isolation',
    'none',
    '--keep-failed-containers',
    '1s',
    '--git-local-paths',
    'allow',
  ],
  env: { WEIR_DATABASE_URL: postgres.url, WEIR_CHECK_INTERVAL: '1s', ...docker?.env },
});

console.log(
  `torture: ${kills} kills, seed ${seed}, ${PIPELINES.length} pipelines, ${LINES_PER_TASK} lines a task on ${values.runtime}`,
);
let failures = 0;
/** What the server's own watchdog counted, in each of its lives that could still be asked. */
const watchdog = { lives: 0, found: 0 };
async function askWatchdog(): Promise<void> {
  const metrics = await server
    .fetch('GET', '/metrics')
    .then((answer) => (answer.ok ? answer.text() : undefined))
    .catch(() => undefined); // it is starting
  const count = /^weir_pending_builds_without_reason_total (\d+)$/m.exec(metrics ?? '')?.[1];
  if (count === undefined) return;
  watchdog.lives++;
  watchdog.found += Number(count);
}

try {
  await server.start();
  const { db, ...witnesses } = await installWitnesses(postgres.url);
  for (const { name, yaml } of PIPELINES) {
    await server.request(
      'PUT',
      `/api/v1/teams/main/pipelines/${name}/config`,
      docker ? withImage(yaml(repository.path, '/tmp/ledger'), docker.image) : yaml(repository.path, ledger),
      'application/x-yaml',
    );
    await server.request('PUT', `/api/v1/teams/main/pipelines/${name}/unpause`);
  }
  for (let kill = 1; kill <= kills; kill++) {
    if (random() < 0.7) await repository.commit(`commit ${kill}`);
    await sleep(between(20, 2_500));
    await askWatchdog();
    if (docker && random() < 0.4) {
      await (random() < 0.7 ? docker.killContainer(random()) : docker.killDaemon(between(0, 3_000)));
      continue;
    }
    await server.kill();
    if (random() < 0.3) await sleep(between(10, 800));
    // Now and then the next kill hits a server that is still starting.
    await (random() < 0.15 ? server.spawn() : server.start());
    if (kill % 10 === 0) console.log(`  ${kill} kills, ${await witnesses.countBuilds()} builds`);
  }
  await server.start();
  for (const { name } of PIPELINES)
    await server.request('PUT', `/api/v1/teams/main/pipelines/${name}/pause`, { reason: 'end of the torture' });
  await witnesses.untilNothingRuns(120_000);
  await askWatchdog();
  const report = [
    ...(await checkInvariants(db, ledger, docker?.killed)),
    neverWithoutReason(watchdog),
    await leftOverProcesses(path.join(base, 'data')),
    ...(docker ? await docker.leftOvers() : []),
  ];
  if (docker) console.log(`  also killed: ${docker.containersKilled} containers, ${docker.daemonsKilled} daemons`);
  for (const { invariant, violations, seen } of report) {
    if (violations.length > 0) failures++;
    console.log(`${violations.length === 0 ? 'ok  ' : 'FAIL'} ${invariant} (${seen})`);
    for (const violation of violations.slice(0, 5)) console.log(`     ${violation}`);
  }
  await db.close();
} catch (error) {
  failures++;
  console.error(error);
  console.error(server.output.slice(-3_000));
} finally {
  await server.stop();
  await docker?.stop();
  await postgres.stop();
  if (failures === 0) rmSync(base, { recursive: true, force: true });
  else console.error(`kept for a look: ${base}`);
}
console.log(failures === 0 ? 'torture: all invariants hold' : `torture: ${failures} invariants broken`);
process.exit(failures === 0 ? 0 : 1);
