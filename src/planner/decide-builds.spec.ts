import { describe, expect, it } from '@jest/globals';
import {
  describeBlocker,
  type BuildId,
  type Digest,
  type GroupBuild,
  type InputSnapshot,
  type JobId,
  type JobSnapshot,
  type PendingBuild,
  type PipelineId,
  type ResourceId,
} from '../model/index.js';
import { blockersOf, decideBuilds, NEW_BUILD, type BuildsDecision } from './decide-builds.js';
import type { InputPlan } from './types.js';

const NOW = 1_000_000;
const pause = { by: 'ann', at: '2026-01-01T00:00:00Z', reason: 'release' };

const input = (over: Partial<InputSnapshot> = {}): InputSnapshot => ({
  name: 'repo',
  resource: 'repo',
  resourceId: 7 as ResourceId,
  trigger: true,
  passed: null,
  version: 'latest',
  pin: null,
  isResourcePaused: false,
  hasHistory: true,
  checkEndedAtMs: NOW,
  nextCheckAtMs: NOW + 60_000,
  checkEvery: null,
  ...over,
});
const build = (id: number, over: Partial<PendingBuild> = {}): PendingBuild => ({
  id: id as BuildId,
  name: String(id),
  isManual: false,
  rerunOf: null,
  isAborted: false,
  createdAtMs: NOW - 10,
  ...over,
});
const manual = (id: number, over: Partial<PendingBuild> = {}): PendingBuild => build(id, { isManual: true, ...over });
const rerun = (id: number, of: number): PendingBuild => build(id, { rerunOf: of as BuildId, name: `${of}.1` });
const other = (id: number, groups: string[] = [], job = 'other'): GroupBuild => ({
  id: id as BuildId,
  name: String(id),
  job,
  place: id,
  groups,
});
const job = (over: Partial<JobSnapshot> = {}): JobSnapshot => ({
  jobId: 1 as JobId,
  pipelineId: 1 as PipelineId,
  jobName: 'test',
  configVersion: 1,
  nowMs: NOW,
  scheduleRequested: 2,
  scheduleDone: 1,
  isArchived: false,
  pipelinePaused: null,
  jobPaused: null,
  hasNewInputs: false,
  inputsDetermined: true,
  isKnown: true,
  blockers: [],
  limit: null,
  serialGroups: [],
  inputs: [input()],
  nextInputs: [],
  nextPipes: [],
  pending: [],
  running: [],
  rivals: [],
  ...over,
});
const chosen = (firstOccurrence: boolean, hasNext = false): InputPlan => ({
  resolved: true,
  hasNext,
  inputs: [
    {
      name: 'repo',
      resourceId: 7 as ResourceId,
      digest: 'd' as Digest,
      version: { ref: 'v1' },
      firstOccurrence,
      passedBuildIds: [],
    },
  ],
});
const unresolved: InputPlan = {
  resolved: false,
  hasNext: false,
  inputs: [
    { name: 'repo', resourceId: 7 as ResourceId, error: 'no_versions', text: 'latest version of resource not found' },
  ],
};

/** `start 3 planned`, `abort 4`, `wait 5 job-paused`, in order; the created build is `new`. */
function said(decision: BuildsDecision): string[] {
  return decision.builds.map((each) => {
    const id = each.build === NEW_BUILD ? 'new' : each.build.id;
    if (each.do === 'start') return `start ${id} ${each.inputs}`;
    return each.do === 'abort' ? `abort ${id}` : `wait ${id} ${each.blockers.map(({ kind }) => kind).join('+')}`;
  });
}

