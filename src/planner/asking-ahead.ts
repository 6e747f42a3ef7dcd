import type { PassedBuild } from '../model/index.js';
import type { BuildList, Entry } from './build-list.js';
import { Unknown, type GroupKnowledge } from './group-knowledge.js';
import type { GroupState, Head, Wanted } from './group-state.js';
import type { Asking } from './history.js';

/** Builds of a list that are prepared together once one of them failed. */
const LOOK_AHEAD = 16;

/** Asks history for what a search needs next, and at the same time for what it will need after that: rounds are dear. */
export class AskingAhead {
  readonly unknown = new Unknown();

  constructor(
    private readonly state: GroupState,
    private readonly knowledge: GroupKnowledge,
  ) {}

  /**
   * Collects what is unknown and tells which versions of the head's build at `index` will do. @returns whether there is
   * any, to be learnt now. As a list that needs a second build may need many, it is asked for the builds read with it, too:
   * at its first build only ahead.
   */
  hasUnknown(open: readonly number[], { list }: Head, index: number): boolean {
    const { unknown } = this;
    for (const input of open) this.collectUnknown(input, (list.entries[index] as Entry).build, false);
    if (unknown.isEmpty) return false;
    for (let i = index + 1; i < list.entries.length; i++) {
      for (const input of open) this.collectUnknown(input, (list.entries[i] as Entry).build, index === 0);
    }
    return true;
  }

  /**
   * A build of a list would have done but for other jobs, so the next ones may not do either: asks at once for what all
   * builds read so far will need next, the lists of other jobs and then what those lists' first builds hold. It saves
   * rounds, nothing else.
   */
  *lookAhead(input: number, head: Head): Asking<void> {
    const from = head.next;
    const until = Math.min(from + LOOK_AHEAD, head.list.entries.length);
    head.ahead = from + LOOK_AHEAD;
    this.state.take(input, head, from);
    const open = this.state.undecidedInputs(input, head.job);
    if (this.hasUnknown(open, head, from)) this.unknown.accept(yield this.knowledge.askFor(this.unknown));
    this.state.giveBack(input, head);
    let work = until - from;
    const unread = new Set<BuildList>();
    this.withFirstVersions(input, head, until, (lists) => {
      work += lists.length;
      for (const list of lists) if (list.isUnread) unread.add(list);
    });
    this.knowledge.spend(work);
    if (unread.size === 0) return;
    const lists = [...unread];
    this.knowledge.acceptPages(yield this.knowledge.askForPages(lists), lists);
    this.withFirstVersions(input, head, until, (lists) => {
      for (const { jobId, entries } of lists) {
        const [first] = entries;
        if (first === undefined) continue;
        for (const i of this.state.namers[this.state.jobs.indexOf(jobId)] ?? []) {
          if (this.state.versions[i] === undefined) this.collectUnknown(i, first.build, false);
        }
      }
    });
    if (!this.unknown.isEmpty) this.unknown.accept(yield this.knowledge.askFor(this.unknown));
  }

  /**
   * Takes each entry of the head from its next one on, with the first version that it offers to each input, tells `look`
   * the lists of the other jobs, and gives it back. Passes over those that offer none to some input.
   */
  private withFirstVersions(
    input: number,
    head: Head,
    until: number,
    look: (lists: readonly BuildList[]) => void,
  ): void {
    const { state } = this;
    for (let index = head.next; index < until; index++) {
      state.take(input, head, index);
      const open = state.undecidedInputs(input, head.job);
      const offers = state.offersTo(open, head.job);
      if (offers.every(({ length }) => length > 0)) {
        state.setVersions(open, offers, 0);
        look(this.otherLists(head.job));
        state.clearVersions(open);
      }
      state.giveBack(input, head);
    }
  }

  /** The lists that other jobs will be asked for, as far as that can be told: each must turn out to hold a build. */
  otherLists(own: number): readonly BuildList[] {
    const { jobs, builds, namers, ways } = this.state;
    const lists: BuildList[] = [];
    for (let job = 0; job < jobs.length; job++) {
      if (job === own || builds[job] !== undefined) continue;
      for (const input of namers[job] as readonly number[]) {
        if (ways[input]?.includes(job) !== true) continue;
        lists.push(this.state.listFor(input, job));
        break;
      }
    }
    return lists;
  }

  private collectUnknown(input: number, build: PassedBuild, isAhead: boolean): void {
    const { ways, builds } = this.state;
    const { resourceId } = this.state.inputs[input] as Wanted;
    const forced = this.state.forced[input];
    for (const digest of build.versions[resourceId] ?? []) {
      const version = this.knowledge.versionOf({ resourceId, digest });
      if (forced !== undefined && version !== forced) continue;
      this.unknown.addRow(version, isAhead);
      for (const job of ways[input] ?? []) if (builds[job] === undefined) this.unknown.addPass(version, job, isAhead);
    }
  }
}
