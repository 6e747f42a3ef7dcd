import { isAhead } from '../../src/model/index.js';
import { isResolved, planInputs, runOn, World, type History, type InputPlan } from '../../src/planner/index.js';
import { oracle, type OracleAnswer } from './planner-oracle.js';
import type { RandomWorld } from './random-worlds.js';

/** The planner's answer in the oracle's words. */
export function inOraclesWords(plan: InputPlan): OracleAnswer {
  const inputs = plan.inputs.map((input) => [
    input.name,
    isResolved(input)
      ? `${input.digest} first=${input.firstOccurrence} from=${input.passedBuildIds.join()}`
      : input.error,
  ]);
  return { resolved: plan.resolved, hasNext: plan.hasNext, inputs: Object.fromEntries(inputs) };
}

/** @param answersAhead whether to answer a question that is asked ahead; by default in every other world */
export function historyOf(
  { resources, builds }: Pick<RandomWorld, 'resources' | 'builds'>,
  answersAhead = (): boolean => builds.length % 2 === 0,
): History {
  const world = new World(resources, builds);
  return { answer: (query) => (isAhead(query) && !answersAhead() ? null : world.answer(query)) };
}

export function planWorld(world: RandomWorld, answersAhead?: () => boolean): InputPlan {
  return runOn(historyOf(world, answersAhead), planInputs(world.request));
}

/** @returns what differs, or undefined when planner and oracle agree. */
export function difference(world: RandomWorld): string | undefined {
  const planned = JSON.stringify(inOraclesWords(planWorld(world)), null, 1);
  const expected = JSON.stringify(oracle(world.resources, world.builds, world.request), null, 1);
  return planned === expected ? undefined : `planner: ${planned}\noracle: ${expected}`;
}
