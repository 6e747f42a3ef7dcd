import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FetchResult, StepContext, Version } from '../../src/resources/contract.js';
import { timeOf } from './check.js';
import type { NoParams, TimeSource } from './schema.js';

/** Writes the request and the time into files. */
export async function getTime(
  _context: StepContext,
  request: { readonly source: TimeSource; readonly params: NoParams; readonly version: Version; readonly dir: string },
): Promise<FetchResult> {
  const { source, params, version, dir } = request;
  const epoch = Math.floor(timeOf(version).getTime() / 1000);
  await writeFile(join(dir, 'input'), `${JSON.stringify({ source, version, params })}\n`);
  await writeFile(join(dir, 'timestamp'), version['time'] ?? '');
  await writeFile(join(dir, 'epoch'), String(epoch));
  return { version, metadata: [] };
}
