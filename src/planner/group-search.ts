import type { BuildId, JobId, VersionRow } from '../model/index.js';
import { AskingAhead } from './asking-ahead.js';
import { compareEntries, type Entry } from './build-list.js';
import type { GroupKnowledge } from './group-knowledge.js';
import { GroupState, Head, type Wanted, type Way } from './group-state.js';
import type { Asking } from './history.js';
import { ascending } from './passed.js';

/** What the search chose for one input. */
export interface Choice {
  readonly row: VersionRow;
  readonly passedBuildIds: readonly BuildId[];
  /** Of the whole group. */
  readonly hasNext: boolean;
}

/** The next choice: which job gives a build for which input. Several heads when the input may pass one job or another. */
interface Decision {
  readonly input: number;
  readonly heads: readonly Head[];
}

/**
 * Finds the first set of versions for a group of inputs, such that for every job that an input passes there is one
 * succeeded build that holds the versions of all inputs which pass that job.
 *
 * It is a depth-first search in the order of preference: inputs in order, their jobs by ascending id, the builds of a job
 * as {@link stretchesFor} lists them, a build's versions as recorded. Only branches without a solution are cut: by asking
 * ahead whether other jobs can follow, and by remembering what failed ({@link GroupState.key}).
 */
export class GroupSearch {
  private readonly state: GroupState;
  private readonly ahead: AskingAhead;
  private readonly dead = new Set<string>();
  private readonly hasEvery: boolean;

  constructor(
    private readonly plannedJob: JobId,
    private readonly inputs: readonly Wanted[],
    private readonly knowledge: GroupKnowledge,
  ) {
    this.state = new GroupState(inputs, knowledge);
    this.ahead = new AskingAhead(this.state, knowledge);
    this.hasEvery = inputs.some(({ isEvery }) => isEvery);
  }

  /** @returns by input; undefined when no set exists. @throws {@link WorkBudgetSpent} */
  *find(): Asking<readonly Choice[] | undefined> {
    yield* this.knowledge.learnNewest(this.inputs);
    return (yield* this.solve()) ? this.choices() : undefined;
  }

  /** Decides all that is yet to be decided. @returns whether it could; if not, the state is as it was. */
  private *solve(): Asking<boolean> {
    const { state, knowledge, ahead } = this;
    const { lastUse } = state;
    if (this.hasEvery && lastUse === undefined) state.lastUse = yield* this.findLastUse();
    const decision = this.nextDecision();
    if (decision === undefined) return true;
    const { input, heads } = decision;
    let hasFuture = this.dead.size === 0 || !this.dead.has(this.deadKey(decision));
    while (hasFuture) {
      const unfilled = heads.find((each) => !each.isFilled);
      if (unfilled !== undefined) {
        const others = unfilled.next > 0 ? [] : ahead.otherLists(unfilled.job);
        knowledge.acceptPages(yield knowledge.askForPages(others, unfilled.list), others, unfilled.list);
        hasFuture = !others.some(({ isEmpty }) => isEmpty);
        continue;
      }
      const head = firstOf(heads);
      if (head === undefined) break;
      knowledge.spend(1);
      const index = head.next;
      if (head.hasFailed && index >= head.ahead) yield* ahead.lookAhead(input, head);
      head.next++;
      state.take(input, head, index);
      const open = state.undecidedInputs(input, head.job);
      if (ahead.hasUnknown(open, head, index)) ahead.unknown.accept(yield knowledge.askFor(ahead.unknown));
      const offers = state.offersTo(open, head.job);
      for (let n = 0; n < countCombinations(offers); n++) {
        knowledge.spend(open.length);
        state.setVersions(open, offers, n);
        if (yield* this.solve()) return true;
        head.hasFailed = true;
      }
      state.clearVersions(open);
      state.giveBack(input, head);
    }
    this.dead.add(this.deadKey(decision));
    state.lastUse = lastUse;
    return false;
  }

  private nextDecision(): Decision | undefined {
    const { state } = this;
    for (let input = 0; input < this.inputs.length; input++) {
      const chosen = state.ways[input];
      if (chosen !== undefined) {
        const job = this.nextJob(input, chosen);
        if (job !== undefined) return { input, heads: [new Head(chosen, job, state.listFor(input, job), true)] };
        continue;
      }
      const heads = (state.allWays[input] ?? []).map((way): Head => {
        const taken = way.find((job) => state.builds[job] !== undefined);
        if (taken !== undefined) return new Head(way, taken, state.chosenList(taken), false, true);
        const job = this.nextJob(input, way);
        if (job === undefined) throw new Error('an alternative names at least one job');
        return new Head(way, job, state.listFor(input, job), false);
      });
      return { input, heads };
    }
    return undefined;
  }

  /** The lowest job that has no build yet; under `every`, while nothing is chosen, first the jobs to go on from. */
  private nextJob(input: number, way: Way): number | undefined {
    const { lastUse, versions, builds, jobs } = this.state;
    const lowest = this.state.firstOpen(way);
    if (lastUse === undefined || !this.inputs[input]?.isEvery || versions[input] !== undefined) return lowest;
    const known = way.find((job) => builds[job] === undefined && lastUse.has(jobs[job] as JobId));
    return known ?? lowest;
  }

  /**
   * `every` goes on from the builds that the job used last. The first input that needs it and finds something gives them
   * to the whole group.
   */
  private *findLastUse(): Asking<GroupState['lastUse']> {
    const wanted = this.inputs.find((_, i) => this.state.isOpen(i));
    return wanted?.isEvery ? yield* this.knowledge.lastUseOf(this.plannedJob, wanted.resourceId) : undefined;
  }

  /** Where the search stands, and all that matters of how it came there. */
  private deadKey({ input, heads }: Decision): string {
    return `${input}/${this.state.size},${heads.map(({ job }) => job).join(',')}${this.state.key()}`;
  }

  private choices(): readonly Choice[] {
    const { ways, versions, builds } = this.state;
    const hasNext = builds.some((entry) => entry?.rank === 0);
    return this.inputs.map((_, input): Choice => {
      const row = versions[input]?.row;
      if (!row) throw new Error('the search ended before every input had a version');
      const ids = (ways[input] as Way).map((job) => (builds[job] as Entry).build.id);
      return { row, passedBuildIds: ascending(ids), hasNext };
    });
  }
}

/** How many ways there are to take one of each list: one, if there are no lists. */
function countCombinations(lists: readonly (readonly unknown[])[]): number {
  let count = 1;
  for (const { length } of lists) count *= length;
  return count;
}

/** The head whose next build is to be tried first; undefined when all are at their end. All must be filled. */
function firstOf(heads: readonly Head[]): Head | undefined {
  let best: Head | undefined;
  for (const head of heads) {
    const entry = head.list.entries[head.next];
    if (entry === undefined) continue;
    const rival = best?.list.entries[best.next];
    if (rival === undefined || compareEntries(entry, rival) < 0) best = head;
  }
  return best;
}
