import type { Access } from '../../auth/index.js';
import type { BuildExplanation, ExplainedFix, JobExplanation } from '../../scheduling/index.js';
import { buildViewsFor } from './build.mapper.js';

/** Why a job runs or does not. Our own: Concourse has no such answer. */
export function toJobExplanationView(told: JobExplanation): Record<string, unknown> {
  const { whenNothingWaits, inputs, fixes, ...rest } = told;
  return {
    ...rest,
    when_nothing_waits: whenNothingWaits,
    inputs: inputs.map(({ name, resource, trigger, passed, chosen, error, check, candidates, more }) => ({
      name,
      resource,
      trigger,
      passed,
      ...(chosen ? { chosen } : {}),
      ...(error === null ? {} : { error }),
      check,
      candidates,
      more,
    })),
    fixes: fixes.map(toFixView),
  };
}

/** Why a build ran with its versions, or waits. */
export function toBuildExplanationView(told: BuildExplanation, access: Access): Record<string, unknown> {
  const { build, summary, cause, blockers, waits, inputs, fixes } = told;
  return {
    build: buildViewsFor(access)(build),
    summary,
    cause,
    blockers,
    waits: waits.map(({ stepId, kind, text, ...rest }) => ({
      step_id: stepId,
      kind,
      text,
      ...('runtime' in rest ? { runtime: rest.runtime } : {}),
      ...('position' in rest ? { position: rest.position, waiting: rest.waiting } : {}),
    })),
    inputs: inputs.map(({ name, resource, version, firstOccurrence, vouchedBy, text }) => ({
      name,
      resource,
      version,
      first_occurrence: firstOccurrence,
      vouched_by: vouchedBy,
      text,
    })),
    fixes: fixes.map(toFixView),
  };
}

function toFixView({ text, changes }: ExplainedFix): Record<string, unknown> {
  return { text, fix: { changes } };
}
