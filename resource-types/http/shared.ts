/** The side door for other types that send files of a step. */
export { findInputFiles, type InputFile } from './inputs.js';
