import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { difference, planWorld } from '../../support/compare-with-oracle.js';
import { randomWorld } from '../../support/random-worlds.js';

const RUNS = Number(process.env.WEIR_PLANNER_WORLDS ?? 20_000);

describe('the planner and brute force', () => {
  it(`agree on ${RUNS} random worlds: sound, complete, and first in the order of preference`, () => {
    let resolved = 0;
    let grouped = 0;
    let worlds = 0;
    fc.assert(
      fc.property(randomWorld, (world) => {
        worlds++;
        if (world.request.inputs.some((input) => input.passed !== null)) grouped++;
        if (planWorld(world).resolved) resolved++;
        const found = difference(world);
        if (found !== undefined) throw new Error(found);
      }),
      { numRuns: RUNS },
    );
    console.info(`planner = oracle in ${worlds} worlds: ${grouped} with passed, ${resolved} resolved`);
    // A generator that only makes unsatisfiable worlds would prove nothing.
    expect(resolved).toBeGreaterThan(RUNS / 10);
  }, 3_600_000);
});
