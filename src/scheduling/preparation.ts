import {
  describeBlocker,
  type Blocker,
  type BuildId,
  type BuildPreparation,
  type JobSnapshot,
  type PreparationStatus,
} from '../model/index.js';
import { decideBuilds, NEW_BUILD, type InputPlan, type UnresolvedCode } from '../planner/index.js';

/**
 * Why the build waits, by the rules of the trigger loop applied to what is stored now: a pause of a second ago shows.
 * @param snapshot of the build's job; absent when there is none.
 */
export function prepare(buildId: BuildId, snapshot: JobSnapshot | undefined): BuildPreparation {
  const decision =
    snapshot &&
    decideBuilds(snapshot, storedPlan(snapshot)).builds.find(
      (each) => each.build !== NEW_BUILD && each.build.id === buildId,
    );
  const blockers: readonly Blocker[] = !decision
    ? []
    : decision.do === 'wait'
      ? decision.blockers
      : [{ kind: 'starting' }];
  const is = (...kinds: Blocker['kind'][]): PreparationStatus =>
    blockers.some(({ kind }) => kinds.includes(kind)) ? 'blocking' : 'not_blocking';
  const reasons = missingInputs(blockers);
  const isPending = decision !== undefined;
  return {
    build_id: buildId,
    paused_pipeline: is('pipeline-paused'),
    paused_job: is('job-paused'),
    max_running_builds: is('max-in-flight', 'serial-group', 'older-build-waits'),
    inputs: Object.fromEntries(
      (isPending ? (snapshot?.inputs ?? []) : []).map(({ name }) => [
        name,
        name in reasons ? 'blocking' : 'not_blocking',
      ]),
    ),
    inputs_satisfied: Object.keys(reasons).length > 0 ? 'blocking' : 'not_blocking',
    missing_input_reasons: reasons,
    blockers,
    reasons: blockers.map(describeBlocker),
  };
}

function missingInputs(blockers: readonly Blocker[]): Record<string, string> {
  const reasons: Record<string, string> = {};
  for (const blocker of blockers) {
    if (blocker.kind === 'waiting-for-check') reasons[blocker.input] = 'checking for latest available versions';
    if (blocker.kind === 'inputs') for (const { input, text } of blocker.inputs) reasons[input] = text;
  }
  return reasons;
}

/** What the last round stored, in the planner's form. An input that it has not seen yet has no version. */
function storedPlan(snapshot: JobSnapshot): InputPlan {
  const inputs = snapshot.inputs.map(({ name, resourceId }) => {
    const stored = snapshot.nextInputs.find((input) => input.name === name);
    if (stored?.digest && stored.version)
      return {
        name,
        resourceId,
        digest: stored.digest,
        version: stored.version,
        firstOccurrence: false,
        passedBuildIds: [],
      };
    const error = (stored?.errorCode ?? 'no_versions') as UnresolvedCode;
    return { name, resourceId, error, text: stored?.errorText ?? 'input is not included in resolved candidates' };
  });
  return { resolved: inputs.every((input) => !('error' in input)), hasNext: false, inputs };
}
