import { z } from 'zod';

const name = z.string().min(1);
const status = z.enum(['succeeded', 'failed', 'errored', 'aborted']);

export const pipelineSource = z.strictObject({
  pipeline: name.describe('Name of the pipeline.'),
  job: name.describe('Name of the job whose builds are the versions.'),
  team: name
    .optional()
    .describe("Team of the pipeline. Another team's pipeline must be exposed. Default: the own team."),
  instance_vars: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('Vars of the instance, for an instanced pipeline.'),
  status: z
    .union([status, z.array(status).min(1)], {
      error: "must be 'succeeded', 'failed', 'errored', 'aborted' or a list of them",
    })
    .optional()
    .describe('Builds that ended so are versions: one status or a list. Default `succeeded`.'),
});
export type PipelineSource = z.output<typeof pipelineSource>;

export const pipelineGetParams = z.strictObject({});
export type PipelineGetParams = z.output<typeof pipelineGetParams>;

export const pipelinePutParams = z.strictObject({});
export type PipelinePutParams = z.output<typeof pipelinePutParams>;
