import type { ResourceType } from '../../src/resources/contract.js';
import { s3HostOf } from './access.js';
import { checkS3 } from './check.js';
import { getS3 } from './get.js';
import { putS3 } from './put.js';
import { s3GetParams, s3PutParams, s3Source, type S3GetParams, type S3PutParams, type S3Source } from './schema.js';

/** Objects in an S3 bucket. See `readme.md`. */
export const s3: ResourceType<S3Source, S3GetParams, S3PutParams> = {
  name: 's3',
  schema: { source: s3Source, getParams: s3GetParams, putParams: s3PutParams },
  hostOf: s3HostOf,
  check: checkS3,
  get: getS3,
  put: putS3,
};
