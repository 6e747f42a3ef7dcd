import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  comparable,
  expected,
  loadScenarios,
  runScenario,
  type MachineName,
  type Scenario,
} from '../support/build-scenarios.js';
import { credentialsOn } from '../support/credentials.js';
import { TestDocker } from '../support/docker-daemon.js';
import { EngineWorld } from '../support/engine-world.js';
import { dockerMachine, hostMachine, whyNotPrivileged, type ScenarioMachine } from '../support/scenario-machines.js';

const docker = await TestDocker.start();
const notPrivileged = docker && (await whyNotPrivileged(docker));
if (notPrivileged !== undefined) console.warn(`SKIPPED: privileged tasks on Docker: ${notPrivileged}`);
afterAll(() => docker?.stop());

type MachineIn = (world: EngineWorld) => ScenarioMachine | undefined;
const MACHINES: (readonly [MachineName, MachineIn])[] = [
  ['dummy', () => undefined],
  ['host', hostMachine],
];
if (docker) MACHINES.push(['docker', (world) => dockerMachine(world, docker)]);

/** So many builds run at a time. */
const AT_ONCE = 8;

describe.each(MACHINES)('build scenarios (test/scenarios/builds) on %s', (machineName, machineIn) => {
  const scenarios = loadScenarios();
  const whyNot = ({ expect: { not_on, is_privileged } }: Scenario): string | undefined =>
    not_on?.[machineName] ?? (machineName === 'docker' && is_privileged ? notPrivileged : undefined);
  const possible = scenarios.filter((scenario) => whyNot(scenario) === undefined);
  const ends = new Map<string, ReturnType<typeof runScenario>>();
  let world: EngineWorld;
  beforeAll(async () => {
    world = await EngineWorld.create();
    world.credentials = credentialsOn(world.db, { varsDir: path.join(world.folder, 'vars') });
    world.stepGraceMs = 500;
    const machine = machineIn(world);
    world.engine(1, machine).start();
    const lanes: Promise<unknown>[] = Array.from({ length: AT_ONCE }, () => Promise.resolve());
    possible.forEach((scenario, place) => {
      const end = lanes[place % AT_ONCE]!.then(() => runScenario(world, scenario, machine?.prepare));
      ends.set(scenario.name, end);
      lanes[place % AT_ONCE] = end.catch(() => undefined); // told by the scenario's own test
    });
  });
  afterAll(() => world.close());

  it.each(possible.map((scenario) => [scenario.name, scenario] as const))(
    '%s',
    async (name, scenario: Scenario) => {
      const { seen, faults } = (await ends.get(name))!;
      expect(comparable(scenario.expect, seen)).toEqual(expected(scenario.expect));
      expect(faults).toEqual([]);
    },
    120_000,
  );
  for (const scenario of scenarios.filter((each) => !possible.includes(each))) {
    it.skip(`${scenario.name}: ${whyNot(scenario)}`, () => undefined);
  }
});
