import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { isResolved, planInputs, readScenarios, runOn, type InputPlan, type Scenario } from '../../planner/index.js';

/** `weir plan`: what the planner chooses in worlds written down in a file. Needs no server and no database. */
export function planCommand(): Command {
  return new Command('plan')
    .description('plan the job of each scenario in a file and print one JSON line per scenario')
    .requiredOption('--scenarios <file>', 'a scenario or an array of them, see docs/concepts/planning.md')
    .action(({ scenarios }: { scenarios: string }) => {
      for (const scenario of readScenarios(JSON.parse(readFileSync(scenarios, 'utf8')))) {
        process.stdout.write(`${JSON.stringify(planLine(scenario))}\n`);
      }
    });
}

/** The line that is printed for one scenario. */
export function planLine(scenario: Scenario): object {
  const start = performance.now();
  const plan = runOn(scenario.world, planInputs(scenario.request));
  const planMs = Math.round((performance.now() - start) * 1000) / 1000;
  return { name: scenario.name, ...describePlan(plan, scenario), planMs };
}

/** A plan in the words of the scenario file. */
export function describePlan(plan: InputPlan, { versionAsWritten }: Scenario): object {
  const inputs = plan.inputs.map((input) => {
    if (!isResolved(input)) return [input.name, { error: input.error, text: input.text }];
    const { version, firstOccurrence, passedBuildIds } = input;
    return [input.name, { version: versionAsWritten(version), firstOccurrence, passedBuildIds }];
  });
  return { ok: plan.resolved, hasNext: plan.hasNext, inputs: Object.fromEntries(inputs) as unknown };
}
