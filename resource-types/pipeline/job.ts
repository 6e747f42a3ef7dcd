import { ResourceFailure, type CheckContext, type JobAddress, type ServerDoor } from '../../src/resources/contract.js';
import type { PipelineSource } from './schema.js';

/** @throws ResourceFailure in a container, where no server can be asked. */
export function doorOf({ server }: CheckContext): ServerDoor {
  if (server !== undefined) return server;
  throw new ResourceFailure('type pipeline works inside the server only, not in a container');
}

/** The job as the server's door takes it. */
export function jobOf({ team, pipeline, instance_vars: instanceVars, job }: PipelineSource): JobAddress {
  return { pipeline, job, ...(team !== undefined && { team }), ...(instanceVars !== undefined && { instanceVars }) };
}
