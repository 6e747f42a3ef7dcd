import {
  versionContains,
  type BuildId,
  type Digest,
  type JobId,
  type PassedBuild,
  type ResourceId,
  type Version,
  type VersionRow,
} from '../model/index.js';
import { BuildList, compareEntries, type Entry } from './build-list.js';
import { GroupKnowledge, type KnownVersion, Unknown, type LastUse } from './group-knowledge.js';
import type { Asking } from './history.js';
import { ascending, type Alternative } from './passed.js';
import type { WorkBudget } from './types.js';

/** An input of a group, ready to be searched for. */
export interface Wanted {
  readonly resourceId: ResourceId;
  readonly alternatives: readonly Alternative[];
  readonly isEvery: boolean;
  readonly pin: Version | null;
  /** The only version that will do, if that is known. */
  readonly forced: Digest | null;
}

/** What the search chose for one input. */
export interface Choice {
  readonly row: VersionRow;
  readonly passedBuildIds: readonly BuildId[];
}
export interface GroupChoice {
  readonly choices: readonly Choice[];
  readonly hasNext: boolean;
}

/** Builds of a list that are prepared together once its first one failed. */
const LOOK_AHEAD = 16;

/** What is decided so far. Never changed: every step makes a new one. Lists are by input, or by place of the job. */
interface State {
  /** The jobs that the input passes; undefined while several ways are open. */
  readonly ways: readonly (Way | undefined)[];
  readonly versions: readonly (KnownVersion | undefined)[];
  readonly builds: readonly (Entry | undefined)[];
  /** How many builds are chosen. */
  readonly size: number;
  /** Where `every` goes on, once an input asked for it and found something. */
  readonly lastUse: LastUse | undefined;
}
/** An {@link Alternative} by the places of its jobs, ascending. */
type Way = readonly number[];

/** The next choice: which job gives a build for which input. Several heads when the input may pass one job or another. */
interface Decision {
  readonly input: number;
  readonly heads: readonly Head[];
}
interface Head {
  readonly way: Way;
  /** The place of the job. */
  readonly job: number;
  readonly list: BuildList;
}

/**
 * Finds the first set of versions for a group of inputs, such that for every job that an input passes there is one
 * succeeded build that holds the versions of all inputs which pass that job.
 *
 * It is a depth-first search in the order of preference: inputs in order, their jobs by ascending id, the builds of a job
 * as {@link stretchesFor} lists them, a build's versions as recorded. Only branches without a solution are cut: by asking
 * ahead whether other jobs can follow, and by remembering what failed. What can still succeed depends only on the
 * versions of inputs with jobs yet to decide, so that is all the memory compares ({@link deadKey}).
 */
export class GroupSearch {
  private readonly knowledge: GroupKnowledge;
  private readonly dead = new Set<string>();
  /** The jobs of the group, ascending: a job's place is its index here. */
  private readonly jobs: readonly JobId[];
  /** By input. */
  private readonly ways: readonly (readonly Way[])[];
  /** By input the only version that will do, if that is known. */
  private readonly forced: readonly (KnownVersion | undefined)[];
  /** Some input may choose between ways. */
  private readonly hasWays: boolean;
  private readonly hasEvery: boolean;
  /** By place of the job the inputs that may pass it, in order. */
  private readonly namers: readonly (readonly number[])[];

  constructor(
    private readonly plannedJob: JobId,
    private readonly inputs: readonly Wanted[],
    budget: WorkBudget,
  ) {
    this.knowledge = new GroupKnowledge(budget);
    this.jobs = ascending([...new Set(inputs.flatMap(({ alternatives }) => alternatives.flat()))]);
    const places = new Map(this.jobs.map((job, place) => [job, place]));
    this.ways = inputs.map(({ alternatives }) =>
      alternatives.map((jobs) => jobs.flatMap((job) => places.get(job) ?? [])),
    );
    this.hasWays = this.ways.some((ways) => ways.length > 1);
    this.hasEvery = inputs.some(({ isEvery }) => isEvery);
    this.namers = this.jobs.map((_, job) =>
      [...inputs.keys()].filter((input) => this.ways[input]?.some((way) => way.includes(job))),
    );
    this.forced = inputs.map(({ resourceId, forced }) =>
      forced === null ? undefined : this.knowledge.versionOf({ resourceId, digest: forced }),
    );
  }

  /** @returns undefined when no set exists. @throws {@link WorkBudgetSpent} */
  *find(): Asking<GroupChoice | undefined> {
    const start: State = {
      ways: this.ways.map((ways) => (ways.length === 1 ? ways[0] : undefined)),
      versions: this.inputs.map(() => undefined),
      builds: this.jobs.map(() => undefined),
      size: 0,
      lastUse: undefined,
    };
    const newest = this.inputs.flatMap(({ resourceId, forced }) => (forced === null ? [resourceId] : []));
    yield* this.knowledge.learnNewest(newest);
    const end = yield* this.solve(start);
    return end && this.choiceOf(end);
  }

