import type { ResourceType } from '../../src/resources/contract.js';
import { checkPipeline } from './check.js';
import { getPipeline } from './get.js';
import { putPipeline } from './put.js';
import {
  pipelineGetParams,
  pipelinePutParams,
  pipelineSource,
  type PipelineGetParams,
  type PipelinePutParams,
  type PipelineSource,
} from './schema.js';

/** The builds of a job of another pipeline. Not known to Concourse. See `readme.md`. */
export const pipeline: ResourceType<PipelineSource, PipelineGetParams, PipelinePutParams> = {
  name: 'pipeline',
  isExtension: true,
  schema: { source: pipelineSource, getParams: pipelineGetParams, putParams: pipelinePutParams },
  // Equal sources of two teams mean different pipelines.
  uniqueHistory: true,
  check: checkPipeline,
  get: getPipeline,
  put: putPipeline,
};
