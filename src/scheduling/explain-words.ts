import {
  describeBlocker,
  describePause,
  describeTime,
  type Blocker,
  type Build,
  type JobSnapshot,
} from '../model/index.js';
import type { CheckState, JobFacts, RecordedInput } from '../persistence/index.js';
import { isResolved, type InputPlan } from '../planner/index.js';
import { versionText } from './explain-inputs.js';
import type { BuildCause, ExplainedBlocker, ExplainedCheck, JobExplanation } from './explain-types.js';

export function explainedBlocker(blocker: Blocker): ExplainedBlocker {
  return { ...blocker, text: describeBlocker(blocker) };
}

/** Why no build of the job waits. */
export function whyNothingWaits(snapshot: JobSnapshot, plan: InputPlan, facts: JobFacts): string {
  if (snapshot.isArchived) return 'the pipeline is archived';
  const pauses = pausesOf(snapshot).map(describeBlocker);
  return [whyNoBuild(snapshot, plan, facts), ...pauses].join('; ');
}

/** What holds up every build of the job. */
export function pausesOf({ pipelinePaused, jobPaused }: JobSnapshot): Blocker[] {
  return [
    ...(pipelinePaused ? [{ kind: 'pipeline-paused', ...pipelinePaused } as const] : []),
    ...(jobPaused ? [{ kind: 'job-paused', ...jobPaused } as const] : []),
  ];
}

function whyNoBuild({ inputs }: JobSnapshot, plan: InputPlan, { lastBuild, checks }: JobFacts): string {
  if (inputs.length === 0) return 'the job has no inputs, so only people start it';
  const missing = plan.inputs.flatMap((input) => {
    if (isResolved(input)) return [];
    const check = checks.find(({ resourceId }) => resourceId === input.resourceId);
    const { state, text } = explainedCheck(check);
    return [`input ${input.name}: ${input.text}${state === 'succeeded' ? '' : ` (${text})`}`];
  });
  if (missing.length > 0) return missing.join('; ');
  if (!inputs.some(({ trigger }) => trigger)) return 'no input triggers, so only people start the job';
  const fresh = plan.inputs.filter((input) => isResolved(input) && input.firstOccurrence).map(({ name }) => name);
  const silent = fresh.map((name) => `; input ${name} has a new version, but does not trigger`);
  return `nothing new${lastBuild ? ` since build #${lastBuild.name}` : ''}${silent.join('')}`;
}

/** How a resource's checks do; undefined: it has none. */
export function explainedCheck(check: CheckState | undefined): ExplainedCheck {
  const resource = check?.resource ?? '';
  if (check?.paused) return { state: 'paused', text: `resource ${resource} is paused${describePause(check.paused)}` };
  const failure =
    check?.error && check.endedAt
      ? `the check of resource ${resource} failed at ${describeTime(check.endedAt)}: ${check.error}`
      : '';
  if (check?.runningSince) {
    const running = `a check of resource ${resource} runs since ${describeTime(check.runningSince)}`;
    return { state: 'running', text: failure === '' ? running : `${running}; before, ${failure}` };
  }
  if (failure !== '') return { state: 'failed', text: failure };
  if (!check?.endedAt) return { state: 'never', text: `resource ${resource} was never checked` };
  return { state: 'succeeded', text: `resource ${resource} was checked at ${describeTime(check.endedAt)}` };
}

/** The answer in one line. */
export function summaryOf({
  running,
  builds,
  whenNothingWaits,
}: Pick<JobExplanation, 'running' | 'builds' | 'whenNothingWaits'>): string {
  const names = running.map(({ name }) => `#${name}`).join(', ');
  const runs = running.length === 0 ? [] : [`build${running.length > 1 ? 's' : ''} ${names} running`];
  const [first] = builds;
  const behind = builds.length > 1 ? ` (and ${builds.length - 1} behind it)` : '';
  const waits = first
    ? `${first.name === null ? 'a new build' : `build #${first.name}`} ${waitsText(first.blockers)}${behind}`
    : (whenNothingWaits ?? '');
  return [...runs, waits].join('; ');
}

export function waitsText(blockers: readonly ExplainedBlocker[]): string {
  if (blockers.length === 0) return 'is being aborted';
  if (blockers.every(({ kind }) => kind === 'starting')) return 'is about to start';
  return `waits: ${blockers.map(({ text }) => text).join('; ')}`;
}

/** Who or what asked for the build. @param triggering inputs of the job that trigger and are new to it. */
export function causeOf(build: Build, triggering: readonly { name: string; version: string }[]): BuildCause {
  const by = build.createdBy ?? null;
  const who = by === null ? '' : ` by ${by}`;
  if (build.jobId === undefined)
    return {
      kind: 'check',
      by,
      text: `checks resource ${build.resourceName ?? ''}, asked for${who || ' by nobody known'}`,
    };
  if (build.rerunOf)
    return {
      kind: 'rerun',
      of: build.rerunOf,
      by,
      text: `runs build #${build.rerunOf.name} again${who && `, asked for${who}`}`,
    };
  if (build.manuallyTriggered) return { kind: 'manual', by, text: `was triggered${who || ' by hand'}` };
  const news = triggering.map(({ name, version }) => `input ${name} had the new version ${version}`);
  return {
    kind: 'automatic',
    inputs: triggering.map(({ name }) => name),
    text: news.length === 0 ? 'was made because a version was new' : `was made because ${news.join(' and ')}`,
  };
}

/** `v2, new to the job, passed unit #3 and lint #4`. */
export function recordedText({ version, firstOccurrence, vouchedBy }: RecordedInput): string {
  const passed = vouchedBy.map(({ name }) => name).join(' and ');
  return `${versionText(version)}, ${firstOccurrence ? 'new to the job' : 'used before'}${passed === '' ? '' : `, passed ${passed}`}`;
}
