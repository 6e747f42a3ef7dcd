import type { JobId } from '../model/index.js';
import type { InputRequest, Passed } from './types.js';

/** A set of jobs, ascending: the version must have passed all of them. */
export type Alternative = readonly JobId[];

/** More ways than this are not tried; a config with as many is refused. */
export const MOST_ALTERNATIVES = 256;

/** How many ways {@link alternativesOf} would have to look at. */
export function countAlternatives(passed: Passed): number {
  if ('job' in passed) return 1;
  if ('any' in passed) return passed.any.reduce((sum, term) => sum + countAlternatives(term), 0);
  return passed.all.reduce((product, term) => product * countAlternatives(term), 1);
}

/**
 * The ways to satisfy `passed`, each a set of jobs. A list of jobs has one; every `any` multiplies. null when nothing
 * needs to be passed; empty when nothing can satisfy it (`any` of nothing).
 */
export function alternativesOf(passed: Passed | null): readonly Alternative[] | null {
  if (passed === null) return null;
  const sets = expand(passed).map(ascending);
  if (sets.some((jobs) => jobs.length === 0)) return null;
  if (sets.length === 1) return sets;
  const distinct = [...new Map(sets.map((jobs) => [jobs.join(), jobs])).values()];
  // A set that contains another one asks for more and never helps.
  return distinct.filter(
    (jobs) => !distinct.some((other) => other !== jobs && other.every((job) => jobs.includes(job))),
  );
}

/** Every job named anywhere in `passed`. */
export function jobsNamed(passed: Passed): readonly JobId[] {
  if ('job' in passed) return [passed.job];
  if ('all' in passed && areJobs(passed.all)) return passed.all.map(({ job }) => job);
  return ('all' in passed ? passed.all : passed.any).flatMap(jobsNamed);
}

function namesAny(named: ReadonlySet<JobId>, jobs: readonly JobId[]): boolean {
  for (const job of jobs) if (named.has(job)) return true;
  return false;
}

/** Each id once, in order: as they mostly are. */
export function ascending<Id extends number>(ids: readonly Id[]): readonly Id[] {
  for (let i = 1; i < ids.length; i++) if ((ids[i - 1] as Id) >= (ids[i] as Id)) return inserted(ids);
  return ids;
}

/** Ids are few: inserting each at its place makes less garbage than a set and a sort. */
function inserted<Id extends number>(ids: readonly Id[]): readonly Id[] {
  const sorted = ids.slice();
  let count = 0;
  for (const id of ids) {
    let place = count;
    while (place > 0 && (sorted[place - 1] as Id) >= id) place--;
    if (place < count && sorted[place] === id) continue;
    sorted.copyWithin(place + 1, place, count++);
    sorted[place] = id;
  }
  sorted.length = count;
  return sorted;
}

/** As nearly always. */
function areJobs(terms: readonly Passed[]): terms is readonly { readonly job: JobId }[] {
  return terms.every((term) => 'job' in term);
}

function expand(passed: Passed): readonly Alternative[] {
  if ('job' in passed) return [[passed.job]];
  if ('any' in passed) return passed.any.flatMap(expand);
  if (areJobs(passed.all)) return [passed.all.map(({ job }) => job)];
  return passed.all
    .map(expand)
    .reduce<readonly Alternative[]>((sets, term) => sets.flatMap((set) => term.map((jobs) => [...set, ...jobs])), [[]]);
}

/**
 * Inputs that must be chosen together: those that name a common job, directly or by a chain. Groups and their inputs keep
 * the order of the request.
 */
export function groupBySharedJobs<Input extends Pick<InputRequest, 'passed'>>(
  inputs: readonly Input[],
): readonly (readonly Input[])[] {
  const groups: { inputs: Input[]; jobs: Set<JobId> }[] = [];
  for (const input of inputs) {
    const jobs = input.passed === null ? [] : jobsNamed(input.passed);
    const home = groups.find((group) => namesAny(group.jobs, jobs));
    if (home === undefined) {
      groups.push({ inputs: [input], jobs: new Set(jobs) });
      continue;
    }
    home.inputs.push(input);
    for (const other of groups.length === 1 ? [] : groups.filter((group) => namesAny(group.jobs, jobs))) {
      if (other === home) continue;
      home.inputs.push(...other.inputs);
      for (const job of other.jobs) home.jobs.add(job);
      groups.splice(groups.indexOf(other), 1);
    }
    for (const job of jobs) home.jobs.add(job);
  }
  if (groups.length === 1) return [inputs];
  return groups.map((group) => inputs.filter((input) => group.inputs.includes(input)));
}
