import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import {
  describeFix,
  describeVerdict,
  explainInputs,
  isResolved,
  planInputs,
  readScenario,
  runOn,
  ScenarioError,
  type InputPlan,
  type Names,
  type Scenario,
} from '../../planner/index.js';
import { CliError } from '../io.js';

/** `weir plan`: what the planner chooses in worlds written down in a file. Needs no server and no database. */
export function planCommand(): Command {
  return new Command('plan')
    .description('plan the job of each scenario in a file; prints one JSON line per scenario')
    .requiredOption(
      '--scenarios <file>',
      'a scenario or an array of them (docs/concepts/planning.md); - is standard input',
    )
    .option(
      '--explain',
      'also say why: per input the newest versions with the rule that removed each, and what would help',
    )
    .action(({ scenarios: file, explain }: { scenarios: string; explain?: boolean }) => {
      const items = readJson(file);
      const problems = items.flatMap((item, i) => {
        const where = `scenario ${i + 1}`;
        const scenario = orProblem(() => readScenario(item, where));
        if (scenario instanceof ScenarioError) return [scenario.message];
        const line = { ...planLine(scenario), ...(explain ? { explain: explanationOf(scenario) } : {}) };
        process.stdout.write(`${JSON.stringify(line)}\n`);
        return [];
      });
      if (problems.length > 0) throw new CliError(`${file}: not all could be read\n${problems.join('\n')}`);
    });
}

function readJson(file: string): readonly unknown[] {
  try {
    const json: unknown = JSON.parse(readFileSync(file === '-' ? 0 : file, 'utf8'));
    return Array.isArray(json) ? json : [json];
  } catch (error) {
    throw new CliError(`cannot read ${file}: ${(error as Error).message}`);
  }
}

function orProblem<Result>(read: () => Result): Result | ScenarioError {
  try {
    return read();
  } catch (error) {
    if (error instanceof ScenarioError) return error;
    throw error;
  }
}

/** The line that is printed for one scenario. */
export function planLine(scenario: Scenario): object {
  const world = scenario.world.prepare();
  const start = performance.now();
  const plan = runOn(world, planInputs(scenario.request));
  const planMs = Math.round((performance.now() - start) * 1000) / 1000;
  return { name: scenario.name, ...describePlan(plan, scenario), planMs };
}

/** A plan in the words of the scenario file. */
export function describePlan(plan: InputPlan, scenario: Scenario): object {
  const inputs = plan.inputs.map((input) => {
    if (!isResolved(input)) return [input.name, { error: input.error, text: input.text }];
    const { firstOccurrence, passedBuildIds } = input;
    return [input.name, { version: scenario.versionAsWritten(input.version), firstOccurrence, passedBuildIds }];
  });
  return { ok: plan.resolved, hasNext: plan.hasNext, inputs: Object.fromEntries(inputs) as unknown };
}

/** Why the plan is as it is, in words. */
export interface ToldExplanation {
  /** Per input its newest versions, newest first, each with its verdict, and how many more there are. */
  readonly inputs: Readonly<Record<string, { readonly candidates: readonly string[]; readonly more: number }>>;
  readonly fixes: readonly string[];
}

export function explanationOf(scenario: Scenario): ToldExplanation {
  const names: Names = {
    job: (id) => scenario.jobs.get(id) ?? `job ${id}`,
    resource: (id) => scenario.resourceNames.get(id) ?? `resource ${id}`,
    build: (id) => `#${id}`,
    version: (version) => String(scenario.versionAsWritten(version)),
  };
  const { proofs, fixes } = runOn(scenario.world, explainInputs(scenario.request));
  const inputs = proofs.map(({ name, candidates, more }) => {
    const told = candidates.map((each) => `${names.version(each.version)}: ${describeVerdict(each.verdict, names)}`);
    return [name, { candidates: told, more }] as const;
  });
  return { inputs: Object.fromEntries(inputs), fixes: fixes.map((fix) => describeFix(fix, names)) };
}
