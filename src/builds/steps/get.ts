import type { GetPlan, MetadataField, PlanNode, Version } from '../../model/index.js';
import { historyOf, saveMetadata, type Tx } from '../../persistence/index.js';
import { parseInput } from '../../resources/index.js';
import type { ArtifactRef } from '../../runtime/index.js';
import type { Walk } from '../build-run.js';
import { stepHandle } from '../handle.js';
import { runInProcess } from '../in-process.js';
import { beginOnce, interrupted, runLeaf, withDeadline, type LeafEnd } from '../leaf.js';
import type { Outcome } from '../outcome.js';
import { readyResource, stepContext } from '../resource-step.js';
import { resourceOf } from './resource-of.js';

interface GetResult {
  readonly artifacts: Readonly<Record<string, ArtifactRef>>;
  readonly metadata: readonly MetadataField[];
}

/** Fetches a version as an artifact; its metadata becomes a local var with the step's name. */
export function getStep(node: PlanNode, plan: GetPlan, walk: Walk): Promise<Outcome> {
  return runLeaf<GetResult>(node, walk, {
    run: () => fetch(node, plan, walk),
    apply: ({ artifacts, metadata }) => {
      for (const [name, ref] of Object.entries(artifacts)) walk.scope.setArtifact(name, ref);
      walk.scope.setLocalVar(plan.name, Object.fromEntries(metadata.map(({ name, value }) => [name, value])));
    },
  });
}

async function fetch(node: PlanNode, plan: GetPlan, walk: Walk): Promise<LeafEnd<GetResult>> {
  const { run } = walk;
  const version = versionOf(plan, walk);
  const { step, isResumed } = await beginOnce(node, walk, { timeout: plan.timeout }, () => [
    { event: 'initialize-get', data: run.at(node.id) },
    { event: 'start-get', data: run.at(node.id) },
  ]);
  return withDeadline(step, walk, async (deadline) => {
    if (deadline.signal.aborted) return interrupted(node, walk, deadline);
    const resource = await readyResource(plan, walk);
    const { artifacts } = run.parts;
    const id = stepHandle(run.build.id, node.id);
    // What a try before a crash has fetched is complete, but what it said of it is lost.
    if (isResumed) await artifacts.remove({ id });
    const end = await runInProcess(node, walk, deadline, async (running) => {
      const context = await stepContext(node, resource, walk, running);
      const source = parseInput(
        resource.type.schema.source,
        resource.source,
        `source of resource '${plan.resource ?? plan.name}'`,
      );
      const params = parseInput(resource.type.schema.getParams, resource.params, `params of get '${plan.name}'`);
      let fetched: { version: Version; metadata: readonly MetadataField[] } | undefined;
      const ref = await artifacts.create(id, async (dir) => {
        fetched = await resource.type.get(context, { source, params, version, dir });
      });
      if (!fetched) throw new Error(`artifact ${id} was there before it was fetched`);
      return { ref, ...fetched };
    });
    if (end.kind === 'interrupted') return interrupted(node, walk, deadline, end.lastEvents);
    if (end.kind === 'failed') {
      return {
        outcome: 'failed',
        events: [
          ...end.lastEvents,
          { event: 'finish-get', data: { ...run.at(node.id), exit_status: end.exitStatus, version } },
        ],
      };
    }
    const { ref, metadata } = end.value;
    return {
      outcome: 'succeeded',
      result: { artifacts: { [plan.name]: ref }, metadata },
      events: [
        ...end.lastEvents,
        { event: 'finish-get', data: { ...run.at(node.id), exit_status: 0, version: end.value.version, metadata } },
      ],
      also: (tx) => noteMetadata(tx, plan, version, metadata, walk),
    };
  });
}

/** The chosen version, or the one that the put before it has made. */
function versionOf(plan: GetPlan, walk: Walk): Version {
  if (plan.version) return plan.version;
  const made = walk.run.journal.step(plan.versionFrom ?? '')?.result as { version?: Version } | undefined;
  if (!made?.version) throw new Error(`get '${plan.name}' has no version: the put before it made none`);
  return made.version;
}

async function noteMetadata(
  tx: Tx,
  plan: GetPlan,
  version: Version,
  metadata: readonly MetadataField[],
  walk: Walk,
): Promise<void> {
  if (plan.resource === undefined || metadata.length === 0) return;
  const resource = await resourceOf(tx, plan.resource, walk);
  const history = resource && (await historyOf(tx, resource.id));
  if (history) await saveMetadata(tx, history, version, metadata);
}
