// What a newcomer does and sees, on the real command line: npm start, a green example, a commit that flows through, Ctrl-C,
// and a next start that has everything. As root it is done once more as an ordinary user, in a copy of the checkout.
// Prints one line per rule and, last, `N passed, N failed`.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NOBODY = 65_534;
const count = { passed: 0, failed: 0 };

/** @param {string} title @param {string} checkout @param {number | undefined} uid */
async function story(title, checkout, uid) {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-newcomer-'));
  fs.chmodSync(home, 0o711);
  if (uid !== undefined) fs.chownSync(home, uid, uid);
  const dataDir = path.join(home, 'data');
  const port = await freePort();
  const start = () => new Start(checkout, dataDir, port, home, uid);
  const production = (...args) => git(uid, path.join(dataDir, 'example', 'production'), ...args);
  let running;
  try {
    const first = (running = start());
    await rule(`${title}: npm start has the example green within 60 s`, () =>
      first.says('the example is green', 60_000),
    );
    const password = /password\s+(\S+)/.exec(first.output)?.[1] ?? '';
    await rule(`${title}: the printed login works`, async () => equal(await login(port, password), 200));
    await rule(`${title}: nothing is open without a login`, async () => {
      // The list is for everybody and holds what is public: nothing.
      equal(await (await fetch(`http://127.0.0.1:${port}/api/v1/pipelines`)).text(), '[]');
      equal((await fetch(`http://127.0.0.1:${port}/api/v1/teams/main/pipelines/example/config`)).status, 401);
    });
    await rule(`${title}: a further commit is deployed without any command`, async () => {
      commit(uid, dataDir, 'second');
      await eventually(() => equal(production('show', 'HEAD:message.txt'), 'second'), 30_000);
    });
    await rule(`${title}: Ctrl-C stops everything and complains about nothing`, () => stopped(first, dataDir));
    const deploys = Number(production('rev-list', '--count', 'HEAD'));

    const second = (running = start());
    await rule(`${title}: the next start has all data and needs no new password`, async () => {
      await second.says('ready on', 30_000);
      equal(/password/.test(second.output), false);
      equal(await login(port, password), 200);
    });
    await rule(`${title}: and goes on where it stopped`, async () => {
      commit(uid, dataDir, 'third');
      await eventually(() => equal(production('show', 'HEAD:message.txt'), 'third'), 30_000);
      equal(Number(production('rev-list', '--count', 'HEAD')), deploys + 1);
    });
    await rule(`${title}: a second server on the same data is told who has it`, async () => {
      const other = start();
      await other.ended(30_000);
      equal(/weir: cannot start: .* in use by process \d+/.test(other.output), true);
    });
    await rule(`${title}: Ctrl-C stops everything again`, () => stopped(second, dataDir));
  } finally {
    running?.kill();
    for (const pid of processesOf(dataDir)) process.kill(pid, 'SIGKILL');
    fs.rmSync(home, { recursive: true, force: true });
  }
}

/** One `npm start`, in a process group of its own as a terminal would make it. */
class Start {
  output = '';

  constructor(checkout, dataDir, port, home, uid) {
    const env = { PATH: process.env.PATH, HOME: home, npm_config_update_notifier: 'false' };
    this.child = spawn('npm', ['start', '--', '--port', String(port), '--data-dir', dataDir], {
      cwd: checkout,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(uid === undefined ? {} : { uid, gid: uid }),
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (this.output += text));
  }

  get hasEnded() {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  get isGroupAlive() {
    try {
      return process.kill(-this.child.pid, 0);
    } catch {
      return false;
    }
  }

  says(text, withinMs) {
    return eventually(() => {
      if (this.output.includes(text)) return;
      if (this.hasEnded) throw Object.assign(new Error(`npm start ended:\n${this.output}`), { isFinal: true });
      throw new Error(`it never said "${text}":\n${this.output}`);
    }, withinMs);
  }

  ended(withinMs) {
    return eventually(() => equal(this.hasEnded, true), withinMs);
  }

  interrupt() {
    process.kill(-this.child.pid, 'SIGINT');
  }

  kill() {
    if (!this.hasEnded) process.kill(-this.child.pid, 'SIGKILL');
  }
}

async function stopped(started, dataDir) {
  started.interrupt();
  await started.ended(30_000);
  equal(/weir: stopped/.test(started.output), true);
  equal(/npm err|error/i.test(started.output), false);
  equal(processesOf(dataDir).length, 0);
  equal(started.isGroupAlive, false);
}

/** Does what the rule says; a failure is told and counted, and the story goes on. */
async function rule(title, check) {
  const since = performance.now();
  try {
    await check();
    count.passed++;
    console.log(`ok   ${title} (${((performance.now() - since) / 1000).toFixed(1)} s)`);
  } catch (error) {
    count.failed++;
    console.log(`FAIL ${title}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function equal(actual, wanted) {
  if (actual !== wanted) throw new Error(`${JSON.stringify(actual)} instead of ${JSON.stringify(wanted)}`);
}

async function eventually(check, withinMs) {
  const end = performance.now() + withinMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (error.isFinal || performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

function git(uid, repository, ...args) {
  const as = uid === undefined ? {} : { uid, gid: uid };
  const env = { PATH: process.env.PATH, HOME: path.dirname(repository) };
  return execFileSync('git', ['-C', repository, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
    ...as,
  }).trim();
}

function commit(uid, dataDir, message) {
  const app = path.join(dataDir, 'example', 'app');
  fs.writeFileSync(path.join(app, 'message.txt'), `${message}\n`);
  git(uid, app, 'commit', '-qam', message);
}

async function login(port, password) {
  const answer = await fetch(`http://127.0.0.1:${port}/sky/issuer/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from('fly:Zmx5').toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'password', username: 'admin', password, scope: 'openid' }),
  });
  return answer.status;
}

/** Everything that still runs in or for the folder. */
function processesOf(dataDir) {
  return fs
    .readdirSync('/proc')
    .filter((name) => {
      if (!/^\d+$/.test(name) || Number(name) === process.pid) return false;
      try {
        return (
          fs.readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(dataDir) ||
          fs.readlinkSync(`/proc/${name}/cwd`).startsWith(dataDir)
        );
      } catch {
        return false;
      }
    })
    .map(Number);
}

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** The checkout as an ordinary user's own; without what is not in git, except the installed packages and the build. */
async function ordinaryCheckout() {
  const copy = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-checkout-'));
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  for (const file of files.split('\0').filter((name) => name !== '' && fs.existsSync(path.join(ROOT, name)))) {
    fs.mkdirSync(path.dirname(path.join(copy, file)), { recursive: true });
    fs.copyFileSync(path.join(ROOT, file), path.join(copy, file));
  }
  for (const name of ['node_modules', 'dist']) execFileSync('cp', ['-a', path.join(ROOT, name), copy]);
  execFileSync('chown', ['-R', `${NOBODY}:${NOBODY}`, copy]);
  return copy;
}

await story('as the user who runs this', ROOT, undefined);
if (process.getuid?.() === 0) {
  const copy = await ordinaryCheckout();
  try {
    await story('as an ordinary user', copy, NOBODY);
  } finally {
    fs.rmSync(copy, { recursive: true, force: true });
  }
}
console.log(`${count.passed} passed, ${count.failed} failed`);
process.exitCode = count.failed === 0 ? 0 : 1;
