/**
 * What the planner must choose, by brute force: every combination is tried and the best by the order of preference is
 * taken. Written from the rules of docs/concepts/planning.md; shares no code with the planner (types only).
 */
import type { Digest, Version } from '../../src/model/index.js';
import type { InputRequest, JobRequest, Passed, WorldBuild, WorldResource } from '../../src/planner/index.js';

export interface OracleAnswer {
  readonly resolved: boolean;
  readonly hasNext: boolean;
  readonly inputs: Readonly<Record<string, string>>;
}

interface Facts {
  readonly resources: readonly WorldResource[];
  readonly builds: readonly WorldBuild[];
  readonly job: number;
}

type Outcome = { error: string } | { digest: Digest; from: number[]; next: boolean };

export function oracle(
  resources: readonly WorldResource[],
  builds: readonly WorldBuild[],
  request: JobRequest,
): OracleAnswer {
  const facts: Facts = { resources, builds, job: request.jobId };
  const outcomes = new Map<InputRequest, Outcome>();
  const correlated: InputRequest[] = [];
  for (const input of request.inputs) {
    if (input.passed === null || ways(input.passed).some((way) => way.length === 0))
      outcomes.set(input, free(facts, input));
    else correlated.push(input);
  }
  for (const group of components(correlated)) {
    const missing = group.filter((input) => typeof input.version === 'object' && pinMatches(facts, input).length === 0);
    for (const input of missing) outcomes.set(input, { error: 'pinned_not_found' });
    for (const part of components(group.filter((input) => !missing.includes(input)))) {
      const best = bestSolution(facts, part);
      part.forEach((input, i) => {
        if (best === undefined) outcomes.set(input, { error: 'no_passed_satisfied' });
        else
          outcomes.set(input, {
            digest: best.digests[i]!,
            from: best.from[i]!,
            next: best.unused && missing.length === 0,
          });
      });
    }
  }
  const inputs: Record<string, string> = {};
  for (const input of request.inputs) {
    const outcome = outcomes.get(input)!;
    if ('error' in outcome) inputs[input.name] = outcome.error;
    else
      inputs[input.name] =
        `${outcome.digest} first=${!wasRecorded(facts, input, outcome.digest)} from=${outcome.from.join()}`;
  }
  const all = [...outcomes.values()];
  return { resolved: !all.some((o) => 'error' in o), hasNext: all.some((o) => 'next' in o && o.next), inputs };
}

// -- inputs without passed

function free(facts: Facts, input: InputRequest): Outcome {
  const history = historyOf(facts, input.resourceId);
  const chosen = (digest: Digest | undefined, error: string, next = false): Outcome =>
    digest === undefined ? { error } : { digest, from: [], next };
  if (typeof input.version === 'object') return chosen(pinMatches(facts, input)[0], 'pinned_not_found');
  const usable = history.filter((v) => !isDisabled(facts, input.resourceId, v.digest));
  if (input.version === 'latest') return chosen(usable.at(-1)?.digest, 'no_versions');
  const consumed = new Set(
    facts.builds
      .filter((b) => b.jobId === facts.job)
      .flatMap((b) => b.inputs.filter((i) => i.resourceId === input.resourceId).map((i) => i.digest)),
  );
  const used = history.filter((v) => consumed.has(v.digest)).map((v) => v.checkOrder);
  if (used.length === 0) return chosen(usable.at(-1)?.digest, 'no_versions_every');
  const newer = usable.filter((v) => v.checkOrder > Math.max(...used));
  if (newer.length > 0) return chosen(newer[0]!.digest, '', newer.length > 1);
  return chosen(usable.at(-1)?.digest, 'no_versions_every');
}

// -- groups

interface Solution {
  readonly ways: number[][];
  readonly buildOf: ReadonlyMap<number, WorldBuild>;
  readonly digests: Digest[];
}

