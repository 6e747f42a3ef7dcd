import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { ResourceFailure, type FetchResult, type StepContext, type Version } from '../../src/resources/contract.js';
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
  await writeFile(join(dir, 'version'), version['version'] ?? '');
  // Resource types of the server have no container that could be privileged.
  await writeFile(join(dir, 'privileged'), 'false');
  if (source.mirror_self === true || params.mirror_self_via_params === true) await writeImage(dir);
  for (const [path, text] of Object.entries(files)) await writeInside(dir, path, text);
  return { version, metadata: source.metadata ?? [] };
}

/** An image of nothing but a mark: runtimes give its steps their own default tools. See `readme.md`. */
async function writeImage(dir: string): Promise<void> {
  await mkdir(join(dir, 'rootfs'), { recursive: true });
  await writeFile(join(dir, 'metadata.json'), `${JSON.stringify({ env: [], user: '', mirrors_host: true })}\n`);
}

async function writeInside(dir: string, path: string, text: string): Promise<void> {
  const target = resolve(dir, path);
  if (!target.startsWith(resolve(dir) + sep))
    throw new ResourceFailure(`create_files: '${path}' leads out of the folder`);
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, text, { mode: text.startsWith('#!') ? 0o755 : 0o644 });
}
