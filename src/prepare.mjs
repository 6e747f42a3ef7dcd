#!/usr/bin/env node
// Makes a checkout ready to run: packages as locked, sources compiled. Uses nothing but Node, as it runs
// before anything is installed; when nothing is to do it takes well under 300 ms.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const OLDEST_NODE = [20, 19];

/** @type {import('node:child_process').ChildProcess | undefined} */
let child;

if (process.argv[1] === fileURLToPath(import.meta.url)) await prepare({ forTests: true });

/**
 * Installs and builds what is missing. Ends the process, after one clear line, when that cannot be done.
 * @param {{ forTests: boolean }} options Only tests need the development packages, which are four of five.
 */
export async function prepare({ forTests }) {
  const signals = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);
  signals.forEach((signal) => process.on(signal, leave));
  try {
    checkMachine();
    if (!isInstalled(forTests)) await install(forTests);
    await buildIfChanged();
  } catch (error) {
    console.error(`weir: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  }
  signals.forEach((signal) => process.off(signal, leave));
}

/** The terminal sends Ctrl-C to the child as well: waits for it, then goes as if the signal had hit us. */
function leave(signal) {
  const go = () => {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  };
  if (child === undefined) return go();
  child.removeAllListeners('exit');
  child.once('exit', go);
  child.kill(signal);
}

function checkMachine() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1]))
    throw new Error(
      `Weir needs Node ${OLDEST_NODE.join('.')} or newer; this is ${process.versions.node} (${process.execPath})`,
    );
  if (spawnSync('git', ['--version'], { stdio: 'ignore' }).error)
    throw new Error('Weir needs git, which is not on the PATH; on Debian or Ubuntu: apt-get install git');
}

/**
 * Is everything that package-lock.json asks for in node_modules? npm leaves the list of what it installed there, and writes
 * it last, so an interrupted install does not count.
 */
function isInstalled(forTests) {
  const wanted = packagesOf('package-lock.json');
  const present = packagesOf('node_modules/.package-lock.json');
  if (wanted === undefined) throw new Error('package-lock.json is missing; is this a complete checkout?');
  if (present === undefined) return false;
  return Object.entries(wanted).every(([name, { version, integrity, dev, optional, devOptional }]) => {
    if (name === '' || (dev === true && !forTests)) return true;
    const installed = present[name];
    if (installed === undefined) return optional === true || devOptional === true; // of another kind of machine
    return installed.version === version && installed.integrity === integrity;
  });
}

/** @returns {Record<string, {version: string, integrity: string, dev?: boolean, optional?: boolean, devOptional?: boolean}> | undefined} */
function packagesOf(file) {
  try {
    return JSON.parse(fs.readFileSync(path.join(ROOT, file), 'utf8')).packages;
  } catch {
    return undefined;
  }
}

async function install(forTests) {
  console.log('weir: installing packages (first start, or package-lock.json changed) ...');
  const since = performance.now();
  // The npm that runs us, else the one on the PATH.
  const npm = process.env.npm_execpath?.endsWith('.js') ? [process.execPath, process.env.npm_execpath] : ['npm'];
  await run(
    [
      ...npm,
      'ci',
      '--no-audit',
      '--no-fund',
      '--prefer-offline',
      '--loglevel=error',
      ...(forTests ? [] : ['--omit=dev']),
    ],
    'npm ci',
  );
  console.log(`weir: packages installed in ${seconds(since)}`);
}

async function buildIfChanged() {
  const stamp = path.join(ROOT, 'dist', '.stamp');
  const wanted = sourcesDigest();
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === wanted) return;
  console.log('weir: building ...');
  const since = performance.now();
  // Built beside and renamed when complete, so that an interrupted build is not mistaken for one.
  const fresh = path.join(ROOT, 'dist.new');
  for (const name of ['dist.new', 'dist.old']) fs.rmSync(path.join(ROOT, name), { recursive: true, force: true });
  const tsc = path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  // Types are checked by CI (`npm run typecheck`); here they would only cost time and need the development packages.
  await run(
    [process.execPath, tsc, '-p', 'src/tsconfig.json', '--noCheck', '--types', 'null', '--outDir', fresh],
    'the build',
  );
  fs.writeFileSync(path.join(fresh, '.stamp'), wanted);
  if (fs.existsSync(path.join(ROOT, 'dist'))) fs.renameSync(path.join(ROOT, 'dist'), path.join(ROOT, 'dist.old'));
  fs.renameSync(fresh, path.join(ROOT, 'dist'));
  fs.rmSync(path.join(ROOT, 'dist.old'), { recursive: true, force: true });
  console.log(`weir: built in ${seconds(since)}`);
}

/** By content: a checkout gives files new times, and a copied folder keeps old ones. */
function sourcesDigest() {
  const hash = createHash('sha256');
  const add = (file) =>
    hash
      .update(`${file}\0`)
      .update(fs.readFileSync(path.join(ROOT, file)))
      .update('\0');
  ['package-lock.json', 'src/tsconfig.json', 'ormconfig.ts', 'src/prepare.mjs'].forEach(add);
  for (const folder of ['src', 'resource-types'])
    for (const name of fs.readdirSync(path.join(ROOT, folder), { recursive: true }).map(String).sort())
      if (name.endsWith('.ts') && !name.endsWith('.spec.ts')) add(path.join(folder, name));
  return hash.digest('hex');
}

/** @param {string[]} command @param {string} what */
function run([program = '', ...args], what) {
  return new Promise((resolve, reject) => {
    child = spawn(program, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
    child.once('error', (error) => reject(new Error(`${what} could not be started: ${error.message}`)));
    child.once('exit', (code, signal) => {
      child = undefined;
      if (code === 0) resolve(undefined);
      else reject(new Error(`${what} failed (${signal ?? `exit ${code}`}); the lines above say why`));
    });
  });
}

function seconds(since) {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}
