import { ResourceFailure, type FetchResult, type StepContext } from '../../src/resources/contract.js';
import type { PipelineSource } from './schema.js';

/** Refuses: nobody but the job makes its builds. */
export async function putPipeline(
  _context: StepContext,
  { source: { pipeline, job } }: { readonly source: PipelineSource },
): Promise<FetchResult> {
  throw new ResourceFailure(
    `a resource of type pipeline cannot be put to: its versions are the builds of ${pipeline}/${job}, which that job makes itself`,
  );
}
