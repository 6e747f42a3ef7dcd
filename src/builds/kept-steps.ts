import type { PlanNode } from '../model/index.js';
import { mapNodes } from '../planner/index.js';
import type { JournaledStep } from '../persistence/index.js';
import { isGood, worst, type Outcome } from './outcome.js';

/** Outcomes by id of the step, as a journal has them. */
export type Outcomes = ReadonlyMap<string, Outcome>;

export function outcomesOf(journal: readonly JournaledStep[]): Outcomes {
  return new Map(journal.flatMap(({ stepId, outcome }) => (outcome === undefined ? [] : [[stepId, outcome]])));
}

/** What a build that resumes another one takes over from its journal. */
export interface KeptSteps {
  readonly ids: readonly string[];
  /** Those of the steps that a person knows by a name of their own. */
  readonly told: readonly string[];
  readonly putNames: readonly string[];
}

/** See {@link keptNodes}. */
export function keptSteps(plan: PlanNode, outcomes: Outcomes): KeptSteps {
  const kept = keptNodes(plan, outcomes);
  const leaves = kept.flatMap(leavesOf).filter(({ id }) => outcomes.has(id));
  return {
    ids: kept.flatMap((node) => recordedIds(node, outcomes)),
    told: leaves.map(({ id }) => id),
    putNames: leaves.flatMap(({ step }) => (step.kind === 'put' ? [step.name] : [])),
  };
}

function leavesOf(node: PlanNode): PlanNode[] {
  const leaves: PlanNode[] = [];
  mapNodes(node.step, (child) => {
    leaves.push(...leavesOf(child));
    return child;
  });
  return 'name' in node.step ? [node] : leaves;
}

/**
 * What of a build need not run again when it is resumed: every part of the plan that ended well, with all that happened in
 * it (failed attempts before a good one, a failure inside `try`). Of a part that did not: what ended well before its first
 * bad step; hooks, attempts and combinations of it run anew.
 */
function keptNodes(node: PlanNode, outcomes: Outcomes): PlanNode[] {
  const { step } = node;
  const outcome = outcomeOf(node, outcomes);
  if (outcome !== undefined && isGood(outcome)) return [node];
  switch (step.kind) {
    case 'do': {
      const firstBad = step.steps.findIndex((each) => {
        const its = outcomeOf(each, outcomes);
        return its === undefined || !isGood(its);
      });
      return step.steps.slice(0, firstBad + 1).flatMap((each) => keptNodes(each, outcomes));
    }
    case 'in_parallel':
      return step.steps.flatMap((each) => keptNodes(each, outcomes));
    case 'timeout':
    case 'on_success':
    case 'on_failure':
    case 'on_error':
    case 'on_abort':
    case 'ensure':
      return keptNodes(step.step, outcomes);
    default:
      return [];
  }
}

/** Ids of all steps of the node that the journal knows, those of the combinations of an `across` as well. */
function recordedIds(node: PlanNode, outcomes: Outcomes): string[] {
  const ids = outcomes.has(node.id) ? [node.id] : [];
  if (node.step.kind === 'across') {
    return [...ids, ...[...outcomes.keys()].filter((id) => id.startsWith(`${node.id}/`))];
  }
  mapNodes(node.step, (child) => {
    ids.push(...recordedIds(child, outcomes));
    return child;
  });
  return ids;
}

/** How the walk over the node ended, as far as the journal tells for sure; undefined: it did not come to its end. */
function outcomeOf(node: PlanNode, outcomes: Outcomes): Outcome | undefined {
  const { step } = node;
  const of = (child: PlanNode): Outcome | undefined => outcomeOf(child, outcomes);
  switch (step.kind) {
    case 'do': {
      const ends = step.steps.map(of);
      const firstBad = ends.findIndex((end) => end === undefined || !isGood(end));
      return firstBad < 0 ? 'succeeded' : ends[firstBad];
    }
    case 'in_parallel': {
      const ends = step.steps.map(of);
      // Steps that fail_fast interrupted look like those of an abort.
      const known = ends.filter((end) => end !== undefined && end !== 'aborted');
      return known.length < ends.length ? undefined : worst(known);
    }
    case 'try': {
      const end = of(step.step);
      return end === 'failed' || end === 'errored' ? 'succeeded' : end;
    }
    case 'retry': {
      const ends = step.attempts.map(of);
      const last = ends.findIndex((end) => end !== 'failed' && end !== 'errored');
      return last < 0 ? ends.at(-1) : ends[last];
    }
    case 'on_success': {
      const end = of(step.step);
      return end !== undefined && isGood(end) ? of(step.hook) : end;
    }
    case 'on_failure': {
      const [end, hook] = [of(step.step), of(step.hook)];
      if (end !== 'failed') return end;
      return hook === undefined ? undefined : worst([end, hook]);
    }
    case 'on_error':
      return afterHook(of(step.step), 'errored', of(step.hook));
    case 'on_abort':
      return afterHook(of(step.step), 'aborted', of(step.hook));
    case 'ensure': {
      const [end, hook] = [of(step.step), of(step.hook)];
      return end === undefined || hook === undefined ? undefined : worst([end, hook]);
    }
    default:
      return outcomes.get(node.id);
  }
}

/** A step whose hook had to run has ended when the hook has; the hook's own outcome does not count. */
function afterHook(end: Outcome | undefined, when: Outcome, hook: Outcome | undefined): Outcome | undefined {
  return end === when && hook === undefined ? undefined : end;
}
