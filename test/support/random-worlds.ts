import fc from 'fast-check';
import type { BuildId, BuildStatus, Digest, JobId, Pair, ResourceId } from '../../src/model/index.js';
import type { InputRequest, JobRequest, Passed, WorldBuild, WorldResource } from '../../src/planner/index.js';

/** A small world and a job in it that is to be planned. */
export interface RandomWorld {
  readonly resources: readonly WorldResource[];
  readonly builds: readonly WorldBuild[];
  readonly request: JobRequest;
}

const JOBS = 4;
const RESOURCES = 3;
const VERSIONS = 4;
/** The planned job's id lies among those of the others, as it does in real pipelines. */
const PLANNED = 3;
const UPSTREAM = [1, 2, 4, 5] as const;

const pair = fc.record({ resource: fc.nat(RESOURCES - 1), version: fc.nat(VERSIONS - 1) });

const build = fc.record({
  job: fc.nat(JOBS),
  status: fc.constantFrom<BuildStatus>(
    'succeeded',
    'succeeded',
    'succeeded',
    'succeeded',
    'failed',
    'pending',
    'aborted',
  ),
  rerun: fc.option(fc.nat(5), { freq: 4 }),
  outputs: fc.array(pair, { maxLength: 2 }),
  inputs: fc.array(pair, { maxLength: 5, size: 'max' }),
  pipes: fc.array(fc.nat(15), { maxLength: 3 }),
  gap: fc.nat(1),
});

const job = fc.nat(JOBS - 1).map((n): Passed => ({ job: UPSTREAM[n] as number as JobId }));
const jobs = fc.uniqueArray(job, { minLength: 1, maxLength: 3, selector: (p) => JSON.stringify(p) });
const { passed } = fc.letrec<{ passed: Passed; term: Passed }>((tie) => ({
  passed: fc.oneof(
    { weight: 6, arbitrary: jobs.map((all): Passed => ({ all })) },
    { weight: 2, arbitrary: jobs.map((any): Passed => ({ any })) },
    { weight: 1, arbitrary: fc.array(tie('term'), { minLength: 1, maxLength: 2 }).map((all): Passed => ({ all })) },
    { weight: 1, arbitrary: fc.array(tie('term'), { minLength: 1, maxLength: 2 }).map((any): Passed => ({ any })) },
  ),
  term: fc.oneof(
    { maxDepth: 2 },
    job,
    jobs.map((any): Passed => ({ any })),
    jobs.map((all): Passed => ({ all })),
  ),
}));

const input = fc.record({
  resource: fc.nat(RESOURCES - 1),
  /** Some inputs carry their resource's name, which is the name that builds recorded. */
  ownName: fc.boolean(),
  passed: fc.option(passed, { freq: 5 }),
  version: fc.oneof(
    { weight: 4, arbitrary: fc.constant('latest' as const) },
    { weight: 3, arbitrary: fc.constant('every' as const) },
    { weight: 2, arbitrary: fc.record({ pin: fc.nat(VERSIONS - 1), isPartial: fc.boolean() }) },
  ),
});

const resource = fc.record({
  /** Check orders of the versions; 0: not in the history. */
  orders: fc.uniqueArray(fc.nat(VERSIONS - 1), { minLength: 0, maxLength: VERSIONS, size: 'max' }),
  disabled: fc.oneof(
    { weight: 2, arbitrary: fc.constant<number[]>([]) },
    { weight: 1, arbitrary: fc.array(fc.nat(VERSIONS - 1), { maxLength: 2 }) },
  ),
});