  private *solve(before: State): Asking<State | undefined> {
    const needsLastUse = this.hasEvery && before.lastUse === undefined;
    const state = needsLastUse ? yield* this.rememberLastUse(before) : before;
    const decision = this.nextDecision(state);
    if (decision === undefined) return state;
    if (this.dead.size > 0 && this.dead.has(this.deadKey(state, decision))) return undefined;
    const cursors = decision.heads.map(() => 0);
    const seenAhead = decision.heads.map(() => 1);
    for (;;) {
      const at = yield* this.firstOf(decision, cursors, state);
      if (at === undefined) break;
      const head = decision.heads[at] as Head;
      const index = cursors[at] as number;
      cursors[at] = index + 1;
      if (index >= (seenAhead[at] as number)) {
        yield* this.lookAhead(state, decision.input, head, index);
        seenAhead[at] = index + LOOK_AHEAD;
      }
      const chosen = this.choose(state, decision.input, head, index);
      const open = this.undecidedInputs(chosen, decision.input, head);
      const unknown = this.unknownOf(chosen, open, head, index);
      if (!unknown.isEmpty) yield* this.knowledge.learn(unknown);
      for (const versions of this.combinations(chosen, open, head)) {
        const found = yield* this.solve({ ...chosen, versions });
        if (found !== undefined) return found;
      }
    }
    this.dead.add(this.deadKey(state, decision));
    return undefined;
  }

  // -- what to decide next ------------------------------------------------------------------------------------------

  private nextDecision(state: State): Decision | undefined {
    for (let input = 0; input < this.inputs.length; input++) {
      const chosen = state.ways[input];
      if (chosen !== undefined) {
        const job = this.nextJob(state, input, chosen);
        if (job === undefined) continue;
        return { input, heads: [{ way: chosen, job, list: this.listFor(state, input, job) }] };
      }
      const heads = (this.ways[input] ?? []).map((way): Head => {
        const job = way.find((j) => state.builds[j] !== undefined) ?? this.nextJob(state, input, way);
        if (job === undefined) throw new Error('an alternative names at least one job');
        const build = state.builds[job]?.build;
        const list = build ? BuildList.ofOne(this.idOf(job), build) : this.listFor(state, input, job);
        return { way, job, list };
      });
      return { input, heads };
    }
    return undefined;
  }

  /** The lowest job that has no build yet; under `every`, while nothing is chosen, first the jobs to go on from. */
  private nextJob(state: State, input: number, way: Way): number | undefined {
    const { lastUse, versions } = state;
    const lowest = this.firstOpen(state, way);
    if (lastUse === undefined || !this.inputs[input]?.isEvery || versions[input] !== undefined) return lowest;
    const known = way.find((job) => state.builds[job] === undefined && lastUse.has(this.idOf(job)));
    return known ?? lowest;
  }

  private firstOpen({ builds }: State, way: Way): number | undefined {
    for (const job of way) if (builds[job] === undefined) return job;
    return undefined;
  }

  private listFor(state: State, input: number, job: number): BuildList {
    const last = this.inputs[input]?.isEvery ? state.lastUse?.get(this.idOf(job)) : undefined;
    return this.knowledge.listOf(this.idOf(job), this.having(state, input, job), last);
  }

  /** What a build of the job must hold: the versions of all inputs that pass the job and have one. */
  private having(state: State, input: number, job: number): readonly KnownVersion[] {
    const having: KnownVersion[] = [];
    for (const other of this.namers[job] ?? []) {
      const version = state.versions[other] ?? this.forced[other];
      if (version === undefined || !(other === input || state.ways[other]?.includes(job))) continue;
      if (!having.includes(version)) having.push(version);
    }
    return having;
  }

  private idOf(job: number): JobId {
    return this.jobs[job] as JobId;
  }

  /**
   * `every` goes on from the builds that the job used last. The first input that needs it and finds something gives them
   * to the whole group.
   */
  private *rememberLastUse(state: State): Asking<State> {
    const wanted = this.inputs.find((_, i) => this.isOpen(state, i));
    if (!wanted?.isEvery) return state;
    return { ...state, lastUse: yield* this.knowledge.lastUseOf(this.plannedJob, wanted.resourceId) };
  }

  private isOpen(state: State, input: number): boolean {
    const way = state.ways[input];
    return way === undefined || this.firstOpen(state, way) !== undefined;
  }

