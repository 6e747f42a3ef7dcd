import { versionContains, type Digest, type JobId, type ResourceId, type Version } from '../model/index.js';
import { BuildList, type Entry } from './build-list.js';
import type { GroupKnowledge, LastUse } from './group-knowledge.js';
import type { KnownVersion } from './known-version.js';
import { ascending, type Alternative } from './passed.js';
import { appended } from './small-list.js';

/** An input of a group, ready to be searched for. */
export interface Wanted {
  readonly resourceId: ResourceId;
  readonly alternatives: readonly Alternative[];
  readonly isEvery: boolean;
  readonly pin: Version | null;
  /** The only version that will do, if that is known. */
  readonly forced: Digest | null;
}

/** An {@link Alternative} by the places of its jobs, ascending. */
export type Way = readonly number[];

/** A job that may give the next build for an input that takes `way`, and how far its builds were tried. */
export class Head {
  /** Index of the entry that is tried next. */
  next = 0;
  /** An entry had versions that would do, and still did not. */
  hasFailed = false;
  /** Entries before this index were asked ahead for. */
  ahead = 0;

  constructor(
    readonly way: Way,
    /** The place of the job. */
    readonly job: number,
    readonly list: BuildList,
    /** The way was chosen before, or is the only one. */
    readonly isOnWay: boolean,
    /** The build was chosen before, for another input. */
    readonly isTaken = false,
  ) {}

  /** Its next entry is there, or it has none. */
  get isFilled(): boolean {
    return this.list.entries.length > this.next || this.list.isComplete;
  }
}

/**
 * What is decided so far for the inputs of a group. It is changed in place, as a search is mostly the making and taking
 * back of choices: whatever is taken is to be given back.
 */
export class GroupState {
  /** The jobs of the group, ascending: a job's place is its index here. */
  readonly jobs: readonly JobId[];
  /** By input all ways to satisfy its `passed`. */
  readonly allWays: readonly (readonly Way[])[];
  /** By place of a job the inputs that may pass it, in order. */
  readonly namers: readonly (readonly number[])[];
  /** By input the only version that will do, if that is known. */
  readonly forced: readonly (KnownVersion | undefined)[];
  /** By input the way it takes; undefined while several are open. */
  readonly ways: (Way | undefined)[];
  /** By input. */
  readonly versions: (KnownVersion | undefined)[];
  /** By place of the job. */
  readonly builds: (Entry | undefined)[];
  /** How many builds are chosen. */
  size = 0;
  /** Where `every` goes on, once an input asked for it and found something. */
  lastUse: LastUse | undefined;

  constructor(
    readonly inputs: readonly Wanted[],
    private readonly knowledge: GroupKnowledge,
  ) {
    const { jobs } = knowledge;
    this.jobs = jobs;
    this.allWays = inputs.map(({ alternatives }) => alternatives.map((way) => way.map((job) => jobs.indexOf(job))));
    const namers: number[][] = jobs.map(() => []);
    this.allWays.forEach((ways, input) => {
      for (const job of ways.length === 1 ? (ways[0] as Way) : new Set(ways.flat()))
        namers[job] = appended(namers[job] as number[], input);
    });
    this.namers = namers;
    this.forced = inputs.map(({ resourceId, forced }) =>
      forced === null ? undefined : knowledge.versionOf({ resourceId, digest: forced }),
    );
    this.ways = this.allWays.map((ways) => (ways.length === 1 ? ways[0] : undefined));
    this.versions = inputs.map(() => undefined);
    this.builds = jobs.map(() => undefined);
  }

  /** The lowest job of the way that has no build yet. */
  firstOpen(way: Way): number | undefined {
    for (const job of way) if (this.builds[job] === undefined) return job;
    return undefined;
  }

  /** Some job of the input is yet to be decided. */
  isOpen(input: number): boolean {
    const way = this.ways[input];
    return way === undefined || this.firstOpen(way) !== undefined;
  }

  take(input: number, { way, job, list, isTaken }: Head, index: number): void {
    this.ways[input] = way;
    if (isTaken) return;
    this.builds[job] = list.entries[index];
    this.size++;
  }

  giveBack(input: number, { job, isTaken, isOnWay }: Head): void {
    if (!isOnWay) this.ways[input] = undefined;
    if (isTaken) return;
    this.builds[job] = undefined;
    this.size--;
  }

