import type { ResourceType } from '../../src/resources/contract.js';
import { parseRepositoryUri } from '../git/shared.js';
import { checkPool } from './check.js';
import { getPool } from './get.js';
import { putPool } from './put.js';
import {
  poolGetParams,
  poolPutParams,
  poolSource,
  type PoolGetParams,
  type PoolPutParams,
  type PoolSource,
} from './schema.js';

/** Locks that are files in a git repository. See `readme.md`. */
export const pool: ResourceType<PoolSource, PoolGetParams, PoolPutParams> = {
  name: 'pool',
  schema: { source: poolSource, getParams: poolGetParams, putParams: poolPutParams },
  hostOf: (source) => parseRepositoryUri(source.uri)?.host,
  check: checkPool,
  get: getPool,
  put: putPool,
};