/** Worlds with disabled and missing versions, pins, `every`, reruns, `any`, several uses of a resource, bridged groups. */
export const randomWorld: fc.Arbitrary<RandomWorld> = fc
  .record({
    /** Small worlds are dense: in them most requests can be satisfied, and by several sets. */
    jobCount: fc.integer({ min: 1, max: JOBS }),
    resourceCount: fc.integer({ min: 1, max: RESOURCES }),
    versionCount: fc.integer({ min: 2, max: VERSIONS }),
    /** Resources hold equal versions, which then have equal digests, as two clocks or two semver files do. */
    areEqual: fc.boolean(),
    resources: fc.array(resource, { minLength: RESOURCES, maxLength: RESOURCES }),
    builds: fc.array(build, { maxLength: 16, size: 'max' }),
    inputs: fc.array(input, { minLength: 1, maxLength: 4 }),
  })
  .map((raw) => {
    const used = { resource: raw.resourceCount, version: raw.versionCount };
    const digestOf = (resource: number, version: number): Digest =>
      `${raw.areEqual ? '' : `r${resource}`}v${version}` as Digest;
    const pairOf = (p: { resource: number; version: number }): Pair => {
      const resource = p.resource % used.resource;
      return { resourceId: (resource + 1) as ResourceId, digest: digestOf(resource, p.version % used.version) };
    };
    const within = (passed: Passed): Passed => {
      if ('job' in passed)
        return { job: UPSTREAM[UPSTREAM.indexOf(passed.job as never) % raw.jobCount] as number as JobId };
      return 'all' in passed ? { all: passed.all.map(within) } : { any: passed.any.map(within) };
    };
    const jobOf = (n: number): JobId => (n === 0 ? PLANNED : UPSTREAM[(n - 1) % raw.jobCount]) as number as JobId;
    const resources = raw.resources.map(({ orders, disabled }, r): WorldResource => ({
      id: (r + 1) as ResourceId,
      // Every second version shares a part with its neighbour, so that pins can match several.
      versions: orders
        .filter((v) => v < used.version)
        .map((v, order) => ({
          digest: digestOf(r, v),
          version: versionOf(v),
          checkOrder: (order + 1) * 2,
        })),
      disabled: new Set(disabled.map((v) => digestOf(r, v))),
    }));
    const builds: WorldBuild[] = [];
    let id = 0;
    for (const b of raw.builds) {
      id += 1 + b.gap;
      const jobId = jobOf(b.job);
      const originals = builds.filter((other) => other.jobId === jobId && other.rerunOf === null);
      const rerunOf = b.rerun === null ? null : (originals[b.rerun % Math.max(originals.length, 1)]?.id ?? null);
      const earlier = builds.map((other) => other.id);
      builds.push({
        id: id as BuildId,
        jobId,
        status: b.status,
        rerunOf,
        outputs: b.outputs.map(pairOf),
        inputs: b.inputs.map((p, n) => {
          // A build has an input name once.
          const isFirst = b.inputs.findIndex((q) => (q.resource - p.resource) % used.resource === 0) === n;
          return { name: `r${p.resource % used.resource}${isFirst ? '' : `-${n}`}`, ...pairOf(p) };
        }),
        pipes:
          jobId === PLANNED && earlier.length > 0 ? [...new Set(b.pipes.map((n) => earlier[n % earlier.length]!))] : [],
      });
    }
    const inputs = raw.inputs.map((i, n): InputRequest => {
      const { version } = i;
      const resource = i.resource % used.resource;
      return {
        name:
          i.ownName &&
          raw.inputs.findIndex((other) => other.ownName && other.resource % used.resource === resource) === n
            ? `r${resource}`
            : `in${n}`,
        resourceId: (resource + 1) as ResourceId,
        trigger: true,
        passed: i.passed && within(i.passed),
        version:
          typeof version === 'string'
            ? version
            : { pinned: version.isPartial ? partOf(version.pin) : versionOf(version.pin), by: 'step' },
      };
    });
    return { resources, builds, request: { jobId: PLANNED as JobId, inputs } };
  });

function versionOf(version: number): Record<string, string> {
  return { ref: `v${version}`, branch: `b${version % 2}` };
}
function partOf(version: number): Record<string, string> {
  return version % 2 === 0 ? { branch: `b${version % 4 === 0 ? 0 : 1}` } : { ref: `v${version}` };
}