  /** The builds of the job that hold the versions of all inputs which pass the job and have one. */
  listFor(input: number, job: number): BuildList {
    const last = this.inputs[input]?.isEvery ? this.lastUse?.get(this.jobs[job] as JobId) : undefined;
    let list = this.knowledge.listOf(job, last);
    for (const other of this.namers[job] as readonly number[]) {
      const version = this.versions[other] ?? this.forced[other];
      if (version !== undefined && (other === input || this.ways[other]?.includes(job))) list = list.having(version);
    }
    return list;
  }

  /** A list of nothing but the build that is chosen for the job. */
  chosenList(job: number): BuildList {
    return BuildList.ofOne(this.jobs[job] as JobId, this.builds[job] as Entry);
  }

  /** The inputs that must take a version from the build just chosen for `input`. */
  undecidedInputs(input: number, job: number): readonly number[] {
    let open: number[] = [];
    for (const i of this.namers[job] as readonly number[]) {
      if (this.versions[i] !== undefined || (i !== input && !this.ways[i]?.includes(job))) continue;
      open = appended(open, i);
    }
    return open;
  }

  /** For each of the inputs the versions that the job's build has for it, in recorded order, if they will do. */
  offersTo(inputs: readonly number[], job: number): readonly (readonly KnownVersion[])[] {
    return inputs.map((input) => this.offers(input, job));
  }

  private offers(input: number, job: number): readonly KnownVersion[] {
    const { resourceId } = this.inputs[input] as Wanted;
    let offers: KnownVersion[] = [];
    for (const digest of this.builds[job]?.build.versions[resourceId] ?? []) {
      const version = this.knowledge.versionOf({ resourceId, digest });
      if (!offers.includes(version) && this.isUsable(input, version)) offers = appended(offers, version);
    }
    return offers;
  }

  /** Gives the inputs `open` combination `n` of what is offered to them; the last input's version changes first. */
  setVersions(open: readonly number[], offers: readonly (readonly KnownVersion[])[], n: number): void {
    let rest = n;
    for (let i = open.length - 1; i >= 0; i--) {
      const offered = offers[i] as readonly KnownVersion[];
      this.versions[open[i] as number] = offered[rest % offered.length];
      rest = Math.floor(rest / offered.length);
    }
  }

  clearVersions(inputs: readonly number[]): void {
    for (const input of inputs) this.versions[input] = undefined;
  }

  private isUsable(input: number, version: KnownVersion): boolean {
    const { pin } = this.inputs[input] as Wanted;
    const forced = this.forced[input];
    if (forced !== undefined && version !== forced) return false;
    const { row, pair } = version;
    if (!row?.enabled || (pin !== null && !versionContains(row.version, pin))) return false;
    for (const job of this.ways[input] ?? []) {
      const build = this.builds[job]?.build;
      const isHeld = build ? build.versions[pair.resourceId]?.includes(pair.digest) : version.hasPassed(job);
      if (!isHeld) return false;
    }
    return true;
  }

  /**
   * States with equal keys that stand at the same decision have equal futures: they have the same versions for inputs that
   * have jobs yet to decide. Only where an input may still choose between ways does it matter which builds were taken.
   */
  key(): string {
    let key = '';
    for (let i = 0; i < this.inputs.length; i++) {
      const version = this.versions[i];
      key += version !== undefined && this.isOpen(i) ? `|${version.number}` : '|';
    }
    if (this.allWays.every((ways) => ways.length === 1)) return key;
    const open = this.allWays.flatMap((ways, i) => (this.ways[i] === undefined ? ways.flat() : []));
    const chosen = this.allWays.map((ways, i) => ways.indexOf(this.ways[i] ?? []));
    const taken = [...new Set(open)].map((job) => this.builds[job]?.build.id ?? '');
    return [key, chosen, taken].join('/');
  }
}

/** All jobs that the inputs may pass, ascending. */
export function jobsOf(inputs: readonly { readonly alternatives: readonly Alternative[] }[]): readonly JobId[] {
  const jobs: JobId[] = [];
  for (const { alternatives } of inputs)
    for (const way of alternatives) for (const job of way) if (!jobs.includes(job)) jobs.push(job);
  return ascending(jobs);
}