  /**
   * States with equal keys have equal futures: they stand at the same decision, with the same versions for inputs that
   * have jobs yet to decide. Only where an input may still choose between ways does it matter which builds were taken.
   */
  private deadKey(state: State, { input, heads }: Decision): string {
    let key = `${input}/${state.size}`;
    for (const { job } of heads) key += `,${job}`;
    for (let i = 0; i < this.inputs.length; i++) {
      const version = state.versions[i];
      key += version !== undefined && this.isOpen(state, i) ? `|${version.number}` : '|';
    }
    if (!this.hasWays) return key;
    const open = this.ways.flatMap((ways, i) => (state.ways[i] === undefined ? ways.flat() : []));
    const chosen = this.ways.map((ways, i) => ways.indexOf(state.ways[i] ?? []));
    const taken = [...new Set(open)].map((job) => state.builds[job]?.build.id ?? '');
    return [key, chosen, taken].join('/');
  }

  // -- builds and versions ------------------------------------------------------------------------------------------

  private choose(state: State, input: number, { way, job, list }: Head, index: number): State {
    const ways = state.ways[input] === way ? state.ways : state.ways.with(input, way);
    if (state.builds[job] !== undefined) return { ...state, ways };
    return { ...state, ways, builds: state.builds.with(job, list.entries[index]), size: state.size + 1 };
  }

  /** The inputs that must take a version from the build just chosen. */
  private undecidedInputs(state: State, input: number, { job }: Head): readonly number[] {
    return (this.namers[job] ?? []).filter(
      (i) => state.versions[i] === undefined && (i === input || state.ways[i]?.includes(job)),
    );
  }

  /** Every combination of versions that the build of `head` offers to the inputs that are `open`, with those decided before. */
  private *combinations(state: State, open: readonly number[], head: Head): Generator<State['versions']> {
    if (open.length === 0) {
      yield state.versions;
      return;
    }
    const offers = open.map((input) => this.offers(state, input, head.job));
    if (offers.some(({ length }) => length === 0)) return;
    for (const offered of product(offers)) {
      this.knowledge.spend(open.length);
      const versions = [...state.versions];
      open.forEach((input, i) => (versions[input] = offered[i]));
      yield versions;
    }
  }

  /** The versions that the job's build has for the input, in recorded order, without those that cannot do. */
  private offers(state: State, input: number, job: number): readonly KnownVersion[] {
    const { resourceId } = this.inputs[input] as Wanted;
    const held = state.builds[job]?.build.versions[resourceId] ?? [];
    return [...new Set(held)]
      .map((digest) => this.knowledge.versionOf({ resourceId, digest }))
      .filter((version) => this.isUsable(state, input, version));
  }

  private isUsable(state: State, input: number, version: KnownVersion): boolean {
    const { pin } = this.inputs[input] as Wanted;
    const forced = this.forced[input];
    if (forced !== undefined && version !== forced) return false;
    const { row, pair } = version;
    if (!row?.enabled || (pin !== null && !versionContains(row.version, pin))) return false;
    return (state.ways[input] ?? []).every((job) => {
      const build = state.builds[job]?.build;
      return build
        ? (build.versions[pair.resourceId] ?? []).includes(pair.digest)
        : version.passed.get(this.idOf(job)) === true;
    });
  }

  private choiceOf(end: State): GroupChoice {
    const choices = this.inputs.map((_, input): Choice => {
      const row = end.versions[input]?.row;
      const builds = end.ways[input]?.map((job) => end.builds[job]?.build.id);
      if (!row || !builds) throw new Error('the search ended before every input had a version');
      return { row, passedBuildIds: ascending(builds.filter((id) => id !== undefined)) };
    });
    return { choices, hasNext: end.builds.some((entry) => entry?.rank === 0) };
  }

  // -- asking history -----------------------------------------------------------------------------------------------

  /** Which head has the build to be tried next; undefined when all are at their end or the state has no future. */
  private *firstOf(decision: Decision, cursors: readonly number[], state: State): Asking<number | undefined> {
    let best: number | undefined;
    for (let at = 0; at < decision.heads.length; at++) {
      const { list } = decision.heads[at] as Head;
      const index = cursors[at] as number;
      const isThere = list.entries.length > index || (!list.isComplete && (yield* this.fill(list, index, state)));
      if (!isThere) continue;
      const rival = best === undefined ? undefined : decision.heads[best]?.list.entries[cursors[best] as number];
      if (rival === undefined || compareEntries(list.entries[index] as Entry, rival) < 0) best = at;
    }
    if (best !== undefined) this.knowledge.spend(1);
    return best;
  }

