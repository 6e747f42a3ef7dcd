export { CustomType } from './custom-type.js';
export { CustomTypes, needsImages } from './custom-types.js';
export * from './custom-types.module.js';
export { GET_OUTPUT, getScript, putScript, readFetchResult, type Script } from './protocol.js';
export { scriptSpec, type TypeImage } from './run-script.js';
export { IMAGE_PREFIX, type ImageOrigin } from './type-images.js';
