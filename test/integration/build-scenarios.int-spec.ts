import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { requestAbort } from '../../src/persistence/index.js';
import {
  comparable,
  eventFaults,
  expected,
  loadScenarios,
  observe,
  outputLines,
  stepNames,
} from '../support/build-scenarios.js';
import { EngineWorld } from '../support/engine-world.js';

let world: EngineWorld;
beforeAll(async () => {
  world = await EngineWorld.create();
  world.engine(1).start();
});
afterAll(() => world.close());
beforeEach(() => {
  world.resourceCalls.length = 0;
  world.setPipelines.length = 0;
});

describe('build scenarios (test/scenarios/builds)', () => {
  it.each(loadScenarios().map((scenario) => [scenario.name, scenario] as const))('%s', async (_name, scenario) => {
    const { id, plan } = await world.start(await world.pipeline(scenario.pipeline));
    const line = scenario.expect.abort_at;
    if (line !== undefined) {
      await world.until(async () => {
        const events = await world.events(id);
        return outputLines(events, stepNames(plan, events)).includes(line);
      }, `"${line}"`);
      await world.db.tx((tx) => requestAbort(tx, id, 'tester'));
    }
    await world.finished(id);
    const seen = await observe(world, id, plan);
    expect(comparable(scenario.expect, seen)).toEqual(expected(scenario.expect));
    expect(eventFaults(await world.events(id))).toEqual([]);
  });
});
