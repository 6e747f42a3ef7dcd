export * from './interpolate.js';
export type { VarReference } from './reference.js';
export { parseReference } from './reference.js';
