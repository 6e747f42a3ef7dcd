import {
  versionContains,
  type BuildId,
  type Digest,
  type JobId,
  type Pair,
  type PassedBuild,
  type ResourceId,
  type Version,
  type VersionRow,
} from '../model/index.js';
import { BuildList, compareEntries, type Entry } from './build-list.js';
import { GroupKnowledge, Unknown, type LastUse } from './group-knowledge.js';
import type { Asking } from './history.js';
import type { Alternative } from './passed.js';
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

/** What is decided so far. Never changed: every step makes a new one. */
interface State {
  /** Per input the jobs it passes; undefined while several ways are open. */
  readonly alternatives: readonly (Alternative | undefined)[];
  readonly digests: readonly (Digest | undefined)[];
  readonly builds: ReadonlyMap<JobId, Entry>;
  /** Where `every` goes on, once an input asked for it and found something. */
  readonly lastUse: LastUse | undefined;
}

/** The next choice: which job gives a build for which input. Several heads when the input may pass one job or another. */
interface Decision {
  readonly input: number;
  readonly heads: readonly Head[];
}
interface Head {
  readonly alternative: Alternative;
  readonly job: JobId;
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
  private readonly numbers = new Map<Digest, number>();
  /** Some input may choose between ways. */
  private readonly hasWays: boolean;
  /** By job the inputs that may pass it, in order. */
  private readonly namers = new Map<JobId, number[]>();

  constructor(
    private readonly plannedJob: JobId,
    private readonly inputs: readonly Wanted[],
    budget: WorkBudget,
  ) {
    this.knowledge = new GroupKnowledge(budget);
    this.hasWays = inputs.some(({ alternatives }) => alternatives.length > 1);
    for (const [input, { alternatives }] of inputs.entries()) {
      for (const job of new Set(alternatives.flat())) this.namers.set(job, [...(this.namers.get(job) ?? []), input]);
    }
  }

  /** @returns undefined when no set exists. @throws {@link WorkBudgetSpent} */
  *find(): Asking<GroupChoice | undefined> {
    const start: State = {
      alternatives: this.inputs.map(({ alternatives }) => (alternatives.length === 1 ? alternatives[0] : undefined)),
      digests: this.inputs.map(() => undefined),
      builds: new Map(),
      lastUse: undefined,
    };
    const newest = this.inputs.flatMap(({ resourceId, forced }) => (forced === null ? [resourceId] : []));
    yield* this.knowledge.learnNewest(newest);
    const end = yield* this.solve(start);
    return end && this.choiceOf(end);
  }

