import type { ResourceType } from '../../src/resources/contract.js';
import { checkGithub } from './check.js';
import { getGithub } from './get.js';
import { putGithub } from './put.js';
import {
  githubGetParams,
  githubPutParams,
  githubSource,
  type GithubGetParams,
  type GithubPutParams,
  type GithubSource,
} from './schema.js';

/** Releases of a repository at GitHub. See `readme.md`. */
export const githubRelease: ResourceType<GithubSource, GithubGetParams, GithubPutParams> = {
  name: 'github-release',
  schema: { source: githubSource, getParams: githubGetParams, putParams: githubPutParams },
  hostOf: (source) => new URL(source.github_api_url ?? 'https://api.github.com').host,
  check: checkGithub,
  get: getGithub,
  put: putGithub,
};