function bestSolution(
  facts: Facts,
  group: readonly InputRequest[],
): { digests: Digest[]; from: number[][]; unused: boolean } | undefined {
  let best: { solution: Solution; preference: number[]; unused: boolean } | undefined;
  for (const chosenWays of product(group.map((input) => ways(input.passed!)))) {
    const jobs = [...new Set(chosenWays.flat())];
    for (const builds of product(jobs.map((job) => succeeded(facts, job)))) {
      const buildOf = new Map(jobs.map((job, i) => [job, builds[i]!]));
      const options = group.map((input, i) =>
        acceptable(
          facts,
          input,
          chosenWays[i]!.map((job) => buildOf.get(job)!),
        ),
      );
      for (const digests of product(options)) {
        const solution = { ways: chosenWays, buildOf, digests };
        const ranked = preferenceOf(facts, group, solution);
        if (best === undefined || isBefore(ranked.preference, best.preference)) best = { solution, ...ranked };
      }
    }
  }
  if (best === undefined) return undefined;
  const { solution, unused } = best;
  const from = solution.ways.map((jobs) =>
    jobs.map((job) => solution.buildOf.get(job)!.id as number).sort((a, b) => a - b),
  );
  return { digests: solution.digests, from, unused };
}

function acceptable(facts: Facts, input: InputRequest, builds: readonly WorldBuild[]): Digest[] {
  return historyOf(facts, input.resourceId)
    .filter((v) => !isDisabled(facts, input.resourceId, v.digest))
    .filter((v) => typeof input.version !== 'object' || pinMatches(facts, input).includes(v.digest))
    .filter((v) => builds.every((build) => held(build, input.resourceId).includes(v.digest)))
    .map((v) => v.digest);
}

/** How a solution would be met by somebody who decides in the order of preference: the position taken at each decision. */
function preferenceOf(
  facts: Facts,
  group: readonly InputRequest[],
  solution: Solution,
): { preference: number[]; unused: boolean } {
  const preference: number[] = [];
  const decidedWay = group.map((input) => ways(input.passed!).length === 1);
  const taken = new Set<number>();
  const hasVersion = group.map(() => false);
  let last: ReadonlyMap<number, WorldBuild> | undefined;
  let unused = false;
  for (;;) {
    const i = group.findIndex((_, k) => !decidedWay[k] || solution.ways[k]!.some((job) => !taken.has(job)));
    if (i < 0) return { preference, unused };
    const input = group[i]!;
    const isEvery = input.version === 'every';
    if (isEvery) last ??= lastUsed(facts, input.resourceId);
    const nextOf = (way: readonly number[]): number => {
      const open = way.filter((job) => !taken.has(job));
      const goesOn = isEvery && !hasVersion[i] ? open.find((job) => last?.has(job)) : undefined;
      return goesOn ?? open[0]!;
    };
    const offered = decidedWay[i] ? [solution.ways[i]!] : ways(input.passed!);
    const candidates = offered.flatMap((way) => {
      const done = decidedWay[i] ? undefined : way.find((job) => taken.has(job));
      const job = done ?? nextOf(way);
      const from = isEvery && done === undefined ? last?.get(job) : undefined;
      const builds = done === undefined ? succeeded(facts, job) : [solution.buildOf.get(job)!];
      return builds.map((build) => ({ way: way.join(), job, build, kind: kindOf(build, from) }));
    });
    // Array sort is stable, so ways keep their order where builds are equal.
    candidates.sort(
      (a, b) => a.kind - b.kind || (a.kind === 0 ? compare(a.build, b.build) : compare(b.build, a.build)),
    );
    const at = candidates.findIndex(
      (c) => c.way === solution.ways[i]!.join() && solution.buildOf.get(c.job) === c.build,
    );
    preference.push(at);
    const { job, build, kind } = candidates[at]!;
    decidedWay[i] = true;
    if (!taken.has(job)) unused ||= kind === 0;
    taken.add(job);
    for (const [k, other] of group.entries()) {
      if (hasVersion[k] || !decidedWay[k] || !solution.ways[k]!.includes(job)) continue;
      hasVersion[k] = true;
      preference.push(held(build, other.resourceId).indexOf(solution.digests[k]!));
    }
  }
}

/** 0: unused, oldest first; 1: newest first; 2: what stands at the place of the build that was used last. */
function kindOf(build: WorldBuild, last: WorldBuild | undefined): 0 | 1 | 2 {
  if (last === undefined || build === last) return 1;
  if (last.rerunOf === null && build.rerunOf === last.id) return 2;
  return compare(build, last) > 0 ? 0 : 1;
}

