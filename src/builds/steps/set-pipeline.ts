import type { BuildEvent, JsonObject, PlanNode, SetPipelinePlan } from '../../model/index.js';
import {
  diffText,
  formatProblem,
  identifierFault,
  parsePipeline,
  parseYaml,
  type ParentBuild,
  type SetPipelineResult,
} from '../../pipelines/index.js';
import { Redactor, secretsIn } from '../../events/index.js';
import { readArtifactFile } from '../artifact-path.js';
import type { Walk } from '../build-run.js';
import { fillVars } from '../fill-vars.js';
import { runLeaf, type LeafEnd } from '../leaf.js';
import type { Outcome } from '../outcome.js';

/** The team whose pipelines may set pipelines of other teams. */
const ADMIN_TEAM = 'main';

/** Sets a pipeline from a file of an artifact. A config with problems fails the step; nothing is changed then. */
export function setPipelineStep(node: PlanNode, plan: SetPipelinePlan, walk: Walk): Promise<Outcome> {
  return runLeaf<never>(node, walk, { run: () => setPipeline(node, plan, walk) });
}

async function setPipeline(node: PlanNode, written: SetPipelinePlan, walk: Walk): Promise<LeafEnd<never>> {
  const { run } = walk;
  const plan = await fillVars(written, walk);
  const target = targetOf(plan, walk);
  const text = await readArtifactFile(plan.file, walk);
  const { config, problems, warnings } = parsePipeline(text, {
    file: plan.file,
    vars: await templateVars(plan, target.instanceVars, walk),
  });
  const begin: BuildEvent[] = [
    { event: 'initialize', data: run.at(node.id) },
    { event: 'start', data: run.at(node.id) },
    ...warningsOf(target, warnings.map(formatProblem)).map((line) => run.logEvent(node.id, `WARNING: ${line}`)),
  ];
  const finish = (succeeded: boolean): BuildEvent => ({ event: 'finish', data: { ...run.at(node.id), succeeded } });
  if (!config) {
    const lines = problems.map((problem) => run.logEvent(node.id, formatProblem(problem)));
    return {
      outcome: 'failed',
      events: [...begin, run.logEvent(node.id, 'invalid pipeline:'), ...lines, finish(false)],
    };
  }
  // Setting the same config again changes nothing, so a crash before the step's end does no harm.
  const result = await run.journal.fenced((tx) =>
    run.parts.pipelines.setPipelineIn(tx, {
      ...target,
      config,
      by: setBy(walk),
      parent: parentOf(walk),
      paused: false,
    }),
  );
  return {
    outcome: 'succeeded',
    events: [
      ...begin,
      run.logEvent(node.id, changeText(result, walk)),
      { event: 'set-pipeline-changed', data: { ...run.at(node.id), changed: result.changed } },
      finish(true),
    ],
  };
}

interface Target {
  readonly teamName: string;
  readonly name: string;
  readonly instanceVars?: JsonObject;
}

/** @throws when the target may not be set from this build. */
function targetOf(plan: SetPipelinePlan, walk: Walk): Target {
  const { build } = walk.run;
  if (plan.name === 'self') {
    if (build.pipelineName === undefined) throw new Error(`'self' needs a build of a pipeline`);
    return { teamName: build.teamName, name: build.pipelineName, instanceVars: build.instanceVars };
  }
  if (plan.name.includes('/')) throw new Error(`pipeline name '${plan.name}' must not contain '/'`);
  const teamName = plan.team ?? build.teamName;
  if (teamName !== build.teamName && build.teamName !== ADMIN_TEAM) {
    throw new Error(`only team '${ADMIN_TEAM}' may set pipelines of other teams`);
  }
  return { teamName, name: plan.name, instanceVars: plan.instanceVars };
}

/** Instance vars win over vars, vars over files, an earlier file over a later one. */
async function templateVars(
  plan: SetPipelinePlan,
  instanceVars: JsonObject | undefined,
  walk: Walk,
): Promise<JsonObject> {
  const files: JsonObject[] = [];
  for (const file of plan.varFiles ?? []) files.push(readVars(await readArtifactFile(file, walk), file));
  return Object.assign({}, ...files.reverse(), plan.vars, instanceVars) as JsonObject;
}

function readVars(text: string, file: string): JsonObject {
  const vars = parseYaml(text, `var file '${file}'`);
  if (vars === null || typeof vars !== 'object' || Array.isArray(vars))
    throw new Error(`var file '${file}' is not a map`);
  return vars as JsonObject;
}

function setBy({ run: { build } }: Walk): string {
  return `${build.pipelineName ?? ''}/${build.jobName ?? ''} #${build.name}`;
}

/** Undefined for a one-off build: what it sets belongs to nobody. */
function parentOf({ run: { build } }: Walk): ParentBuild | undefined {
  return build.jobId === undefined ? undefined : { jobId: build.jobId, buildId: build.id };
}

function warningsOf({ name }: Target, ofConfig: readonly string[]): string[] {
  const fault = identifierFault(name);
  return fault === undefined ? [...ofConfig] : [`pipeline: ${fault}`, ...ofConfig];
}

function changeText({ changed, changes, newerBuild }: SetPipelineResult, { run }: Walk): string {
  if (newerBuild !== undefined)
    return 'WARNING: the pipeline was not saved because it was already saved by a newer build';
  if (!changed) return 'no changes to apply.';
  // Hidden before it is written as YAML, which may fold and quote a text so that it is not found.
  const own = new Redactor(secretsIn(changes).filter((text) => !text.includes('((')));
  const shown = changes.map((change) => ({
    ...change,
    old: own.redact(run.redactor.redact(change.old)),
    new: own.redact(run.redactor.redact(change.new)),
  }));
  return `${diffText((_colour, text) => text, shown)}done.`;
}
