import type { ResourceType } from '../../src/resources/contract.js';
import { checkImage } from './check.js';
import { getImage } from './get.js';
import { putImage } from './put.js';
import { parseRepository } from './reference.js';
import {
  imageGetParams,
  imagePutParams,
  imageSource,
  type ImageGetParams,
  type ImagePutParams,
  type ImageSource,
} from './schema.js';

/** Images at a container registry. See `readme.md`. */
export const registryImage: ResourceType<ImageSource, ImageGetParams, ImagePutParams> = {
  name: 'registry-image',
  schema: { source: imageSource, getParams: imageGetParams, putParams: imagePutParams },
  hostOf: (source) => parseRepository(source.repository)?.host,
  check: checkImage,
  get: getImage,
  put: putImage,
};
