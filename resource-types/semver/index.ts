import type { ResourceType } from '../../src/resources/contract.js';
import { parseRepositoryUri } from '../git/shared.js';
import { s3HostOf } from '../s3/shared.js';
import { checkSemver } from './check.js';
import { getSemver } from './get.js';
import { putSemver } from './put.js';
import {
  semverGetParams,
  semverPutParams,
  semverSource,
  type SemverGetParams,
  type SemverPutParams,
  type SemverSource,
} from './schema.js';

/** A version number that is kept somewhere and goes up. See `readme.md`. */
export const semver: ResourceType<SemverSource, SemverGetParams, SemverPutParams> = {
  name: 'semver',
  schema: { source: semverSource, getParams: semverGetParams, putParams: semverPutParams },
  hostOf: (source) => {
    if (source.driver === 'file') return undefined;
    return source.driver === 'git' ? parseRepositoryUri(source.uri ?? '')?.host : s3HostOf(source);
  },
  check: checkSemver,
  get: getSemver,
  put: putSemver,
};