const cases: readonly [rule: string, snapshot: Partial<JobSnapshot>, plan: InputPlan, expected: readonly string[]][] = [
  ['creates and starts a build for a new version of an input that triggers', {}, chosen(true), ['start new planned']],
  ['creates none when nothing is new', {}, chosen(false), []],
  [
    'creates none for a new version of an input that does not trigger',
    { inputs: [input({ trigger: false })] },
    chosen(true),
    [],
  ],
  ['creates none while inputs are missing', {}, unresolved, []],
  [
    'creates no second one beside a pending automatic build, which takes the new version',
    { pending: [build(3)] },
    chosen(true),
    ['start 3 planned'],
  ],
  [
    'creates none beside a manual build without inputs',
    { pending: [manual(3, { createdAtMs: NOW + 5 })] },
    chosen(true),
    ['wait 3 waiting-for-check'],
  ],
  ['creates one beside a rerun', { pending: [rerun(3, 1)] }, chosen(true), ['start 3 copied', 'start new planned']],
  [
    'creates none beside an automatic build that is being aborted',
    { pending: [build(3, { isAborted: true })] },
    chosen(true),
    ['abort 3'],
  ],
  [
    'queues the one build of a paused job, and does not start it',
    { jobPaused: pause },
    chosen(true),
    ['wait new job-paused'],
  ],
  ['queues it in a paused pipeline too', { pipelinePaused: pause }, chosen(true), ['wait new pipeline-paused']],
  [
    'names both pauses',
    { pipelinePaused: pause, jobPaused: pause, pending: [manual(3), rerun(4, 1)] },
    chosen(false),
    ['wait 3 pipeline-paused+job-paused', 'wait 4 pipeline-paused+job-paused'],
  ],
  [
    'aborts in a paused job',
    { jobPaused: pause, pending: [manual(3, { isAborted: true })] },
    chosen(false),
    ['abort 3'],
  ],
  [
    'aborts everything of an archived pipeline and creates nothing',
    { isArchived: true, pipelinePaused: pause, pending: [manual(3), rerun(4, 1)] },
    chosen(true),
    ['abort 3', 'abort 4'],
  ],
  [
    'gives the plan to one build a round',
    { pending: [manual(3), manual(4)] },
    chosen(false),
    ['start 3 planned', 'wait 4 starting'],
  ],
  [
    'starts a rerun although inputs are missing',
    { pending: [rerun(3, 1), manual(4)] },
    unresolved,
    ['start 3 copied', 'wait 4 inputs'],
  ],
  [
    'lets builds behind one that waits wait for it',
    { pending: [manual(3, { createdAtMs: NOW + 1 }), manual(4), rerun(5, 5)] },
    chosen(false),
    ['wait 3 waiting-for-check', 'wait 4 older-build-waits', 'wait 5 older-build-waits'],
  ],
  [
    'starts up to the limit',
    { limit: 2, running: [other(1, [], 'test')], pending: [rerun(3, 2), rerun(4, 2)] },
    chosen(false),
    ['start 3 copied', 'wait 4 max-in-flight'],
  ],
  [
    'lets the older build of another job in the group go first',
    { limit: 1, serialGroups: ['g'], rivals: [other(2, ['g'])], pending: [manual(3)] },
    chosen(false),
    ['wait 3 serial-group'],
  ],
  [
    'goes before a younger build of another job in the group',
    { limit: 1, serialGroups: ['g'], rivals: [other(4, ['g'])], pending: [manual(3)] },
    chosen(false),
    ['start 3 planned'],
  ],
  [
    'counts a rerun at the place of its original',
    { limit: 1, serialGroups: ['g'], rivals: [other(4, ['g'])], pending: [rerun(9, 3)] },
    chosen(false),
    ['start 9 copied'],
  ],
  [
    'waits for inputs, not for a slot, when it has none',
    { limit: 1, serialGroups: ['g'], running: [other(1, ['g'])], pending: [manual(3)] },
    unresolved,
    ['wait 3 inputs'],
  ],
];

describe('deciding about builds', () => {
  it.each(cases)('%s', (_, snapshot, plan, expected) => {
    expect(said(decideBuilds(job(snapshot), plan))).toEqual(expected);
  });

  it('asks for another round when one more build can be made at once, and only then', () => {
    expect(decideBuilds(job(), chosen(true, true)).again).toBe(true);
    expect(decideBuilds(job(), chosen(true, false)).again).toBe(false);
    expect(decideBuilds(job({ pending: [manual(3), manual(4)] }), chosen(false)).again).toBe(true);
    // A backlog that cannot move is not planned again and again.
    expect(decideBuilds(job({ jobPaused: pause }), chosen(true, true)).again).toBe(false);
    expect(decideBuilds(job({ inputs: [input({ trigger: false })] }), chosen(true, true)).again).toBe(false);
  });

  it('tells of new inputs until a build takes them, and remembers what it cannot know', () => {
    expect(decideBuilds(job({ inputs: [input({ trigger: false })] }), chosen(true)).hasNewInputs).toBe(true);
    expect(decideBuilds(job(), chosen(true)).hasNewInputs).toBe(false);
    expect(decideBuilds(job({ hasNewInputs: true }), unresolved).hasNewInputs).toBe(true);
  });
});

