import { Command } from 'commander';
import { pipelineJsonSchema } from '../../pipelines/config/index.js';
import type { Cli } from '../cli.js';

/** `weir schema`: the pipeline language as a JSON Schema, for editors. Needs no server. */
export function schemaCommand({ io }: Cli): Command {
  return new Command('schema')
    .description('print the JSON Schema of pipelines, with which editors complete and check them')
    .action(() => io.out(`${JSON.stringify(pipelineJsonSchema(), null, 2)}\n`));
}
