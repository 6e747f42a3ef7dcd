import { cp, mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { systemClock } from '../platform/clock.js';
import { ResourceFailure, type ResourceType, type StepContext, type Version } from './contract.js';
import { readInput } from './read-input.js';

/*
 * The program of an image of one of the server's types: `<type> check`, `<type> in DIR`, `<type> out DIR`, each speaking the
 * container protocol. It loads only the type and what that needs. `/opt/resource/{check,in,out}` start it.
 */

interface Request {
  readonly source?: unknown;
  readonly params?: unknown;
  readonly version?: Version | null;
}

const [, program = '', typeName = '', script = '', dir = ''] = process.argv;
async function answer(): Promise<unknown> {
  const type = await loadType();
  const request = JSON.parse(await text(process.stdin)) as Request;
  const source = read(type.schema.source, request.source, 'source');
  const context = await makeContext();
  switch (script) {
    case 'check':
      return type.check(context, { source, ...(request.version ? { version: request.version } : {}) });
    case 'in': {
      if (!request.version) throw new ResourceFailure('the request has no version');
      const params = read(type.schema.getParams, request.params, 'params');
      return type.get(context, { source, params, version: request.version, dir });
    }
    case 'out':
      return type.put(context, { source, params: read(type.schema.putParams, request.params, 'params'), dir });
    default:
      throw new Error(`there is no script "${script}": use check, in or out`);
  }
}

async function loadType(): Promise<ResourceType> {
  const file = path.resolve(path.dirname(program), '../../resource-types', typeName, 'index.js');
  const found = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  const type = Object.values(found).find((each) => (each as { name?: unknown } | null)?.name === typeName);
  if (!type) throw new Error(`this image holds no type "${typeName}"`);
  return type as ResourceType;
}

function read<T>(schema: Parameters<typeof readInput<T>>[0], value: unknown, what: string): T {
  const { data, problems } = readInput(schema, value);
  if (problems.length > 0) throw new ResourceFailure(`${what}: ${problems.join('; ')}`);
  return data as T;
}

/** Its signal aborts when the container is told to stop. */
async function makeContext(): Promise<StepContext> {
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => stopping.abort(new Error('interrupted')));
  const env = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return {
    signal: stopping.signal,
    cacheDir: await mkdtemp(path.join(os.tmpdir(), 'resource-')),
    log: (words) => void process.stderr.write(words),
    now: () => systemClock.now(),
    env: Object.fromEntries(env),
    isPrivileged: await mayAdminister(),
    writeOwnImage,
  };
}

const CAP_SYS_ADMIN = 1n << 21n;

/** Does the container let its processes administer the system? */
async function mayAdminister(): Promise<boolean> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  const [, effective = '0'] = /^CapEff:\s*([0-9a-f]+)/m.exec(status) ?? [];
  return (BigInt(`0x${effective}`) & CAP_SYS_ADMIN) !== 0n;
}

/** What belongs to the running container and not to its image. */
const OF_THE_CONTAINER = ['dev', 'proc', 'run', 'sys', 'tmp', '.dockerenv'];

/** The image that runs is one in which the type speaks the protocol: it copies itself. */
async function writeOwnImage(to: string, _type: string, added: Readonly<Record<string, string>>): Promise<void> {
  const root = path.join(to, 'rootfs');
  await mkdir(root);
  for (const name of await readdir('/')) {
    if (name === '.dockerenv') continue;
    if (OF_THE_CONTAINER.includes(name)) await mkdir(path.join(root, name), { mode: name === 'tmp' ? 0o1777 : 0o755 });
    else await cp(path.join('/', name), path.join(root, name), { recursive: true, verbatimSymlinks: true });
  }
  const env = Object.entries({ PATH: process.env['PATH'] ?? '', ...added }).map(([name, value]) => `${name}=${value}`);
  await writeFile(path.join(to, 'metadata.json'), `${JSON.stringify({ env, user: '' })}\n`);
}

try {
  process.stdout.write(`${JSON.stringify(await answer())}\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof ResourceFailure ? error.exitStatus : 1;
}
