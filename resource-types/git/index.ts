import type { ResourceType } from '../../src/resources/contract.js';
import { checkGit } from './check.js';
import { getGit } from './get.js';
import { putGit } from './put.js';
import {
  gitGetParams,
  gitPutParams,
  gitSource,
  type GitGetParams,
  type GitPutParams,
  type GitSource,
} from './schema.js';
import { parseRepositoryUri } from './uri.js';

/** Commits (or tags) of a git repository. See `readme.md`. */
export const git: ResourceType<GitSource, GitGetParams, GitPutParams> = {
  name: 'git',
  schema: { source: gitSource, getParams: gitGetParams, putParams: gitPutParams },
  hostOf: (source) => parseRepositoryUri(source.uri)?.host,
  check: checkGit,
  get: getGit,
  put: putGit,
};