describe('readiness', () => {
  const isReady = (over: Partial<InputSnapshot>, pending: PendingBuild): boolean =>
    decideBuilds(job({ inputs: [input(over)], pending: [pending] }), chosen(false)).builds[0]?.do === 'start';
  const young = NOW + 100_000;

  it.each<[string, Partial<InputSnapshot>, PendingBuild, boolean]>([
    ['a manual build waits for a check that ends after its creation', {}, manual(3, { createdAtMs: young }), false],
    ['a check at the very moment will do', { checkEndedAtMs: young }, manual(3, { createdAtMs: young }), true],
    ['a manual build waits for the first check', { hasHistory: false, checkEndedAtMs: null }, manual(3), false],
    [
      'a manual build needs no check of a pinned resource',
      { pin: { version: { ref: 'a' }, by: 'api' } },
      manual(3, { createdAtMs: young }),
      true,
    ],
    [
      'a manual build needs no check of an input that is pinned itself',
      { version: { ref: 'a' } },
      manual(3, { createdAtMs: young }),
      true,
    ],
    [
      'a manual build needs no check of a paused resource',
      { isResourcePaused: true },
      manual(3, { createdAtMs: young }),
      true,
    ],
    [
      'a manual build needs no check of an input behind passed',
      { passed: { job: 1 } },
      manual(3, { createdAtMs: young }),
      true,
    ],
    ['an automatic build needs no check of an input that triggers', {}, build(3, { createdAtMs: young }), true],
    [
      'an automatic build waits for a check of another input whose interval is over',
      { trigger: false },
      build(3, { createdAtMs: young }),
      false,
    ],
    ['an automatic build needs no check within the interval', { trigger: false }, build(3), true],
    [
      'an automatic build needs no check of a resource that is never checked by itself',
      { trigger: false, checkEvery: 'never' },
      build(3, { createdAtMs: young }),
      true,
    ],
    [
      'an automatic build needs no first check',
      { trigger: false, hasHistory: false, nextCheckAtMs: null },
      build(3, { createdAtMs: young }),
      true,
    ],
    ['a rerun needs no check', { checkEndedAtMs: null }, rerun(3, 1), true],
  ])('%s', (_, over, pending, expected) => {
    expect(isReady(over, pending)).toBe(expected);
  });

  it('names the resources to check, each once', () => {
    const inputs = [input({ name: 'a' }), input({ name: 'b' }), input({ name: 'c', resourceId: 8 as ResourceId })];
    expect(decideBuilds(job({ inputs, pending: [manual(3, { createdAtMs: young })] }), chosen(false)).checks).toEqual([
      7, 8,
    ]);
  });

  it('names those of a manual build behind one that waits, as it may be asked for after a repair', () => {
    const waiting = manual(3, { createdAtMs: NOW - 1 });
    const behind = (pending: PendingBuild): readonly ResourceId[] =>
      decideBuilds(job({ inputs: [input()], pending: [waiting, pending] }), unresolved).checks;
    expect(behind(manual(4, { createdAtMs: young }))).toEqual([7]);
    expect(behind(manual(4, { createdAtMs: NOW - 1 }))).toEqual([]);
    expect(behind(rerun(4, 1))).toEqual([]);
  });
});

describe('what blocks a build, in words', () => {
  const words = (snapshot: Partial<JobSnapshot>, plan: InputPlan): string[] => {
    const decision = decideBuilds(job(snapshot), plan);
    return blockersOf(decision, plan).flatMap(({ reasons }) => reasons.map(describeBlocker));
  };
  it.each<[string, Partial<JobSnapshot>, InputPlan, string[]]>([
    [
      'pauses',
      { jobPaused: pause, pending: [manual(3)] },
      chosen(false),
      ['the job is paused by ann since 2026-01-01 00:00 UTC: release'],
    ],
    [
      'an unknown pause',
      { pipelinePaused: { by: null, at: null, reason: null }, pending: [manual(3)] },
      chosen(false),
      ['the pipeline is paused'],
    ],
    [
      'a limit',
      { limit: 1, serialGroups: ['test'], running: [other(2, ['test'], 'test')], pending: [manual(3)] },
      chosen(false),
      ['the job runs at most 1 at once; running: test #2; place 1 in the queue'],
    ],
    [
      'a serial group',
      {
        limit: 1,
        serialGroups: ['db'],
        running: [other(1, ['db'])],
        rivals: [other(2, ['db'], 'third')],
        pending: [manual(3)],
      },
      chosen(false),
      ['serial group db runs one build at a time; running: other #1; place 2 in the queue'],
    ],
    [
      'a check',
      { inputs: [input({ checkEndedAtMs: null })], pending: [manual(3, { createdAtMs: 0 })] },
      chosen(false),
      ['input repo waits for a check of resource repo that is newer than 1970-01-01 00:00 UTC'],
    ],
    ['missing versions', { pending: [manual(3)] }, unresolved, ['input repo: latest version of resource not found']],
    ['nothing to build', {}, chosen(false), ['no input that triggers has a new version']],
    ['no build for want of versions', {}, unresolved, ['input repo: latest version of resource not found']],
  ])('%s', (_, snapshot, plan, expected) => {
    expect(words(snapshot, plan)).toEqual(expected);
  });

  it('is said of every pending build', () => {
    const pending = [manual(3, { createdAtMs: NOW + 1 }), manual(4), rerun(5, 5), build(6)];
    const decision = decideBuilds(job({ pending }), chosen(true));
    expect(blockersOf(decision, chosen(true)).map((each) => each.build)).toEqual([3, 4, 5, 6]);
  });
});