  /** Reads on until the list has the entry. @returns false if it has none, or another job could not follow. */
  private *fill(list: BuildList, index: number, state: State): Asking<boolean> {
    while (list.entries.length <= index && !list.isComplete) {
      const others = index > 0 ? [] : this.otherLists(state, list);
      yield* this.knowledge.readOn([list, ...others.filter((other) => other.isUnread)], list);
      if (others.some((other) => other.entries.length === 0 && other.isComplete)) return false;
    }
    return list.entries.length > index;
  }

  /** The lists that other jobs will be asked for, as far as that can be told: each must turn out to hold a build. */
  private otherLists(state: State, own: BuildList): readonly BuildList[] {
    const lists: BuildList[] = [];
    for (let job = 0; job < this.jobs.length; job++) {
      if (this.idOf(job) === own.jobId || state.builds[job] !== undefined) continue;
      const input = this.namers[job]?.find((i) => state.ways[i]?.includes(job));
      if (input !== undefined) lists.push(this.listFor(state, input, job));
    }
    return lists;
  }

  /**
   * What {@link isUsable} needs and nobody has asked yet for the build at `index`; as a list that needs a second build may
   * need many, then also for the builds read with it.
   */
  private unknownOf(state: State, open: readonly number[], { list }: Head, index: number): Unknown {
    const unknown = new Unknown();
    for (let i = index; i < list.entries.length && (i === index || !unknown.isEmpty); i++) {
      for (const input of open) this.collectUnknown(state, input, (list.entries[i] as Entry).build, unknown);
    }
    return unknown;
  }

  /**
   * The first build of a list did not do, so the next ones may not either: asks at once for what all builds read so far
   * will need next, the lists of other jobs and then what those lists' first builds hold. It saves rounds, nothing else.
   */
  private *lookAhead(state: State, input: number, head: Head, from: number): Asking<void> {
    const chosen = this.choose(state, input, head, from);
    const here = this.unknownOf(chosen, this.undecidedInputs(chosen, input, head), head, from);
    if (!here.isEmpty) yield* this.knowledge.learn(here);
    const entries = head.list.entries.slice(from, from + LOOK_AHEAD);
    const next = entries.flatMap((_, i) => {
      const after = this.withFirstVersions(state, input, head, from + i);
      return after === undefined ? [] : [{ state: after, lists: this.otherLists(after, head.list) }];
    });
    this.knowledge.spend(next.reduce((sum, { lists }) => sum + lists.length, entries.length));
    const lists = [...new Set(next.flatMap((each) => each.lists.filter((list) => list.isUnread)))];
    if (lists.length === 0) return;
    yield* this.knowledge.readOn(lists);
    const there = new Unknown();
    for (const each of next) {
      for (const list of each.lists) {
        const build = list.entries[0]?.build;
        if (build === undefined) continue;
        for (const i of this.namers[this.jobs.indexOf(list.jobId)] ?? []) {
          if (each.state.versions[i] === undefined) this.collectUnknown(each.state, i, build, there);
        }
      }
    }
    if (!there.isEmpty) yield* this.knowledge.learn(there);
  }

  /** The state after the entry was chosen, with the first version it offers to each input; undefined if it offers none. */
  private withFirstVersions(state: State, input: number, head: Head, index: number): State | undefined {
    const chosen = this.choose(state, input, head, index);
    const versions = [...chosen.versions];
    for (const i of this.undecidedInputs(chosen, input, head)) {
      const [first] = this.offers(chosen, i, head.job);
      if (first === undefined) return undefined;
      versions[i] = first;
    }
    return { ...chosen, versions };
  }

  private collectUnknown(state: State, input: number, build: PassedBuild, unknown: Unknown): void {
    const { resourceId } = this.inputs[input] as Wanted;
    const forced = this.forced[input];
    for (const digest of build.versions[resourceId] ?? []) {
      const version = this.knowledge.versionOf({ resourceId, digest });
      if (forced !== undefined && version !== forced) continue;
      unknown.addRow(version);
      for (const job of state.ways[input] ?? []) {
        if (state.builds[job] === undefined) unknown.addPass(version, this.idOf(job));
      }
    }
  }
}

/** One item of each list, the last list's changing first. No list may be empty. */
function* product<Item>(lists: readonly (readonly Item[])[]): Generator<readonly Item[]> {
  const at = lists.map(() => 0);
  for (;;) {
    yield lists.map((list, i) => list[at[i] as number] as Item);
    let i = lists.length - 1;
    for (; i >= 0; i--) {
      const next = (at[i] as number) + 1;
      if (next < (lists[i] as readonly Item[]).length) {
        at[i] = next;
        break;
      }
      at[i] = 0;
    }
    if (i < 0) return;
  }
}
