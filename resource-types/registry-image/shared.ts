/** The side door for other types that talk HTTP, read files of a step or unpack archives. */
export { HttpClient, nameOf, readBody, type HttpAnswer, type HttpBody, type HttpRequest } from './http.js';
export { findInput } from './inputs.js';
export { isCompressed, uncompressed } from './compression.js';
export { unpackLayers } from './unpack.js';
