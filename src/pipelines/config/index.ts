export * from './diff.js';
export * from './job-graph.js';
export * from './parse.js';
export * from './problem.js';
