import { Inject, Injectable } from '@nestjs/common';
import { slotWaitText, type BuildId, type JobId, type JobSnapshot } from '../model/index.js';
import {
  Db,
  findBuild,
  readJobFacts,
  readJobSnapshot,
  readRecordedInputs,
  slotWaits,
  type JobFacts,
  type Tx,
} from '../persistence/index.js';
import { decideBuilds, isResolved, NEW_BUILD, type BuildDecision } from '../planner/index.js';
import { NotFoundError } from '../platform/index.js';
import { explainRequest, versionText, type ExplainedInputs } from './explain-inputs.js';
import type {
  BrakeChange,
  BuildExplanation,
  ExplainedFix,
  ExplainedJobInput,
  JobExplanation,
  WaitingBuild,
} from './explain-types.js';
import {
  causeOf,
  explainedBlocker,
  explainedCheck,
  recordedText,
  summaryOf,
  waitsText,
  whyNothingWaits,
} from './explain-words.js';
import { requestOf } from './round.js';

/**
 * Answers “why does it not run?” and “why did it run with that?”. Every answer is of one moment and by the planner and the
 * rules of the trigger loop themselves, applied to what is stored now. Only reads.
 */
@Injectable()
export class ExplainService {
  constructor(@Inject(Db) private readonly db: Db) {}

  /** @throws NotFoundError */
  async job(id: JobId): Promise<JobExplanation> {
    const told = await this.db.tx((tx) => explainJob(tx, id), 'REPEATABLE READ');
    if (!told) throw new NotFoundError(`there is no job ${id}`);
    return told;
  }

  /** @throws NotFoundError */
  async build(id: BuildId): Promise<BuildExplanation> {
    const told = await this.db.tx((tx) => explainBuild(tx, id), 'REPEATABLE READ');
    if (!told) throw new NotFoundError(`there is no build ${id}`);
    return told;
  }
}

async function explainJob(tx: Tx, id: JobId): Promise<JobExplanation | undefined> {
  const snapshot = await readJobSnapshot(tx, id);
  const facts = await readJobFacts(tx, id);
  if (!snapshot || !facts) return undefined;
  const explained = await explainRequest(tx, requestOf(snapshot));
  const decision = decideBuilds(snapshot, explained.plan);
  const builds = decision.builds.map(waitingBuild);
  const answer = {
    running: facts.running,
    builds,
    whenNothingWaits: builds.length > 0 ? null : whyNothingWaits(snapshot, explained.plan, facts),
  };
  return {
    job: snapshot.jobName,
    runs: facts.running.length > 0 || decision.builds.some((each) => each.do === 'start'),
    summary: summaryOf(answer),
    ...answer,
    inputs: snapshot.inputs.map((_, i) => explainedInput(snapshot, i, explained, facts)),
    fixes: fixesOf(snapshot, explained, builds.length > 0),
  };
}

function waitingBuild(decided: BuildDecision): WaitingBuild {
  const { build } = decided;
  const blockers =
    decided.do === 'wait' ? decided.blockers : decided.do === 'start' ? [{ kind: 'starting' } as const] : [];
  return {
    id: build === NEW_BUILD ? null : build.id,
    name: build === NEW_BUILD ? null : build.name,
    blockers: blockers.map(explainedBlocker),
  };
}

function explainedInput(
  { inputs }: JobSnapshot,
  at: number,
  explained: ExplainedInputs,
  { checks }: JobFacts,
): ExplainedJobInput {
  const [input, proof, planned] = [inputs[at], explained.inputs[at], explained.plan.inputs[at]];
  if (!input || !proof || !planned) throw new Error('an explanation is not of the inputs that were asked for');
  return {
    ...proof,
    trigger: input.trigger,
    chosen: isResolved(planned) ? planned.version : null,
    error: isResolved(planned) ? null : planned.text,
    check: explainedCheck(checks.find(({ resourceId }) => resourceId === input.resourceId)),
  };
}

/** What the planner found, behind the release of brakes that a build waits for. */
function fixesOf(snapshot: JobSnapshot, { plan, fixes }: ExplainedInputs, isWaiting: boolean): ExplainedFix[] {
  const brakes: BrakeChange[] = [
    ...(snapshot.pipelinePaused ? [{ do: 'unpause-pipeline' } as const] : []),
    ...(snapshot.jobPaused ? [{ do: 'unpause-job', job: snapshot.jobName } as const] : []),
  ];
  const words = brakes.map((each) => (each.do === 'unpause-job' ? `unpause job ${each.job}` : 'unpause the pipeline'));
  // A build that waits with all its versions needs no others.
  const helpful = isWaiting && plan.resolved ? [] : fixes;
  const withBrakes = helpful.map(({ text, fix }): ExplainedFix => {
    return { text: [...words, text].join(' and '), changes: [...brakes, ...fix.changes] };
  });
  if (brakes.length === 0 || withBrakes.length > 0 || snapshot.isArchived) return withBrakes;
  const [first] = decideBuilds({ ...snapshot, pipelinePaused: null, jobPaused: null }, plan).builds;
  // A check or a slot comes by itself.
  const helps =
    first && (first.do === 'start' || (first.do === 'wait' && !first.blockers.some((b) => b.kind === 'inputs')));
  return helps ? [{ text: words.join(' and '), changes: brakes }] : [];
}

async function explainBuild(tx: Tx, id: BuildId): Promise<BuildExplanation | undefined> {
  const build = await findBuild(tx, id);
  if (!build) return undefined;
  const recorded = await readRecordedInputs(tx, id);
  const isPending = build.status === 'pending' && build.jobId !== undefined;
  const job = isPending && build.jobId !== undefined ? await explainJob(tx, build.jobId) : undefined;
  const triggering = await triggeringInputs(tx, build.jobId, recorded);
  const cause = causeOf(build, triggering);
  const blockers = job?.builds.find((each) => each.id === id)?.blockers ?? [];
  const waits = (build.status === 'started' ? await slotWaits(tx, id) : []).map((wait) => ({
    ...wait,
    text: slotWaitText(wait),
  }));
  const state = job ? `; it ${waitsText(blockers)}` : waits.map(({ text }) => `; a step ${text}`).join('');
  return {
    build,
    cause,
    summary: `build #${build.name} ${cause.text}${state}`,
    blockers,
    waits,
    inputs: recorded.map((input) => ({ ...input, text: recordedText(input) })),
    fixes: job?.fixes ?? [],
  };
}

/** Inputs whose version was new. One that the job no longer has is taken for one that triggered. */
async function triggeringInputs(
  tx: Tx,
  jobId: JobId | undefined,
  recorded: Awaited<ReturnType<typeof readRecordedInputs>>,
): Promise<{ name: string; version: string }[]> {
  const snapshot = jobId === undefined ? undefined : await readJobSnapshot(tx, jobId);
  const silent = new Set(snapshot?.inputs.filter(({ trigger }) => !trigger).map(({ name }) => name));
  return recorded
    .filter(({ name, firstOccurrence }) => firstOccurrence && !silent.has(name))
    .map(({ name, version }) => ({ name, version: versionText(version) }));
}
