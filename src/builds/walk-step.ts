import type { PlanNode } from '../model/index.js';
import type { Walk } from './build-run.js';
import type { Outcome } from './outcome.js';
import { acrossStep } from './steps/across.js';
import { artifactInputStep, artifactOutputStep } from './steps/artifacts.js';
import { checkStep } from './steps/check.js';
import { doStep, inParallelStep, retryStep, tryStep } from './steps/composites.js';
import { getStep } from './steps/get.js';
import { hookStep } from './steps/hooks.js';
import { loadVarStep } from './steps/load-var.js';
import { putStep } from './steps/put.js';
import { runStep } from './steps/run.js';
import { setPipelineStep } from './steps/set-pipeline.js';
import { taskStep } from './steps/task.js';
import { timeoutStep } from './steps/timeout.js';
import { whenStep } from './steps/when.js';

/**
 * Runs one node of a plan. Steps are idempotent: walked again after a crash, they give what they gave before. They honour
 * the walk's signal, end with an {@link Outcome}, and throw only when the run is suspended.
 */
export function walkStep(node: PlanNode, walk: Walk): Promise<Outcome> {
  const { step } = node;
  switch (step.kind) {
    case 'get':
      return getStep(node, step, walk);
    case 'put':
      return putStep(node, step, walk);
    case 'task':
      return taskStep(node, step, walk);
    case 'check':
      return checkStep(node, step, walk);
    case 'set_pipeline':
      return setPipelineStep(node, step, walk);
    case 'load_var':
      return loadVarStep(node, step, walk);
    case 'artifact_input':
      return artifactInputStep(node, step, walk);
    case 'artifact_output':
      return artifactOutputStep(node, step, walk);
    case 'run':
      return runStep(node, walk);
    case 'do':
      return doStep(step.steps, walk, walkStep);
    case 'in_parallel':
      return inParallelStep(step, walk, walkStep);
    case 'across':
      return acrossStep(node, step, walk, walkStep);
    case 'try':
      return tryStep(step.step, walk, walkStep);
    case 'timeout':
      return timeoutStep(node, step, walk, walkStep);
    case 'when':
      return whenStep(node, step, walk, walkStep);
    case 'retry':
      return retryStep(step.attempts, walk, walkStep);
    case 'on_success':
    case 'on_failure':
    case 'on_error':
    case 'on_abort':
    case 'ensure':
      return hookStep(step.kind, step, walk, walkStep);
  }
}
