import { readFile, realpath } from 'node:fs/promises';
import { resolve, sep } from 'node:path';
import { ResourceFailure, type FetchResult, type StepContext } from '../../src/resources/contract.js';
import { versionOf } from './check.js';
import type { MockPutParams, MockSource } from './schema.js';

/** Makes the version that the params name. */
export async function putMock(
  context: StepContext,
  request: { readonly source: MockSource; readonly params: MockPutParams; readonly dir: string },
): Promise<FetchResult> {
  const { source, params, dir } = request;
  if (source.log !== undefined) context.log(`${source.log}\n`);
  if (params.print_env === true) {
    const lines = Object.entries(context.env).map(([name, value]) => `env: ${name}=${value}\n`);
    context.log(lines.toSorted().join(''));
  }
  const version = params.file === undefined ? (params.version ?? '') : (await readInside(dir, params.file)).trimEnd();
  if (context.isPrivileged) context.log('pushing in a privileged container\n');
  context.log(`pushing version: ${version}\n`);
  return { version: versionOf(context, version), metadata: source.metadata ?? [] };
}

async function readInside(dir: string, path: string): Promise<string> {
  const root = await realpath(dir);
  const file = await realpath(resolve(root, path)).catch(() => undefined);
  if (file === undefined) throw new ResourceFailure(`file: there is no '${path}' among the step's inputs`);
  if (!file.startsWith(root + sep)) throw new ResourceFailure(`file: '${path}' leads out of the step's inputs`);
  return readFile(file, 'utf8');
}
