import type { ResourceType } from '../../src/resources/contract.js';
import { checkMock, ownImageEnv } from './check.js';
import { getMock, isMirror } from './get.js';
import { putMock } from './put.js';
import {
  mockGetParams,
  mockPutParams,
  mockSource,
  type MockGetParams,
  type MockPutParams,
  type MockSource,
} from './schema.js';

/** A resource without an outside world, for trying pipelines out and for tests. See `readme.md`. */
export const mock: ResourceType<MockSource, MockGetParams, MockPutParams> = {
  name: 'mock',
  schema: { source: mockSource, getParams: mockGetParams, putParams: mockPutParams },
  isOwnImage: isMirror,
  ownImageEnv,
  check: checkMock,
  get: getMock,
  put: putMock,
};
