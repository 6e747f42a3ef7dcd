import { VAR_DEFINITION, type JsonSchema } from './json-schema.js';
import { pipelineConfig } from './schema.js';

/**
 * The pipeline language for editors, made from the shapes that read pipelines: whatever they accept, it accepts. Laws that
 * span fields are not in it. What Concourse does not know is marked `x-weir-extension`.
 */
export function pipelineJsonSchema(): JsonSchema {
  const { definitions, ...pipeline } = pipelineConfig.json ?? {};
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Weir pipeline',
    description: 'A pipeline of Weir; keys marked x-weir-extension are not known to Concourse.',
    ...pipeline,
    definitions: { ...(definitions as JsonSchema), var: VAR_DEFINITION },
  };
}
