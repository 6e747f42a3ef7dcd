export { evaluateCondition, type ConditionWorld } from './condition.js';
export * from './diff.js';
export * from './diff-text.js';
export { identifierFault } from './identifier.js';
export * from './job-graph.js';
export { pipelineJsonSchema } from './pipeline-json-schema.js';
export * from './parse.js';
export { parseYaml } from './parse-yaml.js';
export * from './problem.js';
