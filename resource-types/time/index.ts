import type { ResourceType } from '../../src/resources/contract.js';
import { checkTime } from './check.js';
import { getTime } from './get.js';
import { putTime } from './put.js';
import { noParams, timeSource, type NoParams, type TimeSource } from './schema.js';

/** Versions by the clock. See `readme.md`. */
export const time: ResourceType<TimeSource, NoParams, NoParams> = {
  name: 'time',
  schema: { source: timeSource, getParams: noParams, putParams: noParams },
  uniqueHistory: true,
  check: checkTime,
  get: getTime,
  put: putTime,
};
