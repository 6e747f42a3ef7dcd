import type { BuildEvent, GetPlan, ImageResourceConfig, PlanNode, TaskPlan, Version } from '../model/index.js';
import { publicPlan, typedSource } from '../planner/index.js';
import { parseInput } from '../resources/index.js';
import type { ArtifactRef, StepImage } from '../runtime/index.js';
import { artifactNamed } from './artifact-path.js';
import type { Walk } from './build-run.js';
import { runInProcess } from './in-process.js';
import { beginOnce, interrupted, runLeaf, withDeadline, type LeafEnd } from './leaf.js';
import type { Outcome } from './outcome.js';
import { readyResource, stepContext } from './resource-step.js';
import type { ReadyTask } from './task-config.js';

/** What became of a task's image: it is there, or why the task cannot run. */
export type ImageEnd = { readonly image: StepImage } | { readonly outcome: 'aborted' | 'errored' };

/** True when the image has to be fetched before the task can begin. */
export function isImageFetched(plan: TaskPlan, { config }: ReadyTask): boolean {
  return plan.image === undefined && config.image_resource !== undefined;
}

/**
 * Finds the image of a task: an artifact that the step names, or what its `image_resource` leads to. That is checked and
 * fetched by two steps of their own, `<step>/image-check` and `<step>/image-get`, which a restart finds in the journal.
 * @throws when the task has no image
 */
export async function taskImage(node: PlanNode, plan: TaskPlan, task: ReadyTask, walk: Walk): Promise<ImageEnd> {
  if (plan.image !== undefined)
    return { image: { artifact: artifactNamed(plan.image, walk, `task '${plan.name}', image`) } };
  const { image_resource: resource, rootfs_uri: uri } = task.config;
  if (resource === undefined) {
    const reason = uri === undefined ? 'has no image' : "has a 'rootfs_uri', which this server does not support";
    throw new Error(`task '${plan.name}' ${reason}: give its config an 'image_resource', or the step an 'image'`);
  }
  return fetchImage(node, plan, task, resource, walk);
}

/**
 * The command of a task: its own, or that of the image with the task's arguments after it.
 * @throws when neither says one
 */
export async function taskCommand(
  plan: TaskPlan,
  { config, argv }: ReadyTask,
  image: StepImage | undefined,
  { run }: Walk,
): Promise<readonly string[]> {
  if (config.run?.path) return argv;
  const missing = `task '${plan.name}': missing 'run.path'`;
  if (image === undefined || !('artifact' in image))
    throw new Error(`${missing}: without an image there is no default command`);
  const text = await run.parts.artifacts.readFile(image.artifact, 'metadata.json');
  const { entrypoint, cmd } = JSON.parse(text.toString()) as { entrypoint?: string[] | null; cmd?: string[] | null };
  const command = [...(entrypoint ?? []), ...(cmd ?? [])];
  if (command.length === 0) throw new Error(`${missing}, and its image has neither an ENTRYPOINT nor a CMD`);
  return [...command, ...argv];
}

async function fetchImage(
  node: PlanNode,
  plan: TaskPlan,
  task: ReadyTask,
  resource: ImageResourceConfig,
  walk: Walk,
): Promise<ImageEnd> {
  // What the image's steps make is nothing that later steps of the build see.
  const inner: Walk = { ...walk, scope: walk.scope.inner() };
  const tags = resource.tags ?? plan.tags;
  const get: Omit<GetPlan, 'version'> = {
    kind: 'get',
    name: 'image',
    ...typedSource(resource, plan.resourceTypes),
    ...(resource.params === undefined ? {} : { params: resource.params }),
    ...(tags === undefined ? {} : { tags }),
  };
  let version: Version | undefined;
  const checked = await runLeaf<{ version: Version }>({ ...node, id: `${node.id}/image-check` }, inner, {
    run: () => checkImage(node, task, get, resource.version, inner),
    apply: (found) => (version = found.version),
  });
  if (checked !== 'succeeded' || version === undefined) return { outcome: badOutcome(checked) };
  const step: GetPlan = { ...get, version };
  let artifact: ArtifactRef | undefined;
  const got = await runLeaf<ImageResult>({ id: `${node.id}/image-get`, step }, inner, {
    run: () => getImage({ id: `${node.id}/image-get`, step }, step, inner),
    apply: ({ artifacts }) => (artifact = artifacts.image),
  });
  return got === 'succeeded' && artifact ? { image: { artifact } } : { outcome: badOutcome(got) };
}

