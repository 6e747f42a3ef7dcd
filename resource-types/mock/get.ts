import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { ResourceFailure, type FetchResult, type StepContext, type Version } from '../../src/resources/contract.js';
import { ownImageEnv } from './check.js';
import type { MockGetParams, MockSource } from './schema.js';

/** Writes the version, the files asked for and, when mirroring, an image. */
export async function getMock(
  context: StepContext,
  request: {
    readonly source: MockSource;
    readonly params: MockGetParams;
    readonly version: Version;
    readonly dir: string;
  },
): Promise<FetchResult> {
  const { source, params, version, dir } = request;
  if (source.log !== undefined) context.log(`${source.log}\n`);
  const files = { ...source.create_files, ...params.create_files_via_params };
  const { version: name = '' } = version;
  if (context.isPrivileged) context.log('fetching in a privileged container\n');
  context.log(`fetching version: ${name}\n`);
  if (isMirror(source, params)) await writeImage(context, dir, ownImageEnv(version));
  await writeFile(join(dir, 'version'), `${name}\n`);
  await writeFile(join(dir, 'privileged'), String(context.isPrivileged ?? false));
  for (const [path, content] of Object.entries(files)) await writeInside(dir, path, textOf(content));
  return { version, metadata: source.metadata ?? [] };
}

/** Does a get of these make an image of its own surroundings? */
export function isMirror(source: MockSource, params: MockGetParams): boolean {
  return source.mirror_self === true || params.mirror_self_via_params === true;
}

/** Where no image can be run it is nothing but a mark: steps get the runtime's own default tools. See `readme.md`. */
async function writeImage(context: StepContext, dir: string, env: Readonly<Record<string, string>>): Promise<void> {
  if (context.writeOwnImage) return context.writeOwnImage(dir, 'mock', env);
  await mkdir(join(dir, 'rootfs'), { recursive: true });
  const pairs = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const mark = { env: pairs, user: '', mirrors_host: true };
  await writeFile(join(dir, 'metadata.json'), `${JSON.stringify(mark)}\n`);
}

const textOf = (content: unknown): string => (typeof content === 'string' ? content : JSON.stringify(content));

async function writeInside(dir: string, path: string, text: string): Promise<void> {
  const target = resolve(dir, path);
  if (!target.startsWith(resolve(dir) + sep))
    throw new ResourceFailure(`create_files: '${path}' leads out of the folder`);
  await mkdir(dirname(target), { recursive: true });
  await rm(target, { force: true }); // a file of an image is shared with other images
  await writeFile(target, text, { mode: text.startsWith('#!') ? 0o755 : 0o644 });
}