function lastUsed(facts: Facts, resourceId: number): ReadonlyMap<number, WorldBuild> | undefined {
  const own = facts.builds.filter((b) => b.jobId === facts.job).sort(compare);
  for (const { digest } of [...historyOf(facts, resourceId)].reverse()) {
    const users = own.filter((b) => b.inputs.some((i) => i.resourceId === resourceId && i.digest === digest));
    const newest = users.at(-1);
    if (newest === undefined) continue;
    const upstream = newest.pipes.flatMap((id) => facts.builds.filter((b) => b.id === id)).sort(compare);
    return new Map(upstream.map((build) => [build.jobId as number, build]));
  }
  return undefined;
}

// -- small words

function compare(a: WorldBuild, b: WorldBuild): number {
  return (a.rerunOf ?? a.id) - (b.rerunOf ?? b.id) || a.id - b.id;
}

function isBefore(a: readonly number[], b: readonly number[]): boolean {
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return a[i]! < b[i]!;
  return false;
}

function succeeded(facts: Facts, job: number): WorldBuild[] {
  return facts.builds.filter((b) => b.jobId === job && b.status === 'succeeded');
}

function held(build: WorldBuild, resourceId: number): Digest[] {
  return [
    ...new Set([...build.outputs, ...build.inputs].filter((p) => p.resourceId === resourceId).map((p) => p.digest)),
  ];
}

function historyOf(facts: Facts, id: number): WorldResource['versions'] {
  return [...(facts.resources.find((r) => r.id === id)?.versions ?? [])].sort((a, b) => a.checkOrder - b.checkOrder);
}

function isDisabled(facts: Facts, id: number, digest: Digest): boolean {
  return facts.resources.find((r) => r.id === id)?.disabled.has(digest) ?? false;
}

/** Newest first; only the equal one if there is one. */
function pinMatches(facts: Facts, input: InputRequest): Digest[] {
  if (typeof input.version !== 'object') return [];
  const pin = Object.entries(input.version.pinned);
  const contains = (version: Version): boolean => pin.every(([key, value]) => version[key] === value);
  const matches = historyOf(facts, input.resourceId).filter((v) => contains(v.version));
  const equal = matches.filter((v) => Object.keys(v.version).length === pin.length);
  return (equal.length > 0 ? equal : matches).map((v) => v.digest).reverse();
}

function wasRecorded(facts: Facts, { name, resourceId }: InputRequest, digest: Digest): boolean {
  return facts.builds.some(
    (b) =>
      b.jobId === facts.job &&
      b.inputs.some((i) => i.name === name && i.resourceId === resourceId && i.digest === digest),
  );
}

/** The sets of jobs of which one must be passed in full; ascending, without repetition, without those that ask for more. */
function ways(passed: Passed): number[][] {
  const all = (p: Passed): number[][] => {
    if ('job' in p) return [[p.job]];
    if ('any' in p) return p.any.flatMap(all);
    return product(p.all.map(all)).map((parts) => parts.flat());
  };
  const sets = all(passed).map((jobs) => [...new Set(jobs)].sort((a, b) => a - b));
  const distinct = sets.filter((jobs, i) => sets.findIndex((other) => other.join() === jobs.join()) === i);
  return distinct.filter(
    (jobs) => !distinct.some((other) => other.length < jobs.length && other.every((job) => jobs.includes(job))),
  );
}

function namedIn(passed: Passed): number[] {
  if ('job' in passed) return [passed.job];
  return ('any' in passed ? passed.any : passed.all).flatMap(namedIn);
}

/** Inputs connected by shared jobs, by spreading from each until nothing is added. */
function components(inputs: readonly InputRequest[]): InputRequest[][] {
  const left = new Set(inputs);
  const found: InputRequest[][] = [];
  for (const start of inputs) {
    if (!left.delete(start)) continue;
    const members = new Set([start]);
    for (const member of members) {
      const jobs = namedIn(member.passed!);
      for (const other of [...left]) {
        if (!namedIn(other.passed!).some((job) => jobs.includes(job))) continue;
        left.delete(other);
        members.add(other);
      }
    }
    found.push(inputs.filter((input) => members.has(input)));
  }
  return found;
}

function product<Item>(lists: readonly (readonly Item[])[]): Item[][] {
  return lists.reduce<Item[][]>((heads, list) => heads.flatMap((head) => list.map((item) => [...head, item])), [[]]);
}
