import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FetchResult, StepContext, Version } from '../../src/resources/contract.js';
import { bumpNumber } from './bump.js';
import { numberOf } from './check.js';
import type { SemverGetParams, SemverSource } from './schema.js';

/** Writes the number into files, bumped if the params say so. The store is neither asked nor changed. */
export async function getSemver(
  context: StepContext,
  request: {
    readonly source: SemverSource;
    readonly params: SemverGetParams;
    readonly version: Version;
    readonly dir: string;
  },
): Promise<FetchResult> {
  context.signal.throwIfAborted();
  const { params, version, dir } = request;
  const number = bumpNumber(numberOf(version), params);
  await Promise.all(['version', 'number'].map((name) => writeFile(join(dir, name), number)));
  return { version, metadata: [{ name: 'number', value: number }] };
}