  private *solve(before: State): Asking<State | undefined> {
    const state = yield* this.rememberLastUse(before);
    const decision = this.nextDecision(state);
    if (decision === undefined) return state;
    const key = this.deadKey(state, decision);
    if (this.dead.has(key)) return undefined;
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
      yield* this.learnAhead(chosen, decision.input, head, index);
      const found = yield* this.tryVersions(chosen, this.undecidedInputs(chosen, decision.input, head), head, 0);
      if (found !== undefined) return found;
    }
    this.dead.add(key);
    return undefined;
  }

  /** Tries every combination of versions that the build of `head` offers to `open`, from its `from`th input on. */
  private *tryVersions(state: State, open: readonly number[], head: Head, from: number): Asking<State | undefined> {
    const input = open[from];
    if (input === undefined) return yield* this.solve(state);
    for (const digest of this.offers(state, input, head.job)) {
      this.knowledge.spend(1);
      const next = { ...state, digests: state.digests.with(input, digest) };
      const found = yield* this.tryVersions(next, open, head, from + 1);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  // -- what to decide next ------------------------------------------------------------------------------------------

  private nextDecision(state: State): Decision | undefined {
    for (const [input, wanted] of this.inputs.entries()) {
      const chosen = state.alternatives[input];
      if (chosen !== undefined) {
        const job = this.nextJob(state, input, chosen);
        if (job === undefined) continue;
        return { input, heads: [{ alternative: chosen, job, list: this.listFor(state, input, job) }] };
      }
      const heads = wanted.alternatives.map((alternative): Head => {
        const job = alternative.find((j) => state.builds.has(j)) ?? this.nextJob(state, input, alternative);
        if (job === undefined) throw new Error('an alternative names at least one job');
        const build = state.builds.get(job);
        const list = build ? BuildList.ofOne(job, build.build) : this.listFor(state, input, job);
        return { alternative, job, list };
      });
      return { input, heads };
    }
    return undefined;
  }

  /** The lowest job that has no build yet; under `every`, while nothing is chosen, first the jobs to go on from. */
  private nextJob(state: State, input: number, alternative: Alternative): JobId | undefined {
    const open = alternative.filter((job) => !state.builds.has(job));
    if (!this.inputs[input]?.isEvery || state.digests[input] !== undefined || state.lastUse === undefined)
      return open[0];
    const known = open.find((job) => state.lastUse?.has(job));
    return known ?? open[0];
  }

  private listFor(state: State, input: number, job: JobId): BuildList {
    const last = this.inputs[input]?.isEvery ? state.lastUse?.get(job) : undefined;
    return this.knowledge.listOf(job, this.having(state, input, job), last);
  }

  /** What a build of the job must hold: the versions of all inputs that pass the job and have one. */
  private having(state: State, input: number, job: JobId): readonly Pair[] {
    const pairs: Pair[] = [];
    for (const other of this.namers.get(job) ?? []) {
      const digest = state.digests[other] ?? this.inputs[other]?.forced ?? undefined;
      if (digest === undefined || !(other === input || state.alternatives[other]?.includes(job))) continue;
      const { resourceId } = this.inputs[other] as Wanted;
      const isKnown = pairs.some((pair) => pair.resourceId === resourceId && pair.digest === digest);
      if (!isKnown) pairs.push({ resourceId, digest });
    }
    return pairs;
  }

  /**
   * `every` goes on from the builds that the job used last. The first input that needs it and finds something gives them
   * to the whole group.
   */
  private *rememberLastUse(state: State): Asking<State> {
    if (state.lastUse !== undefined) return state;
    const input = this.inputs.findIndex((_, i) => this.isOpen(state, i));
    const wanted = this.inputs[input];
    if (!wanted?.isEvery) return state;
    return { ...state, lastUse: yield* this.knowledge.lastUseOf(this.plannedJob, wanted.resourceId) };
  }

  private isOpen(state: State, input: number): boolean {
    const jobs = state.alternatives[input];
    return jobs === undefined || jobs.some((job) => !state.builds.has(job));
  }

  /**
   * States with equal keys have equal futures: they stand at the same decision, with the same versions for inputs that
   * have jobs yet to decide. Only where an input may still choose between ways does it matter which builds were taken.
   */
  private deadKey(state: State, { input, heads }: Decision): string {
    let key = `${input}/${state.builds.size}`;
    for (const { job } of heads) key += `,${job}`;
    for (const i of this.inputs.keys()) {
      const digest = state.digests[i];
      key += digest !== undefined && this.isOpen(state, i) ? `|${this.numberOf(digest)}` : '|';
    }
    if (!this.hasWays) return key;
    const open = this.inputs.flatMap((w, i) => (state.alternatives[i] === undefined ? w.alternatives.flat() : []));
    const ways = this.inputs.map(({ alternatives }, i) => alternatives.indexOf(state.alternatives[i] ?? []));
    const taken = [...new Set(open)].map((job) => state.builds.get(job)?.build.id ?? '');
    return [key, ways, taken].join('/');
  }

  private numberOf(digest: Digest): number {
    const known = this.numbers.get(digest);
    if (known !== undefined) return known;
    this.numbers.set(digest, this.numbers.size);
    return this.numbers.size - 1;
  }

  // -- builds and versions ------------------------------------------------------------------------------------------

  private choose(state: State, input: number, { alternative, job, list }: Head, index: number): State {
    const entry = list.entries[index] as Entry;
    return {
      ...state,
      alternatives: state.alternatives.with(input, alternative),
      builds: state.builds.has(job) ? state.builds : new Map([...state.builds, [job, entry]]),
    };
  }

  /** The inputs that must take a version from the build just chosen. */
  private undecidedInputs(state: State, input: number, head: Head): readonly number[] {
    return [...this.inputs.keys()].filter(
      (i) => state.digests[i] === undefined && (i === input || state.alternatives[i]?.includes(head.job)),
    );
  }

  /** The versions that the job's build has for the input, in recorded order, without those that cannot do. */
  private offers(state: State, input: number, job: JobId): readonly Digest[] {
    const { resourceId } = this.inputs[input] as Wanted;
    const held = state.builds.get(job)?.build.versions[resourceId] ?? [];
    return [...new Set(held)].filter((digest) => this.isUsable(state, input, digest));
  }

  private isUsable(state: State, input: number, digest: Digest): boolean {
    const { resourceId, pin, forced } = this.inputs[input] as Wanted;
    if (forced !== null && digest !== forced) return false;
    const row = this.knowledge.rowOf({ resourceId, digest });
    if (!row?.enabled || (pin !== null && !versionContains(row.version, pin))) return false;
    return (state.alternatives[input] ?? []).every((job) => {
      const build = state.builds.get(job)?.build;
      return build
        ? (build.versions[resourceId] ?? []).includes(digest)
        : this.knowledge.hasLetThrough(job, { resourceId, digest });
    });
  }

  private choiceOf(end: State): GroupChoice {
    const choices = this.inputs.map(({ resourceId }, input): Choice => {
      const digest = end.digests[input];
      const row = digest && this.knowledge.rowOf({ resourceId, digest });
      const builds = end.alternatives[input]?.map((job) => end.builds.get(job)?.build.id);
      if (!row || !builds) throw new Error('the search ended before every input had a version');
      return { row, passedBuildIds: builds.filter((id) => id !== undefined).sort((a, b) => a - b) };
    });
    return { choices, hasNext: [...end.builds.values()].some(({ rank }) => rank === 0) };
  }

  // -- asking history -----------------------------------------------------------------------------------------------

  /** Which head has the build to be tried next; undefined when all are at their end or the state has no future. */
  private *firstOf(decision: Decision, cursors: readonly number[], state: State): Asking<number | undefined> {
    let best: number | undefined;
    for (const [at, head] of decision.heads.entries()) {
      const index = cursors[at] as number;
      if (!(yield* this.fill(head, index, state))) continue;
      const entry = head.list.entries[index] as Entry;
      const rival = best === undefined ? undefined : decision.heads[best]?.list.entries[cursors[best] as number];
      if (rival === undefined || compareEntries(entry, rival) < 0) best = at;
    }
    if (best !== undefined) this.knowledge.spend(1);
    return best;
  }

  /** Reads on until the head's list has the entry. @returns false if it has none, or another job could not follow. */
  private *fill({ list }: Head, index: number, state: State): Asking<boolean> {
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
    for (const [job, namers] of this.namers) {
      if (job === own.jobId || state.builds.has(job)) continue;
      const input = namers.find((i) => state.alternatives[i]?.includes(job));
      if (input !== undefined) lists.push(this.listFor(state, input, job));
    }
    return lists;
  }

  /**
   * Makes known what {@link isUsable} needs for the build at `index`; as a list that needs a second build may need many,
   * also for the builds read with it.
   */
  private *learnAhead(state: State, input: number, head: Head, index: number): Asking<void> {
    const unknown = new Unknown(this.knowledge);
    const open = this.undecidedInputs(state, input, head);
    for (const entry of head.list.entries.slice(index)) {
      for (const i of open) this.collectUnknown(state, i, entry.build, unknown);
      if (entry === head.list.entries[index] && unknown.isEmpty) return;
    }
    yield* this.knowledge.learn(unknown);
  }

  /**
   * The first build of a list did not do, so the next ones may not either: asks at once for what all builds read so far
   * will need next, the lists of other jobs and then what those lists' first builds hold. It saves rounds, nothing else.
   */
  private *lookAhead(state: State, input: number, head: Head, from: number): Asking<void> {
    yield* this.learnAhead(this.choose(state, input, head, from), input, head, from);
    const entries = head.list.entries.slice(from, from + LOOK_AHEAD);
    const next = entries.flatMap((_, i) => {
      const after = this.withFirstVersions(state, input, head, from + i);
      return after === undefined ? [] : [{ state: after, lists: this.otherLists(after, head.list) }];
    });
    this.knowledge.spend(next.reduce((sum, { lists }) => sum + lists.length, entries.length));
    const lists = [...new Set(next.flatMap((each) => each.lists.filter((list) => list.isUnread)))];
    if (lists.length === 0) return;
    yield* this.knowledge.readOn(lists);
    const unknown = new Unknown(this.knowledge);
    for (const each of next) {
      for (const list of each.lists) {
        const entry = list.entries[0];
        if (entry === undefined) continue;
        for (const i of this.namers.get(list.jobId) ?? []) {
          if (each.state.digests[i] === undefined) this.collectUnknown(each.state, i, entry.build, unknown);
        }
      }
    }
    yield* this.knowledge.learn(unknown);
  }

  /** The state after the entry was chosen, with the first version it offers to each input; undefined if it offers none. */
  private withFirstVersions(state: State, input: number, head: Head, index: number): State | undefined {
    let next = this.choose(state, input, head, index);
    for (const i of this.undecidedInputs(next, input, head)) {
      const [first] = this.offers(next, i, head.job);
      if (first === undefined) return undefined;
      next = { ...next, digests: next.digests.with(i, first) };
    }
    return next;
  }

  private collectUnknown(state: State, input: number, build: PassedBuild, unknown: Unknown): void {
    const { resourceId, forced } = this.inputs[input] as Wanted;
    const open = (state.alternatives[input] ?? []).filter((job) => !state.builds.has(job));
    for (const digest of build.versions[resourceId] ?? []) {
      if (forced === null || digest === forced) unknown.add({ resourceId, digest }, open);
    }
  }
}
