import type { GetPlan, MetadataField, PlanNode, Version } from '../../model/index.js';
import { historyOf, saveMetadata, type Tx } from '../../persistence/index.js';
import { getScript } from '../../custom-types/index.js';
import { parseInput, type FetchResult, type StepContext } from '../../resources/index.js';
import type { ArtifactRef } from '../../runtime/index.js';
import type { Walk } from '../build-run.js';
import { stepHandle } from '../handle.js';
import type { Deadline } from '../deadline.js';
import { runInProcess, type WorkEnd } from '../in-process.js';
import { beginOnce, interrupted, runLeaf, withDeadline, type LeafEnd } from '../leaf.js';
import type { Outcome } from '../outcome.js';
import { readyResource, stepContext, type ReadyResource } from '../resource-step.js';
import { placeScript, runScriptStep } from '../script-step.js';
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
  const isImage = Boolean(plan.resourceTypes?.length);
  const place = isImage ? await placeScript(node, plan, walk) : undefined;
  if (isImage && !place) return { outcome: 'aborted', events: [run.errorEvent(node.id, 'interrupted')] };
  const handle = place?.capabilities.images ? stepHandle(run.build.id, node.id) : undefined;
  const begin = { timeout: plan.timeout ?? run.parts.settings.defaultGetTimeout, ...(handle ? { handle } : {}) };
  const { step, isResumed } = await beginOnce(node, walk, begin, () => [
    { event: 'initialize-get', data: run.at(node.id) },
    ...(place
      ? [{ event: 'selected-worker' as const, data: { ...run.at(node.id), selected_worker: place.runtime } }]
      : []),
    { event: 'start-get', data: run.at(node.id) },
  ]);
  return withDeadline(step, walk, async (deadline) => {
    if (deadline.signal.aborted && !(isResumed && handle)) return interrupted(node, walk, deadline);
    const resource = await readyResource(plan, walk);
    const context = (running: Running): Promise<StepContext> => stepContext(node, resource, walk, running);
    const { custom, source, params } = resource;
    const end: WorkEnd<Fetched> =
      custom && place
        ? await runScriptStep({
            ...{ node, walk, step, deadline, place, type: custom, context },
            script: getScript(source, params, version),
          })
        : await fetchInProcess(node, plan, version, resource, walk, deadline, isResumed);
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
    const { artifact, metadata } = end.value;
    if (!artifact) throw new Error(`get '${plan.name}' has fetched nothing`);
    return {
      outcome: 'succeeded',
      result: { artifacts: { [plan.name]: artifact }, metadata },
      events: [
        ...end.lastEvents,
        { event: 'finish-get', data: { ...run.at(node.id), exit_status: 0, version: end.value.version, metadata } },
      ],
      also: (tx) => noteMetadata(tx, plan, version, metadata, walk),
    };
  });
}

type Fetched = FetchResult & { readonly artifact?: ArtifactRef };
interface Running {
  readonly signal: AbortSignal;
  readonly log: (text: string) => void;
}

async function fetchInProcess(
  node: PlanNode,
  plan: GetPlan,
  version: Version,
  resource: ReadyResource,
  walk: Walk,
  deadline: Deadline,
  isResumed: boolean,
): Promise<WorkEnd<Fetched>> {
  const { artifacts } = walk.run.parts;
  const id = stepHandle(walk.run.build.id, node.id);
  // What a try before a crash has fetched is complete, but what it said of it is lost.
  if (isResumed) await artifacts.remove({ id });
  return runInProcess(node, walk, deadline, async (running) => {
    const context = await stepContext(node, resource, walk, running);
    const source = parseInput(
      resource.type.schema.source,
      resource.source,
      `source of resource '${plan.resource ?? plan.name}'`,
    );
    const params = parseInput(resource.type.schema.getParams, resource.params, `params of get '${plan.name}'`);
    let fetched: FetchResult | undefined;
    const artifact = await artifacts.create(id, async (dir) => {
      fetched = await resource.type.get(context, { source, params, version, dir });
    });
    if (!fetched) throw new Error(`artifact ${id} was there before it was fetched`);
    return { artifact, ...fetched };
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
  if (history) await saveMetadata(tx, history, version, walk.run.redactor.redact(metadata));
}