interface ImageResult {
  readonly artifacts: { readonly image: ArtifactRef };
}

/** Fetches the image unless the server has it already. */
async function getImage(node: PlanNode, plan: GetPlan, walk: Walk): Promise<LeafEnd<ImageResult>> {
  const { run } = walk;
  const { version = {} } = plan;
  const { step } = await beginOnce(node, walk, {}, () => [
    { event: 'initialize-get', data: run.at(node.id) },
    { event: 'start-get', data: run.at(node.id) },
  ]);
  return withDeadline(step, walk, async (deadline) => {
    const { type, source, params } = await readyResource(plan, walk);
    const origin = { type, source, params, who: `the task's image` };
    const end = await runInProcess(node, walk, deadline, async (running) => {
      const context = await stepContext(node, { type, source, params }, walk, running);
      return run.parts.customTypes.fetchImage(origin, version, context);
    });
    if (end.kind === 'interrupted') return interrupted(node, walk, deadline, end.lastEvents);
    const finish = (exitStatus: number): BuildEvent[] => [
      ...end.lastEvents,
      { event: 'finish-get', data: { ...run.at(node.id), exit_status: exitStatus, version } },
    ];
    if (end.kind === 'failed') return { outcome: 'failed', events: finish(end.exitStatus) };
    return { outcome: 'succeeded', result: { artifacts: { image: end.value } }, events: finish(0) };
  });
}

/** An image that cannot be had is an error, not a failure of the task. */
const badOutcome = (outcome: Outcome): 'aborted' | 'errored' => (outcome === 'aborted' ? 'aborted' : 'errored');

/** The newest version of the image, or the one that the task asks for. */
async function checkImage(
  task: PlanNode,
  { shown }: ReadyTask,
  get: Omit<GetPlan, 'version'>,
  pinned: Version | undefined,
  walk: Walk,
): Promise<LeafEnd<{ version: Version }>> {
  const { run } = walk;
  const { type, source, tags } = get;
  const node: PlanNode = {
    id: `${task.id}/image-check`,
    step: { kind: 'check', name: 'image', resource: 'image', type, source, ...(tags === undefined ? {} : { tags }) },
  };
  const { step } = await beginOnce(node, walk, {}, () => [
    { event: 'initialize-task', data: { ...run.at(task.id), config: shown } },
    ...(pinned ? [] : [{ event: 'image-check' as const, data: { ...run.at(task.id), plan: publicPlan(node) } }]),
  ]);
  const endWith = (version: Version): LeafEnd<{ version: Version }> => {
    const plan = publicPlan({ id: `${task.id}/image-get`, step: { ...get, version } });
    return {
      outcome: 'succeeded',
      result: { version },
      events: [{ event: 'image-get', data: { ...run.at(task.id), plan } }],
    };
  };
  if (pinned) return endWith(pinned);
  return withDeadline(step, walk, async (deadline) => {
    const resource = await readyResource(get, walk);
    const source = parseInput(resource.type.schema.source, resource.source, `source of the task's image`);
    const end = await runInProcess(node, walk, deadline, async (running) =>
      resource.type.check(await stepContext(node, resource, walk, running), { source }),
    );
    if (end.kind === 'interrupted') return interrupted(node, walk, deadline, end.lastEvents);
    if (end.kind === 'failed') return { outcome: 'failed', events: end.lastEvents };
    const newest = end.value.at(-1);
    if (!newest) throw new Error(`the check of the task's image found no version`);
    const good = endWith(newest);
    return { ...good, events: [...end.lastEvents, ...(good.events ?? [])] };
  });
}
