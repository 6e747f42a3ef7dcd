import type { CheckContext } from '../../src/resources/contract.js';
import { openFile } from './file-store.js';
import { openGit } from './git-store.js';
import type { NumberStore } from './number-store.js';
import { openS3 } from './s3-store.js';
import type { SemverSource } from './schema.js';

/** Opens the store of a source for one operation. */
export function withStore<T>(
  context: CheckContext,
  source: SemverSource,
  work: (store: NumberStore) => Promise<T>,
): Promise<T> {
  switch (source.driver ?? 's3') {
    case 'git':
      return openGit(context, source, work);
    case 's3':
      return openS3(context, source, work);
    case 'file':
      return openFile(context, source, work);
  }
}
