import type { ResourceType } from '../../src/resources/contract.js';
import { checkHttp } from './check.js';
import { getHttp } from './get.js';
import { putHttp } from './put.js';
import {
  httpGetParams,
  httpPutParams,
  httpSource,
  type HttpGetParams,
  type HttpPutParams,
  type HttpSource,
} from './schema.js';

/** What stands at a URL, and requests to it. See `readme.md`. */
export const http: ResourceType<HttpSource, HttpGetParams, HttpPutParams> = {
  name: 'http',
  schema: { source: httpSource, getParams: httpGetParams, putParams: httpPutParams },
  hostOf: (source) => new URL(source.url).host,
  check: checkHttp,
  get: getHttp,
  put: putHttp,
};
