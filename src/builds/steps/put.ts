import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { MetadataField, PlanNode, PutPlan, Version } from '../../model/index.js';
import { ensureHistory, saveBuildOutput, savePutVersion, type Tx } from '../../persistence/index.js';
import { putScript } from '../../custom-types/index.js';
import { configDigest, parseInput, type FetchResult } from '../../resources/index.js';
import { textsIn } from '../../events/index.js';
import { artifactNamed } from '../artifact-path.js';
import type { Walk } from '../build-run.js';
import { stepHandle } from '../handle.js';
import type { ArtifactRef } from '../../runtime/index.js';
import type { Deadline } from '../deadline.js';
import { runInProcess, type WorkEnd } from '../in-process.js';
import { beginOnce, interrupted, runLeaf, withDeadline, type LeafEnd } from '../leaf.js';
import type { Outcome } from '../outcome.js';
import { readyResource, stepContext, type ReadyResource } from '../resource-step.js';
import { placeScript, runScriptStep, type ScriptStep } from '../script-step.js';
import { resourceOf } from './resource-of.js';

interface PutResult {
  readonly version: Version;
}

/** Makes a new version. It is recorded with the end of the step, so it stays even if the build fails later. */
export function putStep(node: PlanNode, plan: PutPlan, walk: Walk): Promise<Outcome> {
  return runLeaf<PutResult>(node, walk, { run: () => put(node, plan, walk) });
}

async function put(node: PlanNode, plan: PutPlan, walk: Walk): Promise<LeafEnd<PutResult>> {
  const { run } = walk;
  const isImage = Boolean(plan.resourceTypes?.length);
  const place = isImage ? await placeScript(node, plan, walk) : undefined;
  if (isImage && !place) return { outcome: 'aborted', events: [run.errorEvent(node.id, 'interrupted')] };
  const handle = place?.capabilities.images ? stepHandle(run.build.id, node.id) : undefined;
  const begin = { timeout: plan.timeout ?? run.parts.settings.defaultPutTimeout, ...(handle ? { handle } : {}) };
  const { step, isResumed } = await beginOnce(node, walk, begin, () => [
    { event: 'initialize-put', data: run.at(node.id) },
    ...(place
      ? [{ event: 'selected-worker' as const, data: { ...run.at(node.id), selected_worker: place.runtime } }]
      : []),
    { event: 'start-put', data: run.at(node.id) },
  ]);
  return withDeadline(step, walk, async (deadline) => {
    if (deadline.signal.aborted && !(isResumed && handle)) return interrupted(node, walk, deadline);
    const resource = await readyResource(plan, walk);
    const { custom } = resource;
    const context: ScriptStep['context'] = async (running) =>
      stepContext(node, resource, walk, running, await creator(plan, walk));
    const end: WorkEnd<FetchResult> =
      custom && place
        ? await runScriptStep({
            ...{ node, walk, step, deadline, place, type: custom, context },
            script: putScript(resource.source, resource.params, inputsOf(plan, resource, walk)),
          })
        : await putInProcess(node, plan, resource, walk, deadline);
    if (end.kind === 'interrupted') return interrupted(node, walk, deadline, end.lastEvents);
    if (end.kind === 'failed') {
      return {
        outcome: 'failed',
        events: [...end.lastEvents, { event: 'finish-put', data: { ...run.at(node.id), exit_status: end.exitStatus } }],
      };
    }
    const { version, metadata } = end.value;
    if (Object.keys(version).length === 0)
      throw new Error(`resource '${plan.resource ?? plan.name}' made an empty version`);
    return {
      outcome: 'succeeded',
      result: { version },
      events: [
        ...end.lastEvents,
        { event: 'finish-put', data: { ...run.at(node.id), exit_status: 0, version, metadata } },
      ],
      also: (tx) => recordVersion(tx, plan, resource, version, metadata, walk),
    };
  });
}

function inputsOf(plan: PutPlan, resource: ReadyResource, walk: Walk): { name: string; artifact: ArtifactRef }[] {
  return inputNames(plan, resource, walk).map((name) => ({
    name,
    artifact: artifactNamed(name, walk, `put '${plan.name}'`),
  }));
}

async function putInProcess(
  node: PlanNode,
  plan: PutPlan,
  resource: ReadyResource,
  walk: Walk,
  deadline: Deadline,
): Promise<WorkEnd<FetchResult>> {
  const { run } = walk;
  const dir = path.join(run.parts.settings.dataDir, 'puts', stepHandle(run.build.id, node.id));
  try {
    await placeInputs(dir, plan, resource, walk);
    return await runInProcess(node, walk, deadline, async (running) => {
      const context = await stepContext(node, resource, walk, running, await creator(plan, walk));
      const source = parseInput(
        resource.type.schema.source,
        resource.source,
        `source of resource '${plan.resource ?? plan.name}'`,
      );
      const params = parseInput(resource.type.schema.putParams, resource.params, `params of put '${plan.name}'`);
      return resource.type.put(context, { source, params, dir });
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function placeInputs(dir: string, plan: PutPlan, resource: ReadyResource, walk: Walk): Promise<void> {
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  for (const { name, artifact } of inputsOf(plan, resource, walk))
    await walk.run.parts.artifacts.copyTo(artifact, path.join(dir, name));
}

/** `detect`: the artifacts that the first path segment of some text in the params names. */
function inputNames(plan: PutPlan, resource: ReadyResource, walk: Walk): readonly string[] {
  if (plan.inputs === 'all') return walk.scope.artifactNames();
  if (plan.inputs !== 'detect') return [...new Set(plan.inputs)];
  const mentioned = textsIn(resource.params).map((text) =>
    text.split('/').find((part) => !['', '.', '..'].includes(part)),
  );
  return walk.scope.artifactNames().filter((name) => mentioned.includes(name));
}

async function creator(plan: PutPlan, walk: Walk): Promise<Record<string, string>> {
  const { createdBy } = walk.run.build;
  const resource = await resourceOf(walk.run.parts.db, plan.resource, walk);
  return resource?.exposesCreator && createdBy ? { BUILD_CREATED_BY: createdBy } : {};
}

async function recordVersion(
  tx: Tx,
  plan: PutPlan,
  { type, source }: ReadyResource,
  version: Version,
  metadata: readonly MetadataField[],
  walk: Walk,
): Promise<void> {
  const resource = await resourceOf(tx, plan.resource, walk);
  if (!resource) return; // taken out of the pipeline while the build ran
  const history = await ensureHistory(tx, resource.id, configDigest(type.name, source));
  await savePutVersion(tx, history, version, walk.run.redactor.redact(metadata));
  await saveBuildOutput(tx, walk.run.build.id, { name: plan.name, resourceId: resource.id, version });
}
